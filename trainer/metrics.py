"""How good, and how sure. Twins are one observation: every interval resamples photographs, not rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]
Metric = Callable[[Truth, Scores], float]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def auroc(truth: Truth, scores: Scores) -> float:
    """Chance that an anaemic photo scores above one that is not; 0.5 for a constant."""
    return float(roc_auc_score(truth, scores))


def sensitivity(threshold: float) -> Metric:
    """Share of the anaemic with a score at or above ``threshold``."""
    return lambda truth, scores: float(np.mean(scores[truth] >= threshold))


def specificity(threshold: float) -> Metric:
    """Share of the others with a score below ``threshold``."""
    return lambda truth, scores: float(np.mean(scores[~truth] < threshold))


def accuracy(threshold: float) -> Metric:
    """Share of right calls; says little beside the share of the larger class."""
    return lambda truth, scores: float(np.mean((scores >= threshold) == truth))


def brier(truth: Truth, scores: Scores) -> float:
    """Mean squared distance of a probability from what was true; 0.25 for always saying 0.5."""
    return float(np.mean((scores - truth) ** 2))


def estimate(
    metric: Metric,
    truth: Truth,
    runs: Sequence[Scores],
    groups: NDArray[np.int64],
    *,
    draws: int,
    seed: int,
) -> Estimate:
    """The mean over several runs (seeds) of a metric, with a percentile interval from a photo-group bootstrap.

    Args:
        runs: one array of scores for each seed, rows as in ``truth``.
        groups: (n,), equal where rows show the same photograph.
    """

    def mean_of_runs(rows: NDArray[np.int64]) -> float:
        return float(np.mean([metric(truth[rows], scores[rows]) for scores in runs]))

    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn: list[float] = []
    while len(drawn) < draws:
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if truth[rows].any() and not truth[rows].all():  # a resample of one class alone has no AUROC
            drawn.append(mean_of_runs(rows))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(mean_of_runs(np.arange(len(truth))), float(low), float(high))
