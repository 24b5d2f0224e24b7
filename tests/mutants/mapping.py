"""``python -m tests.mutants.mapping OUT FILE ... -- TEST ...``: which test passes which line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import coverage
import pytest


class Mapper:
    """A plugin of pytest: tells coverage which test is running, and times it."""

    def __init__(self, cover: coverage.Coverage) -> None:
        self.cover = cover
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.cover.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


def main() -> int:
    out, *rest = sys.argv[1:]
    at = rest.index("--")
    files, tests = rest[:at], rest[at + 1 :]
    package = Path.cwd() / "src" / "hyper"
    wanted = [str(package / file) for file in files]
    cover = coverage.Coverage(include=wanted, data_file=None, config_file=False, branch=False)
    mapper = Mapper(cover)
    cover.start()
    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "", *tests], plugins=[mapper])
    cover.stop()
    data = cover.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for file in files:
        by_line = data.contexts_by_lineno(str(package / file))
        lines[file] = {
            line: sorted(
                {context for context in contexts if context},
                key=lambda context: mapper.seconds.get(context, 9.0),
            )
            for line, contexts in by_line.items()
        }
    Path(out).write_text(json.dumps({"seconds": mapper.seconds, "lines": lines}))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
