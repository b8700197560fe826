"""The head before fine-tuning: a logistic regression on an early block's texture, which needs no more than a few rows.

A deep network fine-tuned from a zero head on a few hundred photos forgets before it learns; from a head that already
says what the photos' texture says, early stopping can only improve on it (Kumar et al. 2022, "linear probing, then
fine-tuning").
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from trainer.model import DEEP, Screen


def set_head(
    screen: Screen,
    inputs: NDArray[np.uint8],
    anaemic: NDArray[np.bool_],
    weights: NDArray[np.float64],
    strength: float,
    batch: int = 32,
) -> None:
    """Fit the texture's part of the head; the deep part stays zero.

    Args:
        inputs: (n, S, S, 3), without augmentation.
        weights: (n,) of the rows; their mean is 1 whatever it was.
        strength: inverse of the penalty, on standardised features (``C`` of scikit-learn).
    """
    with torch.inference_mode():
        parts = [screen.texture(torch.from_numpy(inputs[at : at + batch])) for at in range(0, len(inputs), batch)]
    scaler = StandardScaler().fit(features := torch.cat(parts).double().numpy())
    probe = LogisticRegression(C=strength, max_iter=1000)
    probe.fit(scaler.transform(features), anaemic, sample_weight=weights / weights.mean())
    slopes = probe.coef_[0] / scaler.scale_
    with torch.no_grad():
        screen.linear.weight[0, DEEP:] = torch.from_numpy(slopes)
        screen.linear.bias[0] = float(probe.intercept_[0] - slopes @ scaler.mean_)
