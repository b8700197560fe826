"""Fine-tuning, top to bottom. The same photos, base, recipe and seed give the same weights on the same machine.

Killed and called again with the same ``keep``, it goes on after the last whole epoch and ends with the very weights
that an undisturbed run has: each epoch draws from a stream of its own, so no state of chance has to be kept.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Optimizer

from pallor.errors import Refused
from trainer.checkpoint import Checkpoint, State, Weights, key_of, weights_of
from trainer.curriculum import row_chances, targets_of, warm_cosine
from trainer.data.augment import draw, render
from trainer.data.photos import Photos
from trainer.data.split import Fold, Rows
from trainer.devices import Stepped, run_on_devices
from trainer.distil import Teacher, loss_with_teacher, teacher_of
from trainer.model import Base, Screen
from trainer.probe import set_head
from trainer.prune import prune
from trainer.recipe import Recipe, Training

_BATCH_OF_LEARNING_RATE = 16  # what the recipe's learning rates are for
_TWICE = 2.0  # as often as before, the hardest negatives are drawn


class NothingToLearn(Refused):
    """A part of the data that was to be learned from has one class, or is empty."""


class LearningDiverged(Refused):
    """The loss is no number any more."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network is to learn."""

    photos: Photos
    fold: Fold
    recipe: Recipe
    seed: int


def finetune(
    photos: Photos,
    fold: Fold,
    base: Base,
    recipe: Recipe,
    seed: int,
    *,
    keep: Path | None = None,
    stepped: Stepped = lambda: None,
    devices: int | None = None,
) -> Screen:
    """Fine-tune on a fold's train rows; its calibration rows say when to stop and which epoch was best.

    Args:
        fold: its test rows are never read. Without calibration rows of both classes the last epoch is the best.
        keep: folder of this call alone for the state after each epoch. When done the result stays there and is given
            back at once; what it holds of other photos, another recipe or another seed is written over.
        stepped: called ``count_steps`` times, also for the steps that a kept state or an early end saves.
        devices: as many, else ``trainer.devices`` chooses.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        NothingToLearn: the train rows are not of both classes.
        LearningDiverged: the recipe's learning rate is too high for these photos.
        TeacherMissing: the recipe distils, and the base brings no teacher.
    """
    if not _both_classes(photos, fold.train):
        raise NothingToLearn(
            "there are not both anaemic and other photos to learn from",
            field="data",
            value=f"{len(fold.train)} photos",
            remedy="Add photos of the missing kind, or leave out the protocol whose fold keeps them all for judging.",
        )
    how = recipe.training
    work = partial(_learn_all, lesson=Lesson(photos, fold, recipe, seed), base=base, keep=keep)
    best = run_on_devices(work, batch=how.batch, precision=how.precision, devices=devices, stepped=stepped)
    screen = _beginner(base, recipe)
    screen.load_state_dict(best)
    return screen.eval()


def count_steps(rows: int, recipe: Recipe) -> int:
    """Steps of a fine-tuning on so many rows: an epoch is as many draws as there are rows; a teacher learns as long."""
    how = recipe.training
    networks = 2 if recipe.distillation else 1
    return networks * (how.epochs + how.hard_negative_epochs) * _steps_an_epoch(rows, how)


def logits_of(network: nn.Module, inputs: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float64]:
    """(n, S, S, 3) -> (n,) logits of a network in evaluation mode, float32 arithmetic, no augmentation."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [network(torch.from_numpy(inputs[at : at + batch]).to(device)) for at in range(0, len(inputs), batch)]
    return torch.cat(parts).cpu().double().numpy() if parts else np.empty(0)


def _learn_all(fabric: Fabric, stepped: Stepped, *, lesson: Lesson, base: Base, keep: Path | None) -> Weights:
    """On each device: the teacher, if the recipe has one, then the network itself; its best weights."""
    stepped = stepped if fabric.is_global_zero else _nothing
    key = key_of(lesson.photos, lesson.fold, base, lesson.recipe, lesson.seed) if keep else ""
    torch.manual_seed(lesson.seed)
    screen = _beginner(base, lesson.recipe)
    frozen = screen.features[: lesson.recipe.training.frozen_blocks]
    teacher = teacher_of(base, lesson.recipe.distillation) if lesson.recipe.distillation else None
    if teacher:
        best = _learn(fabric, stepped, lesson, teacher, nn.Sequential(), None, Checkpoint(keep, "teacher", key))
        teacher.load_state_dict(best)
        teacher.eval()
    return _learn(fabric, stepped, lesson, screen, frozen, teacher, Checkpoint(keep, "screen", key))


def _beginner(base: Base, recipe: Recipe) -> Screen:
    screen = Screen(base, recipe.training.dropout)
    if recipe.pruning:
        prune(screen.features, recipe.pruning.share)
    return screen


def _learn(
    fabric: Fabric,
    stepped: Stepped,
    lesson: Lesson,
    network: nn.Module,
    frozen: nn.Sequential,
    teacher: Teacher | None,
    kept: Checkpoint,
) -> Weights:
    """The loop: two turns of epochs, of which the second draws the hardest negatives more often. The best weights.

    Args:
        frozen: blocks that keep their weights and batch statistics.
    """
    fold, how = lesson.fold, lesson.recipe.training
    steps = _steps_an_epoch(len(fold.train), how)
    state = fabric.broadcast(kept.read() or _first_state(network, lesson))
    frozen.requires_grad_(False)
    learner = fabric.setup_module(network.to(memory_format=torch.channels_last))
    learning = [weights for weights in network.parameters() if weights.requires_grad]

    turns = ((how.epochs, how.learning_rate), (how.hard_negative_epochs, how.hard_negative_learning_rate))
    for turn, (epochs, learning_rate) in enumerate(turns):
        if turn < state.turn:
            _call(stepped, epochs * steps)
            continue
        network.load_state_dict(state.weights)
        optimizer = torch.optim.AdamW(learning, weight_decay=how.weight_decay)
        if state.optimizer:
            optimizer.load_state_dict(state.optimizer)
        stepper = cast(Optimizer, fabric.setup_optimizers(optimizer))
        peak = learning_rate * how.batch / _BATCH_OF_LEARNING_RATE
        rates = peak * warm_cosine(epochs * steps, how.warm_up_share)
        chances = row_chances(lesson.photos.anaemic[fold.train], lesson.photos.groups[fold.train], how)
        chances[state.hardest] *= _TWICE
        for epoch in range(epochs):
            if epoch < state.epoch or state.waited == how.patience_epochs:
                _call(stepped, steps)
                continue
            rng = np.random.default_rng([lesson.seed, turn, epoch])
            torch.manual_seed(int(rng.integers(2**32)) + fabric.global_rank)
            network.train()
            frozen.eval()
            for rate in rates[epoch * steps : (epoch + 1) * steps]:
                batch = rng.choice(fold.train, how.batch, p=chances / chances.sum())
                loss = _loss(fabric, lesson, learner, teacher, batch, rng)
                for group in optimizer.param_groups:
                    group["lr"] = float(rate)
                stepper.zero_grad()
                fabric.backward(loss)
                stepper.step()
                stepped()
            _refuse_what_is_no_number(loss, learning_rate)
            # Each device's batch norms have seen its own share of the photos; from here all have the first one's.
            network.load_state_dict(fabric.broadcast(weights_of(network)))
            network.eval()
            state = state.after_epoch(network, optimizer, _log_loss(network, lesson))
            if fabric.is_global_zero:
                kept.write(state)
        network.load_state_dict(state.best)
        network.eval()
        state = state.after_turn(hardest_negatives(network, lesson) if how.hard_negative_epochs else [])
        if fabric.is_global_zero:
            kept.write(state)
    return state.best


def _loss(
    fabric: Fabric, lesson: Lesson, learner: nn.Module, teacher: Teacher | None, batch: Rows, rng: np.random.Generator
) -> Tensor:
    """Of this device's share of the batch, such that the devices' mean is the mean over the batch."""
    changes = [draw(rng, lesson.recipe.augmentation) for _ in batch]
    mine = slice(fabric.global_rank, None, fabric.world_size)
    neutral, inputs = lesson.recipe.preprocess.neutral, lesson.photos.inputs
    images = [render(inputs[row], neutral, change) for row, change in zip(batch[mine], changes[mine], strict=True)]
    rgb = fabric.to_device(torch.from_numpy(np.stack(images)))
    targets = fabric.to_device(torch.from_numpy(targets_of(lesson.photos, batch[mine], lesson.recipe.training)))
    logits = learner(rgb).float()
    if teacher and lesson.recipe.distillation:
        losses = loss_with_teacher(logits, targets, teacher.say(rgb), lesson.recipe.distillation)
    else:
        losses = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return losses.sum() * fabric.world_size / len(batch)


def _first_state(network: nn.Module, lesson: Lesson) -> State:
    """A network whose head says something already, be it fitted or an earlier release's, may be best as it is."""
    how, photos, train = lesson.recipe.training, lesson.photos, lesson.fold.train
    network.eval()
    if not isinstance(network, Screen):
        return State.at_first(network, None)
    if how.probe_strength and not network.linear.weight.any():
        chances = row_chances(photos.anaemic[train], photos.groups[train], how)
        set_head(network, photos.inputs[train], photos.anaemic[train], chances, how.probe_strength)
    return State.at_first(network, _log_loss(network, lesson) if network.linear.weight.any() else None)


def _log_loss(network: nn.Module, lesson: Lesson) -> float | None:
    """On the calibration rows; None where they cannot tell better from worse."""
    rows = lesson.fold.calibration
    if not _both_classes(lesson.photos, rows):
        return None
    logits = torch.from_numpy(logits_of(network, lesson.photos.inputs[rows]))
    return binary_cross_entropy_with_logits(logits, torch.from_numpy(lesson.photos.anaemic[rows]).double()).item()


def hardest_negatives(network: nn.Module, lesson: Lesson) -> list[int]:
    """Positions among the train rows: of those that are not anaemic, the ones that look it most."""
    train = lesson.fold.train
    negatives = np.flatnonzero(~lesson.photos.anaemic[train])
    count = round(lesson.recipe.training.hard_negative_share * len(negatives))
    logits = logits_of(network, lesson.photos.inputs[train[negatives]])
    return [int(at) for at in negatives[np.argsort(-logits, kind="stable")[:count]]]


def _steps_an_epoch(rows: int, how: Training) -> int:
    return max(1, round(rows / how.batch))


def _both_classes(photos: Photos, rows: Rows) -> bool:
    return len(set(photos.anaemic[rows].tolist())) == 2


def _nothing() -> None: ...


def _call(stepped: Stepped, times: int) -> None:
    for _ in range(times):
        stepped()


def _refuse_what_is_no_number(loss: Tensor, learning_rate: float) -> None:
    if not torch.isfinite(loss):
        raise LearningDiverged(
            "the loss is no number any more",
            field="learning_rate",
            value=learning_rate,
            remedy="Lower the recipe's learning rate, or warm up for longer.",
        )
