"""How sure a figure is. Twins are one observation: a resample draws whole clusters of rows, never rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trainer.metrics import Measured, Truth, Values, Weights, whom

# Resamples of fewer clusters only shuffle what was seen: all right of three is not "always right".
FEWEST_CLUSTERS = 5

Clusters = NDArray[np.int64]
Run = TypeVar("Run")


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes:
        value: None where there is nobody to measure it on.
        low, high: None, too, where fewer than ``FEWEST_CLUSTERS`` would have to speak for all others.
        count: clusters it was measured on: photographs or persons, however many rows show them.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int


def resample(clusters: Clusters, draws: int, seed: int) -> Weights:
    """(n, draws): how often each row comes when as many clusters as there are get drawn with replacement."""
    _, which = np.unique(clusters, return_inverse=True)
    size = int(which.max(initial=-1)) + 1
    drawn = np.random.default_rng(seed).integers(size, size=(draws, size)) if size else np.empty((draws, 0), np.int64)
    counts = np.bincount((drawn + size * np.arange(draws)[:, None]).ravel(), minlength=draws * size)
    return counts.reshape(draws, size).T.astype(np.float64)[which]


def estimate(
    measure: Callable[[Run, Weights], Measured],
    runs: Sequence[Run],
    truth: Truth,
    clusters: Clusters,
    resamples: Weights,
) -> dict[str, Estimate]:
    """The mean over several runs (seeds) of all that ``measure`` gives, each with a percentile interval.

    Args:
        runs: of the same n rows.
        truth, clusters: (n,), of these rows.
        resamples: (n, draws), from ``resample`` of these very clusters.
    """
    itself = _mean(measure, runs, np.ones((len(truth), 1)))
    drawn = _mean(measure, runs, resamples)
    return {name: _sum_up(itself[name], drawn[name], *_behind(name, truth, clusters)) for name in itself}


def _mean(measure: Callable[[Run, Weights], Measured], runs: Sequence[Run], weights: Weights) -> Measured:
    found = [measure(run, weights) for run in runs]
    return {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}


def _behind(name: str, truth: Truth, clusters: Clusters) -> tuple[int, int]:
    """How many clusters a metric is measured on, and how many of the rarer kind that it needs."""
    of = {
        "anaemic": len(np.unique(clusters[truth])),
        "others": len(np.unique(clusters[~truth])),
        "everyone": len(np.unique(clusters)),
    }
    kind = whom(name)
    return (of["everyone"], min(of["anaemic"], of["others"])) if kind == "both" else (of[kind], of[kind])


def _sum_up(itself: Values, drawn: Values, count: int, fewest: int) -> Estimate:
    drawn = drawn[~np.isnan(drawn)]  # a resample of one class alone has no AUROC
    if np.isnan(itself[0]):
        return Estimate(None, None, None, count)
    if fewest < FEWEST_CLUSTERS or not len(drawn):
        return Estimate(float(itself[0]), None, None, count)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(itself[0]), float(low), float(high), count)
