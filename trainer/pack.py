"""A release folder: the model, golden photos and the answers expected of them, the card, and the manifest over all."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pallor.digest import sha256_of_file
from pallor.image.decode import Photo, decode, encode
from pallor.image.preprocess import to_input
from pallor.release.manifest import Figure, Golden, IntendedUse, Manifest, ReleaseFile
from pallor.release.shelf import Release as OpenRelease
from trainer.card import write_card
from trainer.export import Parity, serve
from trainer.recipe import Recipe

_MODEL, _CARD = "fp16.onnx", "card.md"
# The ages of CP-AnemiC's children; nothing is known of anybody else.
_INTENDED_USE = IntendedUse(min_age_months=6, max_age_months=59, pregnant=False)


@dataclass(frozen=True, eq=False)
class Parts:
    """What a release is packed from. ``golden``: drawn photos, never a patient's."""

    release_id: str
    world: str
    created_at: datetime
    model: bytes
    parity: Parity
    golden: tuple[Photo, ...]
    evidence: Mapping[str, Any]


def pack(parts: Parts, recipe: Recipe, folder: Path) -> Manifest:
    """Write the whole folder, then check it as a node would; an older release in its place is replaced.

    The answers expected of the golden photos are ONNX Runtime's, from the stored PNG bytes.

    Raises:
        Untrusted: what was written does not read back.
    """
    staged = folder.with_name(f".{folder.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "golden").mkdir(parents=True)
    (staged / _MODEL).write_bytes(parts.model)
    (staged / _CARD).write_text(write_card(parts.release_id, parts.evidence, parts.parity), "utf-8")
    golden = _write_golden(parts, recipe, staged)
    cutoffs = parts.evidence["cutoffs"]
    manifest = Manifest(
        release_id=parts.release_id,
        world=parts.world,
        created_at=parts.created_at,
        label_table=parts.evidence["label_table"],
        intended_use=_INTENDED_USE,
        threshold=cutoffs["threshold"],
        refer_low=cutoffs["refer_low"],
        refer_high=cutoffs["refer_high"],
        preprocess=recipe.preprocess.to_json(),
        tolerance={"fp16": recipe.export.tolerance},
        golden=golden,
        files=(
            _file(staged, _MODEL, "model", needs=("cpu",), precision="fp16"),
            *(_file(staged, one.photo, "golden") for one in golden),
            _file(staged, _CARD, "card"),
        ),
        base_weights=parts.evidence["base_weights"],
        recipe_digest=parts.evidence["recipe_digest"],
        snapshot_digest=parts.evidence["snapshot_digest"],
        figures=tuple(Figure(**figure) for figure in parts.evidence["figures"]),
        status="investigational",
    )
    (staged / "manifest.json").write_bytes(manifest.to_bytes())
    OpenRelease.open(staged, trusted_digest=manifest.digest())
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)
    return manifest


def _write_golden(parts: Parts, recipe: Recipe, folder: Path) -> tuple[Golden, ...]:
    names = [f"golden/{number:02}.png" for number in range(len(parts.golden))]
    stored = [encode(photo) for photo in parts.golden]
    for name, data in zip(names, stored, strict=True):
        (folder / name).write_bytes(data)
    inputs = np.stack([to_input(recipe.preprocess, decode(data)) for data in stored])
    answers = serve(parts.model, recipe.preprocess.size).infer(inputs).probability
    return tuple(Golden(name, round(float(p), 6)) for name, p in zip(names, answers, strict=True))


def _file(
    folder: Path, path: str, role: str, *, needs: tuple[str, ...] = (), precision: str | None = None
) -> ReleaseFile:
    there = folder / path
    return ReleaseFile(path, sha256_of_file(there), there.stat().st_size, role, needs, precision)
