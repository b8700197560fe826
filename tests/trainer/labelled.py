"""Labelled photos, valid by default; and the smallest recipe."""

from dataclasses import replace
from typing import Any

import numpy as np

from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import draw, render
from trainer.data.photos import Photos
from trainer.recipe import Recipe, read_recipe


def rows(*, groups: list[int], anaemic: list[bool] | None = None, sites: list[str] | None = None) -> Photos:
    """Rows without pixels, for everything that looks at none."""
    n = len(groups)
    labels = [i % 2 == 0 for i in range(n)] if anaemic is None else anaemic
    return Photos(
        inputs=np.zeros((n, 1, 1, 3), np.uint8),
        anaemic=np.array(labels, bool),
        hb=np.where(labels, 90.0, 130.0),
        groups=np.array(groups, np.int64),
        sites=np.array(["clinic"] * n if sites is None else sites),
        digest="sha256:" + "0" * 64,
    )


def drawn(n: int, *, size: int, signal: float = 50.0, seed: int = 0) -> Photos:
    """Synthetic photos, half of them of anaemic children, each its own group; the default signal leaves no doubt."""
    rng = np.random.default_rng(seed)
    hb = np.where(np.arange(n) % 2 == 0, 70.0, 140.0)
    spec = PreprocessSpec(size=size)
    return Photos(
        inputs=np.stack([to_input(spec, render(draw(rng, float(g_per_l), signal=signal))) for g_per_l in hb]),
        anaemic=hb < 110,
        hb=hb,
        groups=np.arange(n),
        sites=np.array(["north", "south"])[np.arange(n) // 2 % 2],
        digest=f"sha256:{seed:064}",
    )


def a_recipe(*, size: int = 64, **training: Any) -> Recipe:
    """The bootstrap recipe at another input size, with some numbers of its ``[training]`` changed."""
    recipe = read_recipe()
    return replace(
        recipe,
        preprocess=replace(recipe.preprocess, size=size),
        training=replace(recipe.training, **training),
    )
