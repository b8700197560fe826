"""How often each row is shown, what it is held against, and how fast is learned from it."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from trainer.data.photos import Photos
from trainer.data.split import Rows
from trainer.recipe import Training


def targets_of(photos: Photos, rows: Rows, how: Training) -> NDArray[np.float32]:
    """(n,) 0..1, what the rows' logits are held against."""
    if not how.label_softness_g_per_l:
        return photos.anaemic[rows].astype(np.float32)
    softened: NDArray[np.float32] = expit((how.cut_off_g_per_l - photos.hb[rows]) / how.label_softness_g_per_l)
    return softened.astype(np.float32)


def row_chances(anaemic: NDArray[np.bool_], groups: NDArray[np.int64], how: Training) -> NDArray[np.float64]:
    """(n,), sum 1: a photograph that stands in many rows, often under several labels, must not drown the others."""
    _, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    chances = sizes[which].astype(float) ** -how.group_power
    chances /= chances.sum()
    of_class = np.where(anaemic, chances[anaemic].sum(), chances[~anaemic].sum())
    balanced: NDArray[np.float64] = chances / of_class / 2
    return how.class_balance * balanced + (1 - how.class_balance) * chances


def warm_cosine(steps: int, warm_up_share: float) -> NDArray[np.float64]:
    """(steps,), each step's share of the peak learning rate: up in a line, down as half a cosine."""
    up = round(steps * warm_up_share)
    down = np.arange(steps - up) / max(1, steps - up)
    return np.concatenate([(np.arange(up) + 1) / (up + 1), (1 + np.cos(np.pi * down)) / 2])
