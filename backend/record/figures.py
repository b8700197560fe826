"""Shares with their intervals, and the line that calibrated scores would lie on. Every figure says how many it counts.

Intervals are Wilson's, 95 %, on the effective number of cases: where some stand for ten, fewer were seen than are
counted (Kish 1965). The exact bound for severe anaemia is Clopper and Pearson's, one-sided, 95 %.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backend.record.counted import HB_BANDS, Counted, Flags, Floats

_Z = 1.959964
_FEW = 5  # of fewer cases a subgroup shows no figure: it would be about people
_STILL, _MOST_STEPS, _STEEPEST = 1e-8, 50, 25.0


@dataclass(frozen=True)
class Share:
    """``value`` of ``count`` cases, within ``low`` and ``high``; all three None where there is no case."""

    count: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """Logistic regression of truth on logits: slope 1 and intercept 0 is calibrated. None: it cannot be told."""

    slope: float | None
    slope_low: float | None
    slope_high: float | None
    intercept: float | None


@dataclass(frozen=True)
class Figures:
    """What a release is worth for some cases. Positive is what would have been sent for blood."""

    cases: int
    anaemic: int
    severe: int
    sensitivity: Share
    specificity: Share
    severe_sensitivity: Share
    positive_predictive: Share
    negative_predictive: Share
    calibration: Line
    hb_bands: Mapping[str, Share]  # how many of those with such a haemoglobin were sent for blood


def figures_of(counted: Counted) -> Figures:
    """Of all rows together."""
    found, anaemic, weight = counted.referred, counted.anaemic, counted.weight
    bands = counted.by["hb-band"]
    return Figures(
        cases=len(counted),
        anaemic=int(anaemic.sum()),
        severe=int(counted.severe.sum()),
        sensitivity=share(found, weight, anaemic),
        specificity=share(~found, weight, ~anaemic),
        severe_sensitivity=share(found, weight, counted.severe),
        positive_predictive=share(anaemic, weight, found),
        negative_predictive=share(~anaemic, weight, ~found),
        calibration=calibration(counted.probability, anaemic, weight),
        hb_bands={name: share(found, weight, bands == name) for name, _ in HB_BANDS},
    )


def figures_by(counted: Counted, name: str) -> dict[str, Figures]:
    """Of each subgroup apart, by a name in ``BY``, that is large enough to show no single person."""
    words = counted.by[name]
    groups = {str(word): words == word for word in np.unique(words)}
    return {word: figures_of(counted.where(there)) for word, there in groups.items() if there.sum() >= _FEW}


def share(hits: Flags, weight: Floats, among: Flags) -> Share:
    """The weighted share of hits among some rows."""
    weight, hits = weight[among], hits[among]
    total = weight.sum()
    if not total:
        return Share(int(among.sum()), None, None, None)
    value = float(weight[hits].sum() / total)
    low, high = wilson(value, float(total**2 / (weight**2).sum()))
    return Share(int(among.sum()), value, low, high)


def wilson(value: float, n: float) -> tuple[float, float]:
    """The interval of a share that was seen in ``n`` cases."""
    middle = value + _Z**2 / (2 * n)
    reach = _Z * math.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2))
    whole = 1 + _Z**2 / n
    return max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)


def exact_lower(hits: int, n: int, alpha: float = 0.05) -> float:
    """The share above which so many hits of ``n`` lie with a chance of ``1 - alpha``, whatever the true one is."""
    if hits == 0:
        return 0.0
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _at_least(hits, n, middle) < alpha else (low, middle)
    return low


def _at_least(hits: int, n: int, p: float) -> float:
    choose = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(hits, n + 1))
    logs = zip(range(hits, n + 1), choose, strict=True)
    return sum(math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p)) for k, ways in logs)


def calibration(probability: Floats, truth: Flags, weight: Floats) -> Line:
    """By Newton's steps; the interval of the slope is the sandwich's, so that weights do not count as more cases."""
    nowhere = Line(None, None, None, None)
    counts = weight > 0
    if not (truth[counts].any() and (~truth[counts]).any()):
        return nowhere
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    x = np.column_stack([np.ones(len(clipped)), np.log(clipped / (1 - clipped))])
    beta = np.zeros(2)
    for _ in range(_MOST_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -_STEEPEST, _STEEPEST)))
        bread = (x * (weight * p * (1 - p))[:, None]).T @ x
        scores = x * (weight * (truth - p))[:, None]
        if np.linalg.cond(bread) > 1 / np.finfo(float).eps:
            return nowhere  # scores all alike, or classes that do not overlap
        step = np.linalg.solve(bread, scores.sum(axis=0))
        beta = beta + step
        if np.abs(step).max() < _STILL:
            break
    if np.abs(beta[1]) > _STEEPEST:
        return nowhere
    inverse = np.linalg.inv(bread)
    reach = _Z * float(np.sqrt((inverse @ (scores.T @ scores) @ inverse)[1, 1]))
    slope, intercept = float(beta[1]), float(beta[0])
    return Line(slope, slope - reach, slope + reach, intercept)
