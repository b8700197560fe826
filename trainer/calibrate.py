"""Temperature, threshold and refer band, from out-of-fold logits: each from a model that did not learn from that photo.

The cut-offs come from the very predictions whose figures stand in the card, so the threshold's own sensitivity is not
evidence: it was chosen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.recipe import Calibration


@dataclass(frozen=True)
class Cutoffs:
    """What turns logits into words.

    ``threshold``: at or above, the screen is positive. From ``refer_low`` to ``refer_high`` the score decides nothing;
    ``decided_share``: of the rows that lie outside of that band.
    """

    temperature: float
    threshold: float
    refer_low: float
    refer_high: float
    decided_share: float


def calibrate(logits: NDArray[np.float64], anaemic: NDArray[np.bool_], aim: Calibration) -> Cutoffs:
    """Fit all cut-offs to out-of-fold logits, (n,) each, several seeds one behind the other."""
    temperature = fit_temperature(logits, anaemic)
    scores = sigmoid(logits / temperature)
    threshold = at_sensitivity(scores, anaemic, aim.target_sensitivity)
    # The threshold stays inside the band: a score there must never decide.
    refer_low = min(threshold, at_sensitivity(scores, anaemic, aim.refer_low_sensitivity))
    refer_high = max(threshold, at_specificity(scores, anaemic, aim.refer_high_specificity))
    decided = (scores < refer_low) | (scores > refer_high)
    return Cutoffs(temperature, threshold, refer_low, refer_high, float(decided.mean()))


def fit_temperature(logits: NDArray[np.float64], anaemic: NDArray[np.bool_]) -> float:
    """The one number above 0 by which the logits are divided for the smallest log loss (Guo et al. 2017).

    The search is over 0.05 to 20 on a log scale: a model that knows nothing ends at the far end, where all is near 0.5.
    """
    candidates = np.geomspace(0.05, 20, 2000)
    signed = np.where(anaemic, logits, -logits)
    losses = [np.logaddexp(0, -signed / temperature).mean() for temperature in candidates]
    return float(candidates[int(np.argmin(losses))])


def at_sensitivity(scores: NDArray[np.float64], anaemic: NDArray[np.bool_], share: float) -> float:
    """The largest cut-off at or above which at least ``share`` of the anaemic lie."""
    descending = np.sort(scores[anaemic])[::-1]
    return float(descending[int(np.ceil(share * len(descending))) - 1])


def at_specificity(scores: NDArray[np.float64], anaemic: NDArray[np.bool_], share: float) -> float:
    """The smallest score of the non-anaemic at or below which at least ``share`` of them lie."""
    ascending = np.sort(scores[~anaemic])
    return float(ascending[int(np.ceil(share * len(ascending))) - 1])


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits to probabilities, without overflow."""
    return np.exp(-np.logaddexp(0, -logits))
