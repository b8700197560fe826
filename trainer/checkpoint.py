"""What a killed fine-tuning is continued from: the state after each whole epoch, in one file that is never half there.

The file names what it is a state of, by a digest over all that shapes the weights, the pixels included: a state of
other photos, another recipe or another seed is not there for whoever asks.
"""

import hashlib
import io
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pallor.digest import digest_of
from pallor.durable import write_whole
from trainer.data.photos import Photos
from trainer.data.split import Fold
from trainer.model import Base
from trainer.recipe import Recipe

Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class State:
    """Where a network's fine-tuning stands.

    Attributes:
        turn: 0 first pass, 1 with the hardest negatives, 2 done.
        epoch: whole ones of this turn.
        weights, optimizer: after it; no optimizer before a turn's first.
        best, best_loss: the weights that did best on the calibration rows, and their log loss there.
        waited: epochs since then.
        hardest: positions among the train rows that the second turn draws more often.
    """

    turn: int
    epoch: int
    weights: Weights
    optimizer: dict[str, Any] | None
    best: Weights
    best_loss: float
    waited: int
    hardest: list[int]

    @classmethod
    def at_first(cls, network: nn.Module, loss: float | None) -> Self:
        """``loss``: on the calibration rows, if the network is to be judged by it before its first epoch."""
        weights = weights_of(network)
        return cls(0, 0, weights, None, weights, math.inf if loss is None else loss, 0, [])

    def after_epoch(self, network: nn.Module, optimizer: Optimizer, loss: float | None) -> Self:
        """``loss``: on the calibration rows; without it the last weights are the best."""
        now = replace(
            self,
            epoch=self.epoch + 1,
            weights=weights_of(network),
            optimizer=optimizer.state_dict(),
            waited=self.waited + 1,
        )
        if loss is None or loss < self.best_loss:
            return replace(now, best=now.weights, best_loss=self.best_loss if loss is None else loss, waited=0)
        return now

    def after_turn(self, hardest: list[int]) -> Self:
        """The next turn goes on from the best weights, with an optimizer that remembers nothing."""
        return replace(self, turn=self.turn + 1, epoch=0, weights=self.best, optimizer=None, waited=0, hardest=hardest)


def weights_of(network: nn.Module) -> Weights:
    """A copy on the CPU."""
    return {name: weights.detach().cpu().clone() for name, weights in network.state_dict().items()}


class Checkpoint:
    """A file for one network's state; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None, network: str, key: str) -> None:
        self._path = folder / f"{network}.pt" if folder else None
        self._key = key

    def read(self) -> State | None:
        """The last state kept, of this very work; what cannot be read is done again."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            kept = torch.load(self._path, map_location="cpu", weights_only=True)
            return State(**kept["state"]) if kept["key"] == self._key else None
        except OSError:
            raise
        except Exception:  # bytes that torch has not written may make it raise anything
            return None

    def write(self, state: State) -> None:
        """Keep a state instead of the last one."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = io.BytesIO()  # written by torch itself, a full disk would be an error without a name
        torch.save({"key": self._key, "state": vars(state)}, whole)
        write_whole(self._path, whole.getvalue())


def key_of(photos: Photos, fold: Fold, base: Base, recipe: Recipe, seed: int) -> str:
    """A digest of all that shapes the weights, and of nothing else: another limit of the gate changes none."""
    parts = ("preprocess", "augmentation", "training", "distillation", "pruning")
    numbers = {part: recipe.to_json()[part] for part in parts}
    read = hashlib.sha256()
    for rows in (fold.train, fold.calibration):
        for values in (photos.inputs, photos.anaemic, photos.hb, photos.groups):
            read.update(values[rows].tobytes())
    return digest_of({"numbers": numbers, "seed": seed, "base": base.name, "rows": read.hexdigest()})
