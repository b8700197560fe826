"""The line that calibrated logits would lie on: a logistic regression of truth on logits has slope 1 and intercept 0.

scikit-learn fits one such line at a time; a bootstrap wants a thousand of two numbers each, so they take Newton's steps
together.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

_STILL = 1e-6  # a step as small as this is none
_MOST_STEPS = 30
# On standardized logits a line this steep has met classes that do not overlap: it would never end.
_STEEPEST = 25.0


def calibration_line(logits: Floats, truth: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Slope and intercept, (k,) each; NaN where logits or labels are all alike, or the classes do not overlap.

    Args:
        weights: (n, k), how much each row counts; each column begins where rows that count alike end.
    """
    n = len(logits)
    spread = logits.std() if n else 0.0
    if spread < _STILL or truth.all() or not truth.any():
        nowhere = np.full(weights.shape[1], np.nan)
        return nowhere, nowhere
    centre = logits.mean()
    x = (logits - centre) / spread
    start = _newton(x, truth, np.ones((n, 1)), np.zeros((2, 1)))
    steepness = _newton(x, truth, weights, np.repeat(start, weights.shape[1], axis=1))
    slope = steepness[1] / spread
    return slope, steepness[0] - slope * centre


def _newton(x: Floats, truth: NDArray[np.bool_], weights: Floats, start: Floats) -> Floats:
    """(2, k) intercept and slope; NaN where the classes do not overlap."""
    powers = np.stack([np.ones_like(x), x, x**2])
    wanted = (powers[:2] * truth) @ weights
    beta = start.copy()
    with np.errstate(all="ignore"):  # what runs off to infinity is marked below
        for _ in range(_MOST_STEPS):
            p = expit(powers[:2].T @ beta)
            weighted = weights * p
            first = powers @ weighted
            weighted *= p
            h00, h01, h11 = first - powers @ weighted
            by0, by1 = wanted - first[:2]
            step = np.stack([h11 * by0 - h01 * by1, h00 * by1 - h01 * by0]) / (h00 * h11 - h01**2)
            beta += step
            if not (np.abs(step) > _STILL).any():
                break
        beta[:, ~(np.abs(beta) < _STEEPEST).all(axis=0)] = np.nan
    return beta
