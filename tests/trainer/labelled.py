"""Labelled photos, valid by default; and the smallest recipe."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pallor.digest import sha256_of
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import draw, render
from trainer.data.photos import Photos
from trainer.recipe import Recipe, read_recipe


def labelled(
    *,
    inputs: NDArray[np.uint8] | None = None,
    groups: Sequence[int],
    anaemic: Sequence[bool] | None = None,
    hb: Sequence[float] | None = None,
    subjects: Sequence[str] | None = None,
    sites: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    sexes: Sequence[str] | None = None,
    ages: Sequence[int] | None = None,
    taken: Sequence[str] | None = None,
    seed: int = 0,
) -> Photos:
    """Rows that differ by what the test says; by default without pixels, each of its own subject."""
    n = len(groups)
    labels = [i % 2 == 0 for i in range(n)] if anaemic is None else list(anaemic)
    return Photos(
        inputs=np.zeros((n, 1, 1, 3), np.uint8) if inputs is None else inputs,
        anaemic=np.array(labels, bool),
        hb=np.where(labels, 90.0, 130.0) if hb is None else np.array(hb, float),
        groups=np.array(groups, np.int64),
        subjects=np.array([f"s{i}" for i in range(n)] if subjects is None else subjects),
        sites=np.array(["clinic"] * n if sites is None else sites),
        devices=np.array([""] * n if devices is None else devices),
        sexes=np.array(["female", "male"] * n if sexes is None else sexes)[:n],
        ages=np.array([6 + i % 54 for i in range(n)] if ages is None else ages, np.int64),
        ids=np.array([sha256_of(f"{seed}:{i}".encode()) for i in range(n)]),
        taken=np.array([""] * n if taken is None else taken),
        snapshot=sha256_of(f"snapshot {seed}".encode()),
        groups_digest=sha256_of(f"groups {seed}".encode()),
        world="synthetic",
        credit="drawn",
        label_table="who-2024",
    )


def drawn(n: int, *, size: int, signal: float = 50.0, seed: int = 0) -> Photos:
    """Synthetic photos, half of them of anaemic children, each its own group; the default signal leaves no doubt."""
    rng = np.random.default_rng(seed)
    hb = np.where(np.arange(n) % 2 == 0, 70.0, 140.0)
    spec = PreprocessSpec(size=size)
    inputs = [to_input(spec, render(draw(rng, float(g_per_l), signal=signal))) for g_per_l in hb]
    sites = np.array(["north", "south"])[np.arange(n) // 2 % 2]
    return labelled(inputs=np.stack(inputs), groups=range(n), hb=hb.tolist(), sites=sites.tolist(), seed=seed)


def a_recipe(*, size: int = 64, **training: Any) -> Recipe:
    """The standard recipe at another input size, with some numbers of its ``[training]`` changed."""
    recipe = read_recipe()
    return replace(
        recipe,
        preprocess=replace(recipe.preprocess, size=size),
        training=replace(recipe.training, **training),
    )
