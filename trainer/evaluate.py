"""The evidence for a recipe: every protocol, every seed, every fold; each fold kept, so that a killed run goes on."""

import json
import multiprocessing
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pallor.digest import canonical_json, digest_of
from pallor.errors import Refused
from pallor.release.manifest import Figure
from trainer.calibrate import Cutoffs, calibrate, sigmoid
from trainer.controls import constant, look_up_twin
from trainer.data.photos import LABEL_TABLE, Photos
from trainer.data.split import PROTOCOLS, Fold
from trainer.finetune import count_steps, finetune, logits_of
from trainer.metrics import Metric, accuracy, auroc, brier, estimate, sensitivity, specificity
from trainer.model import Base
from trainer.recipe import Recipe

LEAK_FREE = "grouped_by_photo"
_NOT_IN_A_NAME = re.compile(r"[^\w-]+")  # a site may be called anything
Scores = NDArray[np.float64]


class EvidenceMissing(Refused):
    """A release is made around its own evaluation, never around another's."""


@dataclass(frozen=True)
class Job:
    """One fine-tuning that an evaluation needs."""

    protocol: str
    seed: int
    fold: Fold

    @property
    def name(self) -> str:
        return f"{self.protocol}-seed{self.seed}-{_NOT_IN_A_NAME.sub('_', self.fold.name)}"


@dataclass(frozen=True, eq=False)
class Task:
    """What all jobs have in common."""

    photos: Photos
    base: Base
    recipe: Recipe
    run: Path


def jobs_of(photos: Photos, recipe: Recipe) -> list[Job]:
    """Everything to be fine-tuned, the leak-free protocol first."""
    return [
        Job(protocol, seed, fold)
        for protocol, split in PROTOCOLS.items()
        for seed in getattr(recipe.evaluation, protocol)
        for fold in split(photos, seed)
    ]


def steps_of(jobs: list[Job], recipe: Recipe) -> int:
    """Steps of all jobs together, for a progress bar."""
    return sum(count_steps(len(job.fold.train), recipe.training) for job in jobs)


def evaluate(
    photos: Photos,
    base: Base,
    recipe: Recipe,
    run: Path,
    *,
    processes: int = 1,
    stepped: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Cross-validate and write ``run/evaluation.json``.

    Args:
        run: folder for the logits of finished folds; a fold is taken from there when recipe, photos and base are equal.
        processes: folds worked on at once, one thread each: two folds on two cores are done sooner than one fold on
            both, and a fold's arithmetic does not depend on how many cores there are.
        stepped: called after each fold with the number of its steps.

    Returns:
        What the file holds: data, cut-offs, figures with protocol and interval. Card and manifest are made from it.
    """
    jobs = jobs_of(photos, recipe)
    logits = {(job.protocol, job.seed): np.full(len(photos), np.nan) for job in jobs}
    for job, scores in _judge_all(jobs, Task(photos, base, recipe, run), processes):
        logits[job.protocol, job.seed][job.fold.test] = scores
        stepped(count_steps(len(job.fold.train), recipe.training))
    leak_free = [scores for (protocol, _), scores in logits.items() if protocol == LEAK_FREE]
    cutoffs = calibrate(np.concatenate(leak_free), np.tile(photos.anaemic, len(leak_free)), recipe.calibration)
    evidence = {
        "recipe": recipe.to_json(),
        "recipe_digest": recipe.digest(),
        "snapshot_digest": photos.digest,
        "base_weights": base.name,
        "base_credit": base.credit,
        "label_table": LABEL_TABLE,
        "data": _describe(photos),
        "cutoffs": asdict(cutoffs),
        "figures": [asdict(figure) for figure in _figures(photos, recipe, jobs, logits, cutoffs)],
        "auroc_by_seed": {
            protocol: {
                str(seed): auroc(photos.anaemic, scores) for (of, seed), scores in logits.items() if of == protocol
            }
            for protocol in PROTOCOLS
        },
    }
    _write_whole(run / "evaluation.json", json.dumps(evidence, indent=1, allow_nan=False).encode())
    return evidence


def read_evidence(run: Path, photos: Photos, base: Base, recipe: Recipe) -> dict[str, Any]:
    """``run/evaluation.json``.

    Raises:
        EvidenceMissing: there is none, or it is of other photos, another base or another recipe.
    """
    path = run / "evaluation.json"
    evidence: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    wanted = {"recipe_digest": recipe.digest(), "snapshot_digest": photos.digest, "base_weights": base.name}
    differing = [name for name, value in wanted.items() if evidence.get(name) != value]
    if differing:
        raise EvidenceMissing(
            "there is no evaluation of just these photos, base weights and recipe",
            field="run",
            value=", ".join(differing),
            remedy="Run `pallor-trainer evaluate` with the same options first; finished folds are kept.",
        )
    return evidence


def figures_of(evidence: Mapping[str, Any]) -> dict[str, float]:
    """Name and protocol to value and bounds, flat: ``grouped_by_photo.model.auroc``, ``... .low``, ``... .high``."""
    flat: dict[str, float] = {}
    for figure in evidence["figures"]:
        name = f"{figure['protocol']}.{figure['name']}"
        flat |= {name: figure["value"], f"{name}.low": figure["low"], f"{name}.high": figure["high"]}
    return flat


def _judge_all(jobs: list[Job], task: Task, processes: int) -> Iterator[tuple[Job, Scores]]:
    """Each job with the logits of its test rows, as they are done."""
    if processes == 1:
        yield from ((job, judge(job, task)) for job in jobs)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork of a process that has run torch may hang
    with ProcessPoolExecutor(processes, spawn, initializer=_begin, initargs=(task,)) as pool:
        waiting = {pool.submit(_judge_here, job): job for job in jobs}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def judge(job: Job, task: Task) -> Scores:
    """Logits of the fold's test rows: those kept from an equal earlier run, else by fine-tuning now."""
    photos, base, recipe = task.photos, task.base, task.recipe
    kept = task.run / "folds" / f"{job.name}.json"
    key = digest_of(
        {
            "photos": photos.digest,
            "base": base.name,
            "recipe": {part: asdict(getattr(recipe, part)) for part in ("preprocess", "augmentation", "training")},
            "seed": job.seed,
            "train": job.fold.train.tolist(),
            "test": job.fold.test.tolist(),
        }
    )
    if kept.is_file() and (known := json.loads(kept.read_bytes()))["key"] == key:
        return np.array(known["logits"])
    screen = finetune(photos, job.fold.train, base, recipe, job.seed)
    logits = logits_of(screen, photos.inputs[job.fold.test])
    _write_whole(kept, canonical_json({"key": key, "logits": logits.tolist()}))
    return logits


_task: Task  # of a worker process of the pool, set once by its initializer: photos are too large to send with each job


def _begin(task: Task) -> None:
    global _task
    _task = task
    torch.set_num_threads(1)


def _judge_here(job: Job) -> Scores:
    return judge(job, _task)


def _write_whole(path: Path, data: bytes) -> None:
    """A kill leaves the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".part")
    staged.write_bytes(data)
    staged.replace(path)


def _figures(
    photos: Photos,
    recipe: Recipe,
    jobs: list[Job],
    logits: Mapping[tuple[str, int], Scores],
    cutoffs: Cutoffs,
) -> list[Figure]:
    everyone: dict[str, Metric] = {"auroc": auroc, "accuracy_at_half": accuracy(0.5), "brier": brier}
    model_only = {"sensitivity": sensitivity(cutoffs.threshold), "specificity": specificity(cutoffs.threshold)}
    figures = []
    for protocol in dict.fromkeys(job.protocol for job in jobs):
        seeds = [seed for of, seed in logits if of == protocol]
        contestants = {
            "model": [sigmoid(logits[protocol, seed] / cutoffs.temperature) for seed in seeds],
            "twin_look_up": [_control(look_up_twin, photos, jobs, protocol, seed) for seed in seeds],
            "constant": [_control(constant, photos, jobs, protocol, seed) for seed in seeds],
        }
        for who, runs in contestants.items():
            for name, metric in (everyone | model_only if who == "model" else everyone).items():
                found = estimate(
                    metric,
                    photos.anaemic,
                    runs,
                    photos.groups,
                    draws=recipe.evaluation.bootstrap_draws,
                    seed=recipe.evaluation.bootstrap_seed,
                )
                figures.append(Figure(f"{who}.{name}", protocol, found.value, found.low, found.high, len(photos)))
    return figures


def _control(
    control: Callable[[Photos, Fold], Scores], photos: Photos, jobs: list[Job], protocol: str, seed: int
) -> Scores:
    answers = np.full(len(photos), np.nan)
    for job in jobs:
        if (job.protocol, job.seed) == (protocol, seed):
            answers[job.fold.test] = control(photos, job.fold)
    return answers


def _describe(photos: Photos) -> dict[str, int]:
    _, sizes = np.unique(photos.groups, return_counts=True)
    return {
        "rows": len(photos),
        "photographs": len(sizes),
        "rows_with_a_twin": int(sizes[sizes > 1].sum()),
        "sites": len(np.unique(photos.sites)),
        "anaemic": int(photos.anaemic.sum()),
    }
