"""From evidence to a release folder: train on every photo, export, prove, pack."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pallor.errors import Untrusted
from pallor.image.decode import Photo
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.preprocess import to_input
from pallor.image.synthetic import draw, render
from pallor.release.manifest import Manifest
from trainer.data.photos import Photos
from trainer.export import Parity, ask, ask_torch, compare, export, serve
from trainer.finetune import finetune
from trainer.model import Base, Release
from trainer.pack import Parts, pack
from trainer.recipe import Recipe

# How much the drawn golden photos tell of haemoglobin: enough for pale and red ones among a few.
_GOLDEN_BEST_AUROC = 0.99


class ExportDisagrees(Untrusted):
    """The exported graph does not say what the network says."""


def make_release(
    photos: Photos,
    base: Base,
    recipe: Recipe,
    evidence: Mapping[str, Any],
    folder: Path,
    *,
    release_id: str,
    now: datetime,
    stepped: Callable[[], None] = lambda: None,
) -> tuple[Manifest, Parity]:
    """Make the folder.

    Args:
        evidence: of this recipe, these photos and this base (``trainer.evaluate.read_evidence``).

    Raises:
        ExportDisagrees: the file and the network differ by more than a tenth of the tolerance left to engines.
    """
    screen = finetune(photos, np.arange(len(photos)), base, recipe, recipe.final_seed, stepped=stepped)
    release = Release(screen, evidence["cutoffs"]["temperature"], recipe.export.embedding_seed)
    model = export(release, recipe.preprocess.size, recipe.export.opset)
    golden = draw_golden(recipe)
    inputs = np.concatenate([photos.inputs, np.stack([to_input(recipe.preprocess, photo) for photo in golden])])
    engine = serve(model, recipe.preprocess.size)
    parity = compare(ask(engine, inputs), ask_torch(release, inputs))
    if not parity.max_abs_dp <= recipe.export.tolerance / 10:
        raise ExportDisagrees(f"largest |dp| {parity.max_abs_dp:.1e} over {parity.photos} photos")
    parts = Parts(release_id, "real", now, model, parity, golden, evidence)
    return pack(parts, recipe, folder), parity


def draw_golden(recipe: Recipe) -> tuple[Photo, ...]:
    """Drawn photos, pale and red, as many as the recipe says."""
    rng = np.random.default_rng(recipe.export.golden_seed)
    signal = signal_for_auroc(_GOLDEN_BEST_AUROC)
    people = [draw_person(rng) for _ in range(recipe.export.golden_photos)]
    return tuple(render(draw(rng, person.hb_g_per_l, signal=signal)) for person in people)
