"""What looks at no pixel, judged as the model is. A model that does not beat these has learned nothing."""

import numpy as np
from numpy.typing import NDArray

from trainer.data.photos import Photos
from trainer.data.split import Fold


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
