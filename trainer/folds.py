"""Every fine-tuning that an evaluation needs; each finished one is kept, so that a killed run goes on."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pallor.digest import digest_of, hex_of, sha256_of
from trainer.data.photos import Photos
from trainer.data.split import PROTOCOLS, Fold
from trainer.finetune import finetune, logits_of
from trainer.model import Base
from trainer.pool import pool_of
from trainer.recipe import Recipe
from trainer.steps import read_json, write_json

_NOT_IN_A_NAME = re.compile(r"[^\w-]+")  # a site may be called anything
# Parts of a recipe that no fine-tuning reads: another aim or limit must not cost a night.
_READ_AFTERWARDS = ("name", "seed", "evaluation", "calibration", "quantization", "gate", "export")


@dataclass(frozen=True)
class Job:
    """One fine-tuning that an evaluation needs."""

    protocol: str
    seed: int
    fold: Fold

    @property
    def name(self) -> str:
        return f"{self.protocol}-seed{self.seed}-{self.fold.name}"


@dataclass(frozen=True, eq=False)
class Task:
    """What all jobs have in common. ``run``: the folder whose ``folds`` keeps what is finished."""

    photos: Photos
    base: Base
    recipe: Recipe
    run: Path


@dataclass(frozen=True, eq=False)
class FoldLogits:
    """A fold's outcome: logits of its calibration rows and of its test rows."""

    calibration: NDArray[np.float64]
    test: NDArray[np.float64]


def jobs_of(photos: Photos, recipe: Recipe) -> list[Job]:
    """Everything to be fine-tuned, the leak-free protocols first."""
    return [
        Job(protocol, seed, fold)
        for protocol, split in PROTOCOLS.items()
        for seed in getattr(recipe.evaluation, protocol)
        for fold in split(photos, seed)
    ]


def judge_all(
    jobs: Sequence[Job], task: Task, *, processes: int = 1, done: Callable[[Job], None] = lambda _: None
) -> list[FoldLogits]:
    """The outcome of each job, in their order.

    Args:
        processes: jobs worked on at once, one thread each: two on two cores are done sooner than one on both, and a
            fold's arithmetic does not depend on how many cores there are.
        done: called after each job.
    """
    outcomes: dict[int, FoldLogits] = {}
    for at, outcome in _as_they_end(jobs, task, processes):
        outcomes[at] = outcome
        done(jobs[at])
    return [outcomes[at] for at in range(len(jobs))]


def judge(job: Job, task: Task) -> FoldLogits:
    """A fold's logits: those kept from an equal earlier job, else by fine-tuning now."""
    photos, fold = task.photos, job.fold
    key = fold_key(job, task)
    stem = f"{_NOT_IN_A_NAME.sub('_', job.name)}-{hex_of(key)[:12]}"
    folder = task.run / "folds"
    kept, unfinished = folder / f"{stem}.json", folder / stem
    if kept.is_file() and (known := read_json(kept, dict)).get("key") == key:
        return FoldLogits(np.array(known["calibration"], float), np.array(known["test"], float))
    folder.mkdir(parents=True, exist_ok=True)
    screen = finetune(photos, fold, task.base, task.recipe, job.seed, keep=unfinished)
    outcome = FoldLogits(*(logits_of(screen, photos.inputs[rows]) for rows in (fold.calibration, fold.test)))
    write_json(kept, {"key": key, "calibration": outcome.calibration.tolist(), "test": outcome.test.tolist()})
    shutil.rmtree(unfinished, ignore_errors=True)  # weights of every epoch of every fold would fill the disk
    return outcome


def fold_key(job: Job, task: Task) -> str:
    """The digest of all that shapes a fold's logits.

    Labels and groups are digested themselves: a control may deal them anew under the same snapshot.
    """
    photos, fold = task.photos, job.fold
    recipe = {part: value for part, value in task.recipe.to_json().items() if part not in _READ_AFTERWARDS}
    told = (photos.ids.astype("S"), photos.anaemic, photos.hb, photos.groups)
    return digest_of(
        {
            "snapshot": photos.snapshot,
            "rows": [sha256_of(np.ascontiguousarray(column).tobytes()) for column in told],
            "base": task.base.name,
            "recipe": recipe,
            "seed": job.seed,
            "fold": [rows.tolist() for rows in (fold.train, fold.calibration, fold.test)],
        }
    )


def _as_they_end(jobs: Sequence[Job], task: Task, processes: int) -> Iterator[tuple[int, FoldLogits]]:
    if processes == 1:
        yield from ((at, judge(job, task)) for at, job in enumerate(jobs))
        return
    with pool_of(processes, _begin, task) as pool:
        waiting = {pool.submit(_judge_here, job): at for at, job in enumerate(jobs)}
        yield from ((waiting[one], one.result()) for one in as_completed(waiting))


_task: Task  # of a worker process of the pool, set once by its initializer: photos are too large to send with each job


def _begin(task: Task) -> None:
    global _task
    _task = task
    torch.set_num_threads(1)


def _judge_here(job: Job) -> FoldLogits:
    return judge(job, _task)
