"""Draw what runs made of the goals, as SVG: ``python -m bench.plot A.json B.json > picture.svg``.

Each row is a goal, on a scale of ratios that doubles: a bar to what was measured, a mark where the
goal is. Below it stands what the figures were made on.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.goals import GOALS, Goal, Verdict, judge

LABELS, SCALE, MARGIN, ROW = 380, 420, 16, 34
WIDTH = LABELS + SCALE + 2 * MARGIN

#: The ends of the scale; what lies beyond is drawn at the end.
LEAST, MOST = 1 / 128, 4.0

STYLE = """
.paper { fill: #f7f9fb; stroke: #d5dde5 }
.work { fill: #17212b }
.quiet { fill: #52616f }
.grid { stroke: #d5dde5 }
.one { stroke: #7d8ea1 }
.met { fill: #3c8a6b }
.missed { fill: #b5782c }
.goal { stroke: #17212b }
@media (prefers-color-scheme: dark) {
.paper { fill: #161b22; stroke: #2d3742 }
.work { fill: #e6edf3 }
.quiet { fill: #9fb0c0 }
.grid { stroke: #2d3742 }
.one { stroke: #66778a }
.met { fill: #57b892 }
.missed { fill: #d9a25a }
.goal { stroke: #e6edf3 }
}
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 13px }
.quiet { font-size: 12px }
"""


def main(files: Sequence[str]) -> int:
    print(drawn([json.loads(Path(name).read_text("utf-8")) for name in files]))
    return 0


def drawn(documents: Sequence[Mapping[str, Any]]) -> str:
    """The picture of runs that were all held against the same goals."""
    goals = [
        goal
        for goal in GOALS
        if goal.peer
        and goal.metric == "cpu"
        and all(goal.scenario in document["scenarios"] for document in documents)
    ]
    runs = [judge(document, goals) for document in documents]
    names = [document["about"]["python"] for document in documents]
    lines: list[str] = []
    top = MARGIN + 44
    bottom = top + ROW * len(goals)
    for ratio in (1 / 64, 1 / 16, 1 / 4, 1 / 2, 1.0, 2.0, 4.0):
        x = _place(ratio)
        kind = "one" if ratio == 1 else "grid"
        lines.append(f'<path class="{kind}" d="M{x:.1f} {top - 8}V{bottom}"/>')
        word = f"1/{1 / ratio:.0f}" if ratio < 1 else f"{ratio:.0f}"
        lines.append(
            f'<text class="quiet" x="{x:.1f}" y="{top - 14}" text-anchor="middle">{word}</text>'
        )
    for number, goal in enumerate(goals):
        lines += _row(goal, [verdicts[number] for verdicts in runs], top + ROW * number)
    about = documents[0]["about"]
    words = [
        "Processor time, ours divided by theirs, on a scale that doubles. A stroke is the goal; "
        "green met it.",
        f"The upper bar is {', the lower one '.join(names)}; {about['openssl']}, "
        f"{about['system']}, {about['rounds']} rounds.",
    ]
    for number, line in enumerate(words):
        y = bottom + 24 + 18 * number
        lines.append(f'<text class="quiet" x="{MARGIN}" y="{y}">{escape(line)}</text>')
    high = bottom + 24 + 18 * len(words)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" '
            f'height="{high}" role="img" aria-label="Where hyper stands against its goals">',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{high - 1}" rx="8"/>',
            *lines,
            "</svg>",
        ]
    )


def _row(goal: Goal, verdicts: Sequence[Verdict], top: float) -> list[str]:
    work = f"{goal.what}, of {goal.peer}"
    if goal.scenario.startswith("heavy-"):
        work += f" ({goal.scenario.rpartition('-')[2]})"
    lines = [f'<text class="work" x="{MARGIN}" y="{top + 17}">{escape(work)}</text>']
    thick = (ROW - 12) / len(verdicts)
    for number, verdict in enumerate(verdicts):
        if verdict.value is None:
            continue
        begin, end = _place(LEAST), _place(verdict.value)
        y = top + 4 + number * (thick + 1)
        kind = "met" if verdict.met else "missed"
        lines.append(
            f'<rect class="{kind}" x="{begin:.1f}" y="{y:.1f}" width="{end - begin:.1f}" '
            f'height="{thick:.1f}" rx="2"><title>{verdict.value:.3g}</title></rect>'
        )
    x = _place(goal.limit)
    lines.append(f'<path class="goal" stroke-width="2" d="M{x:.1f} {top + 1}V{top + ROW - 5}"/>')
    return lines


def _place(ratio: float) -> float:
    """Where a ratio is, from the left."""
    part = math.log2(min(max(ratio, LEAST), MOST) / LEAST) / math.log2(MOST / LEAST)
    return MARGIN + LABELS + part * (SCALE - MARGIN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
