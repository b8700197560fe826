"""Other people of the same world judge every release: so many that chance has little say, and nobody measures them.

A part that is done is kept in a file: a run that was killed goes on.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.district.plan import BEST_AUROC, SEED
from benchmarks.district.world import CUT_OFF_G_PER_L
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import draw, render
from pallor.release.shelf import Release
from trainer.metrics import auroc
from worker.engines.plan import on_cpu

_AT_ONCE = 250


def judge_releases(
    releases: Mapping[str, Path], people: int, keep: Path, processes: int, seen: Callable[[], None]
) -> dict[str, float]:
    """Of each release's folder, by its id, the AUROC of what a machine without a GPU says."""
    keep.mkdir(parents=True, exist_ok=True)
    parts = range(parts_of_oracle(people))
    work = partial(_judge, dict(releases), people, keep)
    done = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) if processes > 1 else nullcontext() as pool:
        for found in pool.map(work, parts) if pool else map(work, parts):
            done.append(found)
            seen()
    truth = np.concatenate([part["truth"] for part in done])
    return {name: round(auroc(truth, np.concatenate([part[name] for part in done])), 4) for name in releases}


def parts_of_oracle(people: int) -> int:
    """In how many parts they are judged."""
    return -(-people // _AT_ONCE)


def _judge(releases: Mapping[str, Path], people: int, keep: Path, part: int) -> dict[str, NDArray[Any]]:
    """One part of the people: the truth, and what each release says."""
    file = keep / f"{part:04}.npz"
    there = dict(np.load(file)) if file.exists() else {}
    if there.keys() >= releases.keys() | {"truth"}:
        return there
    opened = {name: Release.open(folder) for name, folder in releases.items()}
    spec = PreprocessSpec.from_json(dict(next(iter(opened.values())).manifest.preprocess))
    hb, inputs = _people(part, min(_AT_ONCE, people - part * _AT_ONCE), spec)
    said = {name: on_cpu(release).infer(inputs).probability.astype(float) for name, release in opened.items()}
    found = {"truth": hb < CUT_OFF_G_PER_L, **said}
    staged = file.with_suffix(".part.npz")
    np.savez(staged, **found)  # type: ignore[arg-type]  # numpy has a keyword of its own
    staged.replace(file)
    return found


def _people(part: int, count: int, spec: PreprocessSpec) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    rng, signal = np.random.default_rng([SEED, 2, part]), signal_for_auroc(BEST_AUROC)
    people = [draw_person(rng) for _ in range(count)]
    inputs = [to_input(spec, render(draw(rng, person.hb_g_per_l, signal=signal))) for person in people]
    return np.array([person.hb_g_per_l for person in people]), np.stack(inputs)
