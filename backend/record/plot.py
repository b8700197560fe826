"""The record over time as a drawing (SVG), a week a step: the same bytes for the same numbers, no library needed.

Ink and paper follow the reader's light or dark screen; lines are told apart by their dashes, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from backend.record.counted import Counted
from backend.record.figures import Figures, Share, figures_by, share

_WIDTH, _LEFT, _RIGHT, _TOP, _HIGH, _GAP = 720, 48, 12, 40, 120, 34
_BLUE, _ORANGE, _RED = "#2f7fd6", "#d9730d", "#c03546"
_STYLE = (
    "text{font:12px sans-serif;fill:currentColor}.axis{stroke:currentColor;stroke-opacity:.25}"
    "svg{color:#1c1c1c}@media(prefers-color-scheme:dark){svg{color:#e6e6e6}}"
)
_MOST_LABELS = 8


@dataclass(frozen=True)
class Mark:
    """Something that happened: in which week, and what it was."""

    week: str
    said: str


@dataclass(frozen=True)
class _Line:
    name: str
    colour: str
    dashes: str
    points: Mapping[str, Share]


def draw_over_time(title: str, counted: Counted, marks: Sequence[Mark] = ()) -> str:
    """Sensitivity and specificity, what was said and what was found, and how many cases, by the week of the photo.

    A week of fewer than five cases shows no figure.
    """
    weekly = figures_by(counted, "week")
    cases = {str(week): int(n) for week, n in zip(*np.unique(counted.by["week"], return_counts=True), strict=True)}
    weeks = sorted({*cases, *(mark.week for mark in marks)})
    at = {week: _LEFT + (n + 0.5) * (_WIDTH - _LEFT - _RIGHT) / max(1, len(weeks)) for n, week in enumerate(weeks)}
    said = {week: Share(n, *_mean(counted, week)) for week, n in cases.items() if week in weekly}
    found = {week: share(counted.anaemic, counted.weight, counted.by["week"] == week) for week in said}
    panels = (
        (_Line("sensitivity", _BLUE, "", _shares(weekly, "sensitivity")),
         _Line("specificity", _ORANGE, "6 3", _shares(weekly, "specificity"))),
        (_Line("said: mean score", _BLUE, "", said), _Line("found: share anaemic", _ORANGE, "6 3", found)),
    )  # fmt: skip
    height = _TOP + 3 * (_HIGH + _GAP)
    parts = [f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for number, lines in enumerate(panels):
        parts += _panel(_TOP + number * (_HIGH + _GAP), lines, at)
    parts += _bars(_TOP + 2 * (_HIGH + _GAP), cases, at)
    parts += _weeks(weeks, at, height - 6)
    parts += _marks(marks, at, height - _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _shares(weekly: Mapping[str, Figures], name: str) -> dict[str, Share]:
    return {week: getattr(figures, name) for week, figures in weekly.items()}


def _mean(counted: Counted, week: str) -> tuple[float | None, None, None]:
    rows = counted.by["week"] == week
    weight = counted.weight[rows]
    return (float(np.average(counted.probability[rows], weights=weight)) if weight.sum() else None), None, None


def _panel(top: float, lines: Sequence[_Line], at: Mapping[str, float]) -> Iterator[str]:
    yield from _frame(top, ("0", "0.5", "1"))
    for number, line in enumerate(lines):
        x = _LEFT + 8 + 150 * number
        yield f'<path d="M{x} {top - 8}h22" {_stroke(line)}/><text x="{x + 28}" y="{top - 4}">{line.name}</text>'
        yield from _interval(top, line, at)
        path = " ".join(f"{at[week]:.1f},{_y(top, one.value):.1f}" for week, one in _known(line))
        yield f'<polyline points="{path}" {_stroke(line)}/>'


def _interval(top: float, line: _Line, at: Mapping[str, float]) -> Iterator[str]:
    for week, one in _known(line):
        if one.low is not None and one.high is not None:
            low, high = _y(top, one.low), _y(top, one.high)
            yield f'<path d="M{at[week]:.1f} {low:.1f}V{high:.1f}" stroke="{line.colour}" stroke-opacity=".35"/>'


def _known(line: _Line) -> list[tuple[str, Share]]:
    return [(week, one) for week, one in sorted(line.points.items()) if one.value is not None]


def _bars(top: float, cases: Mapping[str, int], at: Mapping[str, float]) -> Iterator[str]:
    most, wide = max(cases.values(), default=1), max(1.0, 0.6 * (_WIDTH - _LEFT - _RIGHT) / max(1, len(at)))
    yield from _frame(top, ("0", "", str(most)))
    yield f'<text x="{_LEFT + 8}" y="{top - 4}">cases confirmed</text>'
    for week, n in cases.items():
        high = _HIGH * n / most
        yield (
            f'<rect x="{at[week] - wide / 2:.1f}" y="{top + _HIGH - high:.1f}" width="{wide:.1f}" '
            f'height="{high:.1f}" fill="{_BLUE}" fill-opacity=".5"/>'
        )


def _frame(top: float, labels: Sequence[str]) -> Iterator[str]:
    for number, label in enumerate(labels):
        y = top + _HIGH * (1 - number / 2)
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" class="axis"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def _weeks(weeks: Sequence[str], at: Mapping[str, float], y: float) -> Iterator[str]:
    for week in weeks[:: max(1, -(-len(weeks) // _MOST_LABELS))]:
        yield f'<text x="{at[week]:.1f}" y="{y - 10}" text-anchor="middle">{escape(week)}</text>'


def _marks(marks: Sequence[Mark], at: Mapping[str, float], bottom: float) -> Iterator[str]:
    """A line where something happened; what it was shows when it is pointed at."""
    for mark in marks:
        yield (
            f'<path d="M{at[mark.week]:.1f} {_TOP}V{bottom}" stroke="{_RED}" stroke-dasharray="2 3">'
            f"<title>{escape(mark.said)}</title></path>"
        )


def _stroke(line: _Line) -> str:
    return f'fill="none" stroke="{line.colour}" stroke-width="2" stroke-dasharray="{line.dashes}"'


def _y(top: float, value: float | None) -> float:
    return top + _HIGH * (1 - (value or 0.0))
