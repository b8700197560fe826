"""The fine-tuning loop, top to bottom. The same photos, recipe and seed give the same weights on the same machine."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from pallor.errors import Refused
from trainer.data.augment import draw, render
from trainer.data.photos import Photos
from trainer.model import Base, Screen
from trainer.recipe import Recipe, Training


class NothingToLearn(Refused):
    """A part of the data that was to be learned from has one class, or is empty."""


def finetune(
    photos: Photos,
    rows: NDArray[np.int64],
    base: Base,
    recipe: Recipe,
    seed: int,
    *,
    stepped: Callable[[], None] = lambda: None,
) -> Screen:
    """Fine-tune on some rows.

    Args:
        rows: row numbers to learn from; nothing else of ``photos`` is read.
        stepped: called after each of the ``count_steps`` steps.

    Returns:
        The network in evaluation mode.

    Raises:
        NothingToLearn: the rows are not of both classes.
    """
    how = recipe.training
    if len(set(photos.anaemic[rows])) < 2:
        raise NothingToLearn(
            "there are not both anaemic and other photos to learn from",
            field="data",
            value=f"{len(rows)} photos",
            remedy="Add photos of the missing kind, or leave out the protocol whose fold keeps them all for judging.",
        )
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory only costs time: nothing here reads it before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)

    screen = Screen(base, how.dropout).to(memory_format=torch.channels_last)
    frozen = screen.features[: how.frozen_blocks].requires_grad_(False)
    learning = [weights for weights in screen.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(learning, weight_decay=how.weight_decay)
    steps = count_steps(len(rows), how)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=how.learning_rate, total_steps=steps, pct_start=how.warm_up_share
    )
    targets = _targets(photos, how)
    chances = row_chances(photos.groups[rows], how.group_power)

    screen.train()
    frozen.eval()
    for _ in range(steps):
        batch = rng.choice(rows, how.batch, p=chances)
        images = [render(photos.inputs[i], recipe.preprocess.neutral, draw(rng, recipe.augmentation)) for i in batch]
        with torch.autocast("cpu", torch.bfloat16, enabled=how.bfloat16):
            logits = screen(torch.from_numpy(np.stack(images)))
        loss = binary_cross_entropy_with_logits(logits.float(), targets[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        stepped()
    return screen.eval()


def count_steps(rows: int, how: Training) -> int:
    """An epoch is as many draws as there are rows."""
    return max(1, round(how.epochs * rows / how.batch))


def logits_of(screen: Screen, inputs: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float64]:
    """(n, S, S, 3) -> (n,) logits, float32 arithmetic, no augmentation."""
    with torch.inference_mode():
        parts = [screen(torch.from_numpy(inputs[at : at + batch])) for at in range(0, len(inputs), batch)]
    return torch.cat(parts).double().numpy()


def _targets(photos: Photos, how: Training) -> torch.Tensor:
    if not how.label_softness_g_per_l:
        return torch.from_numpy(photos.anaemic.astype(np.float32))
    distance = torch.from_numpy((how.cut_off_g_per_l - photos.hb) / how.label_softness_g_per_l)
    return torch.sigmoid(distance).float()


def row_chances(groups: NDArray[np.int64], power: float) -> NDArray[np.float64]:
    """(n,), sum 1: a photograph that stands in many rows, often under several labels, must not drown the others."""
    _, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = sizes[which].astype(float) ** -power
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances
