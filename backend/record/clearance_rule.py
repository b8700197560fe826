"""Whether the record lets a release advise: every condition by name, with what is still missing.

The rule decides nothing by itself: two people sign a clearance, and this is what they read before they do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.record.counted import Counted
from backend.record.figures import Figures, Share, exact_lower, figures_of

MIN_POSITIVES, MIN_NEGATIVES, MIN_SEVERE, MIN_SITES = 200, 100, 59, 3
MIN_SENSITIVITY, MIN_SPECIFICITY, MIN_SEVERE_SENSITIVITY = 0.85, 0.50, 0.95
SLOPE = (0.8, 1.2)
SITE_POSITIVES, MIN_SITE_SENSITIVITY = 30, 0.80


@dataclass(frozen=True)
class Condition:
    """One condition. ``missing``: how many cases more it takes at least, where that can be counted."""

    name: str
    holds: bool
    said: str
    missing: int = 0


def conditions_of(counted: Counted) -> tuple[Condition, ...]:
    """Every condition, of the cases that may clear; a release is cleared when all hold."""
    clearing = that_may_clear(counted)
    return tuple(_conditions(clearing, figures_of(clearing)))


def that_may_clear(counted: Counted) -> Counted:
    """The cases that conditions are held against."""
    return counted.where(counted.clears & (counted.weight > 0))  # the others were tested for a reason of their own


def _conditions(counted: Counted, figures: Figures) -> Iterator[Condition]:
    negatives = figures.cases - figures.anaemic
    yield _enough("anaemic people", figures.anaemic, MIN_POSITIVES)
    yield _enough("people without anaemia", negatives, MIN_NEGATIVES)
    yield _enough("severely anaemic people", figures.severe, MIN_SEVERE)
    yield _above("sensitivity", figures.sensitivity, MIN_SENSITIVITY)
    yield _above("specificity", figures.specificity, MIN_SPECIFICITY)
    found = int(counted.referred[counted.severe].sum())
    lowest = exact_lower(found, figures.severe) if figures.severe else 0.0
    yield Condition(
        "sensitivity for severe anaemia", lowest >= MIN_SEVERE_SENSITIVITY,
        f"{found} of {figures.severe} found, lower bound {lowest:.3f}, needed {MIN_SEVERE_SENSITIVITY}",
    )  # fmt: skip
    slope = figures.calibration.slope
    yield Condition(
        "calibration slope", slope is not None and SLOPE[0] <= slope <= SLOPE[1],
        f"{'unknown' if slope is None else f'{slope:.2f}'}, needed {SLOPE[0]} to {SLOPE[1]}",
    )  # fmt: skip
    yield from _sites(counted)


def _sites(counted: Counted) -> Iterator[Condition]:
    sites = counted.by["site"]
    names = np.unique(sites)
    yield _enough("sites", len(names), MIN_SITES)
    weak = []
    for name in names:
        there = counted.where((sites == name) & counted.anaemic)
        found = float(there.weight[there.referred].sum() / there.weight.sum()) if there.weight.sum() else 1.0
        if len(there) >= SITE_POSITIVES and found < MIN_SITE_SENSITIVITY:
            weak.append(f"{name} {found:.2f}")
    yield Condition(
        "no weak site", not weak,
        f"sites with {SITE_POSITIVES} anaemic people or more below {MIN_SITE_SENSITIVITY}: {', '.join(weak) or 'none'}",
    )  # fmt: skip


def _enough(what: str, there: int, needed: int) -> Condition:
    return Condition(f"enough {what}", there >= needed, f"{there} of {needed}", max(0, needed - there))


def _above(name: str, found: Share, needed: float) -> Condition:
    said = "unknown" if found.low is None else f"{found.value:.3f}, lower bound {found.low:.3f}"
    return Condition(name, found.low is not None and found.low >= needed, f"{said}, needed {needed}")
