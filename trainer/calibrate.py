"""Temperature, threshold and refer band, from calibration rows alone: a model that did not learn from them scored them,
and nobody is judged on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.recipe import Calibration
from trainer.refer_band import refer_band


@dataclass(frozen=True)
class Cutoffs:
    """What turns logits into words.

    ``temperature`` divides the logits, ``shift`` is added then. ``threshold``: at or above, the screen is positive.
    From ``refer_low`` to ``refer_high`` the score decides nothing; the threshold lies in there.
    """

    temperature: float
    threshold: float
    refer_low: float
    refer_high: float
    shift: float = 0.0

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return sigmoid(logits / self.temperature + self.shift)


def calibrate(
    logits: NDArray[np.float64], anaemic: NDArray[np.bool_], clusters: NDArray[np.int64], aim: Calibration
) -> Cutoffs:
    """Set all cut-offs.

    Without an anaemic row nobody can say which score misses nobody: everybody is positive then.

    Args:
        logits, anaemic, clusters: (n,), of the calibration rows; clusters from ``trainer.data.split.clusters``.
    """
    # The network learned from both classes equally often: what it says is true where half are anaemic, and here it is
    # another share. That one is known better than a shift could be fitted to a hundred rows.
    shift = float(np.log(anaemic.mean() / (1 - anaemic.mean()))) if len(set(anaemic.tolist())) == 2 else 0.0
    temperature = fit_temperature(logits, anaemic, shift)
    scores = sigmoid(logits / temperature + shift)
    threshold = at_sensitivity(scores, anaemic, aim.target_sensitivity) if anaemic.any() else 0.0
    low, high = refer_band(scores, anaemic, clusters, aim)
    return Cutoffs(temperature, threshold, min(low, threshold), max(high, threshold), shift)


def fit_temperature(logits: NDArray[np.float64], anaemic: NDArray[np.bool_], shift: float = 0.0) -> float:
    """The one number above 0 by which the logits are divided for the smallest log loss (Guo et al. 2017).

    The search is over 0.05 to 20 on a log scale: a model that knows nothing ends at the far end, where all is near 0.5.
    Rows of one class would make any model as sure as can be, so they change nothing: 1.
    """
    if len(set(anaemic.tolist())) < 2:
        return 1.0
    candidates = np.geomspace(0.05, 20, 2000)
    away = np.where(anaemic, -1, 1)
    losses = [np.logaddexp(0, away * (logits / temperature + shift)).mean() for temperature in candidates]
    return float(candidates[int(np.argmin(losses))])


def at_sensitivity(scores: NDArray[np.float64], anaemic: NDArray[np.bool_], share: float) -> float:
    """The largest cut-off at or above which at least ``share`` of the anaemic lie; there must be some."""
    descending = np.sort(scores[anaemic])[::-1]
    return float(descending[max(int(np.ceil(share * len(descending))), 1) - 1])


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits to probabilities, without overflow."""
    return np.exp(-np.logaddexp(0, -logits))
