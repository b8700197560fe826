"""Drawings as SVG, the same bytes for the same numbers; ink and paper follow the reader's light or dark screen."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pallor.errors import shortened

_INK = "#123456"  # stands for the reader's own text colour, which takes its place in the finished file
# Told apart on white and on black, and by people who see fewer colours; the dashes help where there is no colour.
_LINES = (
    ("#2f7fd6", "-"),
    ("#d9730d", "--"),
    ("#8f6ad1", "-."),
    ("#1d9a8a", ":"),
    ("#b8506e", (0, (6, 1, 1, 1, 1, 1))),
)
_WIDTH = 4.6  # inches: as wide as a phone's screen, so that letters keep their size there
_LONGEST_LABEL = 22
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.parse_math": False,  # a site's name is no formula
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 10,
}
_ON_ITS_OWN = "<style>svg{color:#1c1c1c}@media(prefers-color-scheme:dark){svg{color:#e6e6e6}}</style>"


Point = tuple[int, float, float, float]


@dataclass(frozen=True)
class Curve:
    """A line with an interval round it where it has one; all of the same length."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Estimate:
    """A named value, its interval where there is one, and of how many rows."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None


def roc_plot(curves: Sequence[Curve], title: str) -> str:
    """Sensitivity over false alarms, the curves on top of chance."""
    with _styled(title):
        figure = Figure((_WIDTH, _WIDTH + 0.2 * len(curves)), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, alpha=0.6, label="chance")
        _draw(axes, curves)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title=title)
        axes.set_aspect("equal")
        figure.legend(loc="outside lower left")
        return _svg(figure)


def calibration_plot(bins: Sequence[Estimate], said: Sequence[float], title: str) -> str:
    """What was found over what was said, and below it for how many each point stands.

    Args:
        bins: the share of anaemia in each bin, with its ``count``.
        said: the mean probability in each bin.
    """
    with _styled(title):
        figure = Figure((_WIDTH, 5.2), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, alpha=0.6, label="calibrated")
        axes.plot(said, [one.value for one in bins], color=_LINES[0][0], marker="o", markersize=4, label="found")
        lows, highs = [_or(one.low, one.value) for one in bins], [_or(one.high, one.value) for one in bins]
        axes.vlines(said, lows, highs, color=_LINES[0][0], linewidth=0.9)
        axes.set(ylabel="share anaemic", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=title)
        axes.legend(loc="upper left")
        counts = [one.count or 0 for one in bins]
        below.bar(said, counts, width=0.03, color=_LINES[0][0], alpha=0.7)
        for at, count in zip(said, counts, strict=True):
            below.annotate(str(count), (at, count), (0, 1), textcoords="offset points", ha="center", fontsize=9)
        below.set(xlabel="probability said", ylabel="n", ylim=(0, max([1, *counts]) * 1.35))
        below.grid(visible=False)
        return _svg(figure)


def forest_plot(parts: Mapping[str, Sequence[Estimate]], overall: Estimate, measure: str, title: str) -> str:
    """A subgroup a line, under the name of what they differ by; the thin line is everybody's value."""
    labels: list[str] = []
    shown: list[tuple[int, Estimate]] = []
    for part, estimates in {"": [overall], **parts}.items():
        labels += [part] if part else []
        for one in estimates:
            shown.append((len(labels), one))
            labels.append(f"{shortened(one.name, _LONGEST_LABEL)}  n={'?' if one.count is None else one.count}")
    heads = set(range(len(labels))) - {place for place, _ in shown}
    with _styled(title):
        figure = Figure((_WIDTH, 1 + 0.26 * len(labels)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0.5, color=_INK, linewidth=0.8, alpha=0.6)
        axes.axvline(overall.value, color=_LINES[0][0], linewidth=0.8, alpha=0.7)
        for place, one in shown:
            low, high = _or(one.low, one.value), _or(one.high, one.value)
            axes.plot([low, high], [place, place], color=_LINES[0][0], linewidth=1.6)
            axes.plot([one.value], [place], color=_LINES[0][0], marker="s" if place else "D", markersize=5)
        axes.set_yticks(range(len(labels)), labels)
        for place, label in enumerate(axes.get_yticklabels()):
            label.set_fontweight("bold" if place in heads else "normal")
            label.set_fontsize(10)
        leftmost = min(_or(one.low, one.value) for _, one in shown)
        axes.set(xlabel=measure, xlim=(min(0.4, leftmost) - 0.02, 1), ylim=(len(labels) - 0.5, -0.5))
        figure.suptitle(title, fontsize=11)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def curve_plot(
    points: Sequence[Point],
    *,
    others: Mapping[str, Sequence[Point]] = MappingProxyType({}),
    best: float | None = None,
    aim: float | None = None,
    title: str = "Leak-free AUROC by number of cases",
) -> str:
    """A learning curve, as a file of its own.

    Args:
        points: cases, AUROC, and the ends of its interval; ``others``: the same of controls, by their names.
        best: what the photos allow at most; ``aim``: what is asked for.
    """
    cases = sorted({point[0] for of in (points, *others.values()) for point in of})
    curves = [
        Curve(name, *([column[at] for column in sorted(of)] for at in range(4)))
        for name, of in {"this model": points, **others}.items()
    ]
    with _styled(title):
        figure = Figure((5.6, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for value, name, dashes in ((best, "best possible", "--"), (aim, "aim", "-")):
            if value is not None:
                axes.axhline(value, color=_INK, linewidth=0.8, linestyle=dashes, alpha=0.7)
                axes.annotate(f"{name} {value:g}", (cases[0], value), (2, 3), textcoords="offset points", fontsize=9)
        _draw(axes, curves, marker="o")
        axes.set_xscale("log")
        axes.set_xticks(cases, [f"{case:,}".replace(",", " ") for case in cases])
        axes.minorticks_off()
        axes.set(xlabel="cases learned from", ylabel="AUROC", title=title)
        figure.legend(loc="outside lower center", ncols=2)
        return _svg(figure).replace(">", f">{_ON_ITS_OWN}", 1)


def record_plot(
    curves: Sequence[Curve],
    *,
    best: float,
    marks: Mapping[str, float] = MappingProxyType({}),
    title: str = "Prospective AUROC by month of the visit",
) -> str:
    """What releases were worth over a year, as a file of its own.

    Args:
        curves: of each release the months (1 to 12) and the AUROC in them.
        best: what the photos allow at most; ``marks``: months in which something else happened.
    """
    with _styled(title):
        figure = Figure((5.6, 4.2), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(best, color=_INK, linewidth=0.8, linestyle="--", alpha=0.7)
        axes.annotate(f"best possible {best:g}", (1, best), (2, 3), textcoords="offset points", fontsize=9)
        for name, month in marks.items():
            axes.axvline(month, color=_INK, linewidth=0.8, linestyle=":", alpha=0.7)
            axes.annotate(name, (month, 0.46), (3, 0), textcoords="offset points", fontsize=9)
        _draw(axes, curves, marker="o")
        axes.set_xticks(range(1, 13))
        axes.set(xlabel="month", ylabel="AUROC", ylim=(0.45, 1), title=title)
        figure.legend(loc="outside lower center")
        return _svg(figure).replace(">", f">{_ON_ITS_OWN}", 1)


def _styled(title: str) -> AbstractContextManager[None]:
    """The salt makes the same names in every run, and other names in every drawing of a page."""
    return mpl.rc_context({**_STYLE, "svg.hashsalt": title})


def _draw(axes: Axes, curves: Sequence[Curve], *, marker: str = "") -> None:
    for curve, (colour, dashes) in zip(curves, _LINES * (1 + len(curves) // len(_LINES)), strict=False):
        axes.plot(curve.x, curve.y, color=colour, linestyle=dashes, marker=marker, label=curve.name)
        if len(curve.low) == len(curve.high) == len(curve.x):
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _svg(figure: Figure) -> str:
    """Without prolog, date and program, and without names that two drawings on one page would both give."""
    file = io.StringIO()
    with warnings.catch_warnings():  # letters of a script that is missing here are drawn by the reader's machine
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawing = file.getvalue()[file.getvalue().index("<svg") :]
    drawing = re.sub(r"\s*<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", drawing)
    drawing = re.sub(r' (?:width|height)="[\d.]+pt"', "", drawing)  # as wide as the page lets it be
    return drawing.replace(_INK, "currentColor")
