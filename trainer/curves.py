"""What a plot needs: the ROC curve and the calibration curve, as short lists of plain numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from trainer.bootstrap import Clusters, estimate, resample
from trainer.metrics import Answers, Measured, Truth, Weights, bins_of
from trainer.recipe import Evaluation

_MOST_POINTS = 200


def roc(runs: Sequence[Answers]) -> dict[str, list[float]]:
    """False and true positive rates from 0 to 1, all seeds pooled; empty where one class is missing."""
    truth, scores = np.concatenate([run.truth for run in runs]), np.concatenate([run.ranks for run in runs])
    if truth.all() or not truth.any():
        return {"fpr": [], "tpr": []}
    false_positives, true_positives, _ = roc_curve(truth, scores)
    at = np.unique(np.linspace(0, len(false_positives) - 1, _MOST_POINTS).round().astype(int))
    return {"fpr": false_positives[at].tolist(), "tpr": true_positives[at].tolist()}


def calibration(runs: Sequence[Answers], clusters: Clusters, how: Evaluation) -> list[dict[str, Any]]:
    """Bins of about equally many rows, all seeds pooled: probability said, share found with its interval, clusters."""
    truth, scores = np.concatenate([run.truth for run in runs]), np.concatenate([run.scores for run in runs])
    everyone = np.tile(clusters, len(runs))
    bin_of = bins_of(scores, how.calibration_bins)
    found = []
    for at in np.unique(bin_of):
        inside = bin_of == at
        resamples = resample(everyone[inside], how.bootstrap_draws, how.bootstrap_seed)
        share = estimate(_share_found, [truth[inside]], truth[inside], everyone[inside], resamples)["found"]
        bounds = {"low": share.low, "high": share.high, "count": share.count}
        found.append({"said": float(scores[inside].mean()), "found": share.value, **bounds})
    return found


def _share_found(truth: Truth, weights: Weights) -> Measured:
    return {"found": truth @ weights / weights.sum(axis=0)}
