"""The page of what a request costs: its calls into the operating system, counted by strace."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ..certificates import Certificates
from ..test_request_cost import ROWS, PlainSpoken, answering, told
from .conftest import REQUIRED
from .servers import CHECKOUT_ON_PATH

__all__ = ["answering"]  # the fixture

#: Looked for where nothing is, between one request and the next.
MARK = "/between-requests"
REQUESTS = 50
MEMORY = ("brk", "madvise", "mmap", "mremap", "munmap")

CLIENT = """
import os, ssl, sys
from contextlib import ExitStack, suppress
from tests.test_request_cost import BODY, ROWS
row, port, authority, mark, number = sys.argv[1:]
with ExitStack() as stack:
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    get = ROWS[row](stack, int(port), context)
    for _ in range(int(number)):
        assert get() == BODY
        with suppress(OSError):
            os.stat(mark)
"""


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_page_is_what_strace_counts(
    row: str, answering: PlainSpoken, certificates: Certificates, tmp_path: Path
) -> None:
    strace = shutil.which("strace")
    if strace is None:
        (pytest.fail if REQUIRED else pytest.skip)("no strace on the PATH")
    log = tmp_path / "calls"
    client = [sys.executable, "-c", CLIENT, row, str(answering.port), str(certificates.authority)]
    variables = {**CHECKOUT_ON_PATH, "REQUESTS_CA_BUNDLE": str(certificates.authority)}
    told_to = [f"-E{name}={value}" for name, value in variables.items()]
    command = [strace, "-qq", "-o", str(log), *told_to, *client, MARK, str(REQUESTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    lines = log.read_text("utf-8", "replace").splitlines()
    marks = [number for number, line in enumerate(lines) if re.match(r"\w+\(.*" + MARK, line)]
    del marks[0]  # the command line
    assert len(marks) == REQUESTS
    each: list[list[str]] = []
    for begin, end in pairwise(marks):
        calls = [line.split("(")[0] for line in lines[begin + 1 : end]]
        # Memory is the allocator's business, and comes in no fixed measure.
        each.append([name for name in calls if name not in MEMORY])
    least = min(each, key=len)
    _, said = told()[row]
    # Where others own the socket it depends on their versions, and on what else came in.
    spare = 0 if said == 3 else 3
    assert abs(len(least) - said) <= spare, f"{len(least)}: {least}"
