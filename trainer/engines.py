"""A release once more, with plans for kinds of GPU in it, built ahead of time on a machine that needs no GPU.

A manifest never changes, so what comes out is a release of its own, with the same models, golden photos and card. Its
plans cannot be tried here: each node lets them answer the golden photos before they serve.
"""

import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pallor.digest import sha256_of
from pallor.errors import Refused
from pallor.image.spec import PreprocessSpec
from pallor.release.manifest import Manifest, ReleaseFile, is_release_id
from pallor.release.shelf import Release
from trainer.progress import Bars
from worker.engines.batches import PROFILE
from worker.engines.cache import PlanKey
from worker.engines.tensorrt import TensorRt

FLAVOUR = "tensorrt-rtx"  # the flavour that builds without a GPU
FAMILIES = ("sm86", "sm89", "sm120")
_FOLDER = "engines"


class FamilyUnknown(Refused):
    """TensorRT-RTX builds nothing for this kind of GPU."""


class NothingToBuild(Refused):
    """The release has no graph for GPUs in this precision."""


class FolderTaken(Refused):
    """Something is there already."""


class ReleaseIdRefused(Refused):
    """It cannot name a release."""


@dataclass(frozen=True)
class Built:
    """``seconds``: of building, by the path of the plan."""

    manifest: Manifest
    seconds: Mapping[str, float]


def build_engines(
    source: Path,
    out: Path,
    *,
    families: Sequence[str],
    precisions: Sequence[str],
    release_id: str | None,
    bars: Bars,
) -> Built:
    """Write the release in ``source`` to ``out``, with a plan for each kind of GPU and precision.

    Args:
        families: as ``sm86``.
        precisions: ``int8``, ``fp16``: those of the release's graphs for GPUs.
        release_id: None: the source's and the library's version behind it.

    Raises:
        FamilyUnknown, NothingToBuild, FolderTaken, ReleaseIdRefused: what was asked for cannot be.
        NoTensorrt, TensorrtBroken, PlanNotBuilt: TensorRT-RTX does not do it.
        Untrusted: the source is no whole release.
    """
    release, library = Release.open(source), TensorRt(FLAVOUR)
    old = release.manifest
    named = release_id or f"{old.release_id}-rtx-{library.version}"
    models = [_graph_for_gpus(old, precision) for precision in precisions]
    _check(library, families, out, named)
    with _staged_beside(out) as staged:
        shutil.copytree(source, staged, ignore=lambda folder, _: [_FOLDER] if Path(folder) == source else [])
        (staged / _FOLDER).mkdir()
        size = PreprocessSpec.from_json(dict(old.preprocess)).size
        plans, seconds = [], {}
        with bars("building engines", len(models) * len(families)) as built:
            for model in models:
                for family in families:
                    begun = time.perf_counter()
                    plan = library.build(release.path(model.path).read_bytes(), size, family)
                    file = _file(plan, model, family, library)
                    (staged / file.path).write_bytes(plan)
                    plans.append(file)
                    seconds[file.path] = time.perf_counter() - begun
                    built(1)
        kept = tuple(file for file in old.files if file.role != "engine")
        manifest = replace(old, release_id=named, files=(*kept, *plans))
        (staged / "manifest.json").write_bytes(manifest.to_bytes())
        Release.open(staged, trusted_digest=manifest.digest())
        staged.rename(out)
    return Built(manifest, seconds)


@contextmanager
def _staged_beside(out: Path) -> Iterator[Path]:
    """Where the release is put together; nothing of it stays unless it was renamed."""
    staged = out.with_name(f".{out.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)  # of one that was killed
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _graph_for_gpus(manifest: Manifest, precision: str) -> ReleaseFile:
    for file in manifest.files:
        if file.role == "model" and file.needs == ("gpu",) and file.precision == precision:
            return file
    raise NothingToBuild(
        f"{manifest.release_id} has no graph for GPUs in this precision", field="--precisions", value=precision,
        remedy="Releases from before GPUs were served have none; `pallor-trainer cycle` makes one that has.",
    )  # fmt: skip


def _check(library: TensorRt, families: Sequence[str], out: Path, named: str) -> None:
    for family in families:
        if library.families is not None and family not in library.families:
            raise FamilyUnknown(
                f"{FLAVOUR} {library.version} builds nothing for it", field="--families", value=family,
                remedy=f"It knows {', '.join(library.families)}.",
            )  # fmt: skip
    if out.exists():
        raise FolderTaken("something is there already", field="--out", value=out, remedy="Name a new folder.")
    if not is_release_id(named):
        raise ReleaseIdRefused(
            "a release cannot be called so", field="--release-id", value=named,
            remedy="Small letters, digits, dots and hyphens, at most 64.",
        )  # fmt: skip


def _file(plan: bytes, model: ReleaseFile, family: str, library: TensorRt) -> ReleaseFile:
    precision = model.precision or "fp32"
    key = PlanKey(
        onnx_digest=model.digest,
        flavour=FLAVOUR,
        version=library.version,
        capability=family,
        precision=precision,
        profile=PROFILE,
        system=platform.system().lower(),
        architecture=platform.machine(),
    )
    path = f"{_FOLDER}/{precision}-{family}.plan"
    return ReleaseFile(path, sha256_of(plan), len(plan), "engine", key.needs(), precision, model.digest)
