"""What looks at no colour, judged as the model is. A model that does not beat these has learned nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from trainer.bootstrap import Clusters
from trainer.data.photos import Photos
from trainer.data.split import Fold
from trainer.metrics import Answers, Truth, auroc, weighted_auroc


@dataclass(frozen=True)
class Permutation:
    """AUROC under labels dealt anew: mean and 95 % range, and how often it was as high as the true one (``p``)."""

    mean: float
    low: float
    high: float
    p: float


def look_up_twin(photos: Photos, fold: Fold) -> NDArray[np.float64]:
    """The mean label of the same photograph in the training part; without one there, what ``constant`` says.

    Under a split that lets twins cross it does well, and by how much is what that split is worth.
    """
    answers = constant(photos, fold)
    for at, group in enumerate(photos.groups[fold.test]):
        twins = fold.train[photos.groups[fold.train] == group]
        if len(twins):
            answers[at] = photos.anaemic[twins].mean()
    return answers


def constant(photos: Photos, fold: Fold) -> NDArray[np.float64]:
    """The share of anaemia, for everybody: of the whole data, so that folds pooled do not order themselves by it."""
    return np.full(len(fold.test), photos.anaemic.mean())


def roi_area(photos: Photos, fold: Fold) -> NDArray[np.float64]:
    """Logistic regression on the share of the picture that the region fills: how it was masked, not how pale it is.

    The region is what differs from the corner, which preprocessing leaves to the neutral ground.
    """
    if len(set(photos.anaemic[fold.train].tolist())) < 2:
        return constant(photos, fold)
    area = (photos.inputs != photos.inputs[:, :1, :1]).any(axis=-1).mean(axis=(1, 2))[:, None]
    line = LogisticRegression(class_weight="balanced").fit(area[fold.train], photos.anaemic[fold.train])
    chances: NDArray[np.float64] = line.predict_proba(area[fold.test])[:, 1] if len(fold.test) else np.empty(0)
    return chances


def permute_labels(
    runs: Sequence[Answers], truth: Truth, clusters: Clusters, draws: int, seed: int
) -> Permutation | None:
    """What these scores reach when the labels are dealt anew among clusters; None where one class is missing.

    A cluster keeps its rows and gets another's share of anaemic rows, so twins stay twins; the mean is over runs, whose
    labels are dealt alike.
    """
    if truth.all() or not truth.any():
        return None
    _, which, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    shares = np.bincount(which, truth) / sizes
    rng = np.random.default_rng(seed)
    dealt = np.stack([rng.permutation(shares) for _ in range(draws)], axis=1)[which]
    drawn = np.mean([weighted_auroc(run.ranks, run.ranks, dealt, 1 - dealt) for run in runs], axis=0)
    true = np.mean([auroc(run.truth, run.ranks) for run in runs])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Permutation(float(np.mean(drawn)), float(low), float(high), float((1 + (drawn >= true).sum()) / (1 + draws)))
