"""A release folder: model files, golden photos and the answer expected of each, the card, the manifest over all.

Nothing of a patient goes in: golden photos are drawn, and the report's pictures of mistakes stay where they were made.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pallor.digest import sha256_of, sha256_of_file
from pallor.errors import Refused, Untrusted
from pallor.image.decode import Photo, decode, encode
from pallor.image.preprocess import to_input
from pallor.release.manifest import Figure, Golden, Manifest, ReleaseFile
from pallor.release.shelf import Release as OpenRelease
from trainer.recipe import Recipe
from trainer.report.card import write_card
from trainer.report.findings import Findings
from worker.engines.onnx import OnnxEngine

# From the most exact on: the first that is packed says what is expected of the golden photos. No other is shipped.
_SHIPPED = ("fp16", "int8")
_CARD = "card.md"


class PrecisionNotShipped(Refused):
    """FP32 is twice the size for nothing, and INT4 is a line of research."""


class FileDisagrees(Untrusted):
    """A file does not say of the golden photos what it should: no node would serve it."""


@dataclass(frozen=True, eq=False)
class ModelFile:
    """One ONNX file. ``needs``: what a machine must have to be given it."""

    path: str
    data: bytes
    precision: str
    needs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Parts:
    """What a release is packed from.

    Attributes:
        findings: for the card; its evidence fills the manifest.
        models: a machine is given the first one whose needs it meets.
        golden: drawn photos, never a patient's.
    """

    findings: Findings
    created_at: datetime
    models: Sequence[ModelFile]
    golden: Sequence[Photo]


def pack(parts: Parts, recipe: Recipe, folder: Path) -> Manifest:
    """Write the whole folder, then check it as a node would; an older release in its place is replaced.

    A file for GPUs that is further from the expected answers than its precision may be is left out: such a node then
    serves from its CPU, and says why.

    Raises:
        PrecisionNotShipped: one of the files has no place in a release.
        FileDisagrees: a file for CPUs is too far from the expected answers.
        Untrusted: what was written does not read back.
    """
    tolerance = {model.precision: _tolerance(model, recipe) for model in parts.models}
    staged = folder.with_name(f".{folder.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "golden").mkdir(parents=True)
    for model in parts.models:
        (staged / model.path).write_bytes(model.data)
    golden, left_out = _write_golden(parts, recipe, tolerance, staged)
    models = [model for model in parts.models if model not in left_out]
    for model in left_out:
        (staged / model.path).unlink()
    shipped = tuple(Path(model.path).stem for model in models)
    (staged / _CARD).write_text(write_card(replace(parts.findings, shipped=shipped)), "utf-8")
    evidence = parts.findings.evidence
    cutoffs = evidence["cutoffs"]
    manifest = Manifest(
        release_id=parts.findings.release_id,
        world=evidence["world"],
        created_at=parts.created_at,
        label_table=evidence["label_table"],
        intended_use=parts.findings.intended_use,
        threshold=cutoffs["threshold"],
        refer_low=cutoffs["refer_low"],
        refer_high=cutoffs["refer_high"],
        preprocess=recipe.preprocess.to_json(),
        tolerance=tolerance,
        golden=golden,
        files=(
            *(_file(staged, one.path, "model", needs=one.needs, precision=one.precision) for one in models),
            *(_file(staged, one.photo, "golden") for one in golden),
            _file(staged, _CARD, "card"),
        ),
        base_weights=evidence["base_weights"],
        recipe_digest=evidence["recipe_digest"],
        snapshot_digest=evidence["snapshot_digest"],
        figures=_shown(evidence),
        status="investigational",
    )
    (staged / "manifest.json").write_bytes(manifest.to_bytes())
    OpenRelease.open(staged, trusted_digest=manifest.digest())
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)
    return manifest


def _shown(evidence: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Of everybody, and measured: the hundreds of subgroups stand in the card, not in what every node reads."""
    return tuple(Figure(**one) for one in evidence["figures"] if one["value"] is not None and "@" not in one["name"])


def _write_golden(
    parts: Parts, recipe: Recipe, tolerance: Mapping[str, float], folder: Path
) -> tuple[tuple[Golden, ...], list[ModelFile]]:
    """The photos with what ONNX Runtime's CPU says of their stored bytes by the most exact file; who is left out."""
    names = [f"golden/{number:02}.png" for number in range(len(parts.golden))]
    stored = [encode(photo) for photo in parts.golden]
    for name, data in zip(names, stored, strict=True):
        (folder / name).write_bytes(data)
    inputs = np.stack([to_input(recipe.preprocess, decode(data)) for data in stored])
    answers = {model.path: _answers(model, folder, recipe, inputs) for model in parts.models}
    for_cpus = [model for model in parts.models if model.needs == ("cpu",)]
    exact = min(for_cpus, key=lambda model: _SHIPPED.index(model.precision))
    expected = answers[exact.path].round(6)
    left_out = []
    for model in parts.models:
        far = float(np.abs(answers[model.path] - expected).max())
        if far <= tolerance[model.precision]:
            continue
        if model in for_cpus:
            raise FileDisagrees(
                f"{model.path} differs by {far:.2g} on the golden photos, allowed is {tolerance[model.precision]:.2g}"
            )
        left_out.append(model)
    return tuple(Golden(name, float(p)) for name, p in zip(names, expected.tolist(), strict=True)), left_out


def _answers(model: ModelFile, folder: Path, recipe: Recipe, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
    digest, size = sha256_of(model.data), recipe.preprocess.size
    engine = OnnxEngine(folder / model.path, digest=digest, precision=model.precision, size=size)
    return engine.infer(inputs).probability.astype(np.float64)


def _tolerance(model: ModelFile, recipe: Recipe) -> float:
    if model.precision not in _SHIPPED:
        raise PrecisionNotShipped(
            "no release carries a file of this precision",
            field=model.path,
            value=model.precision,
            remedy=f"Pack {' or '.join(_SHIPPED)}.",
        )
    return recipe.export.tolerance_int8 if model.precision == "int8" else recipe.export.tolerance


def _file(
    folder: Path, path: str, role: str, *, needs: tuple[str, ...] = (), precision: str | None = None
) -> ReleaseFile:
    there = folder / path
    return ReleaseFile(path, sha256_of_file(there), there.stat().st_size, role, needs, precision)
