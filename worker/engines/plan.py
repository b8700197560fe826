"""Which engine serves a release on this machine."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pallor.digest import sha256_of
from pallor.errors import PallorError, Unavailable
from pallor.image.spec import PreprocessSpec
from pallor.prediction import Engine as EngineFacts
from pallor.release.manifest import ReleaseFile
from pallor.release.shelf import Release
from worker.engines.batches import PROFILE
from worker.engines.cache import PlanCache, PlanKey
from worker.engines.gpu import GpuEngine
from worker.engines.machine import ONNXRUNTIME_CUDA, Machine, choose
from worker.engines.onnx import OnnxEngine
from worker.engines.port import Engine, GraphRefused
from worker.engines.probe import probe
from worker.engines.tensorrt import Progress, TensorRt

log = logging.getLogger(__name__)

# Where the plan of a graph of integers computes in floating point all the same (benchmarks/results/engines.json).
_NO_INTEGERS = {("tensorrt-rtx", "sm75")}
_KEPT_IN_16 = ("model", ("cpu",), "fp16")


class GpuEngineFailed(Unavailable):
    """The GPU was found fit, and building, loading or running the engine failed.

    A failed load leaks memory of the GPU: end this process, and start another with ``without_gpu`` and this reason.
    """


class NoModelForGpu(Unavailable):
    """The release carries no graph for GPUs."""


def load_engine(
    release: Release,
    *,
    threads: int = 1,
    plans: Path | None = None,
    without_gpu: str | None = None,
    engine: str = "auto",
    progress: Progress | None = None,
    machine: Machine | None = None,
    on_gpu: Callable[[], None] = lambda: None,
) -> Engine:
    """Load the release's model that fits this machine best.

    Args:
        threads: that compute one photo on the CPU.
        plans: where plans that are built here are kept; None: nowhere, each load builds anew.
        without_gpu: why the GPU is left alone, though it may be fit; the CPU serves, and says so.
        engine: ``auto``, ``cpu``, or one of ``worker.engines.machine.GPU_FLAVOURS``.
        progress: told how far building a plan has come.
        machine: instead of looking at this one.
        on_gpu: called before the GPU is used; the libraries for it may take the process with them.

    Returns:
        An engine on the GPU, or one on the CPU whose ``describe().fallback`` says why it is not on the GPU.

    Raises:
        GpuEngineFailed: see there.
        Untrusted: the release has no model for a CPU, or it is none.
    """
    if engine == "cpu" or without_gpu:
        return on_cpu(release, threads=threads, fallback=None if engine == "cpu" else without_gpu)
    machine = machine or probe()
    try:
        flavour, library, gpu = choose(machine, engine)
        if flavour == ONNXRUNTIME_CUDA:
            model = _model_for_cuda(release)
        else:
            model = _model_for_gpu(release, "fp16" if (flavour, gpu.capability) in _NO_INTEGERS else None)
    except Unavailable as reason:
        return on_cpu(release, threads=threads, fallback=told(reason))
    try:
        on_gpu()
        if flavour == ONNXRUNTIME_CUDA:
            return _open_onnx(release, model, threads=threads, flavour=flavour)
        key = PlanKey(
            onnx_digest=model.digest,
            flavour=flavour,
            version=library.version,
            capability=gpu.capability,
            precision=_precision(model),
            profile=PROFILE,
            system=machine.system,
            architecture=machine.architecture,
        )
        return _open_plan(release, model, key, plans, progress)
    except PallorError as error:
        raise GpuEngineFailed(told(error)) from error
    except Exception as error:  # TensorRT and ONNX Runtime raise what they like: a TypeError for a GPU that is full
        raise GpuEngineFailed(f"{type(error).__name__}: {error}") from error


def on_cpu(
    release: Release, *, threads: int = 1, fallback: str | None = None, precision: str | None = None
) -> OnnxEngine:
    """The release's first model for CPUs, or the first of a precision."""
    model = release.manifest.model_for(frozenset({"cpu"}), precision=precision)
    return _open_onnx(release, model, threads=threads, fallback=fallback)


def told(error: PallorError) -> str:
    """A reason as health, metrics and predictions show it."""
    return f"{error.code()}: {error}"


def _model_for_cuda(release: Release) -> ReleaseFile:
    """What is kept in 16 bits and computed in 32, if there is such: computed in 16 it may be too far off (ADR 12)."""
    kept = [file for file in release.manifest.files if (file.role, file.needs, file.precision) == _KEPT_IN_16]
    return kept[0] if kept else _model_for_gpu(release, "fp16")


def _model_for_gpu(release: Release, precision: str | None) -> ReleaseFile:
    models = [
        file
        for file in release.manifest.files
        if file.role == "model" and file.needs == ("gpu",) and precision in (None, file.precision)
    ]
    if not models:
        raise NoModelForGpu(f"{release.release_id} carries no {precision or 'model'} for GPUs")
    return models[0]


def _open_onnx(
    release: Release, model: ReleaseFile, *, threads: int, fallback: str | None = None, flavour: str = "onnxruntime-cpu"
) -> OnnxEngine:
    return OnnxEngine(
        release.path(model.path),
        digest=model.digest,
        precision=_precision(model),
        size=_size(release),
        threads=threads,
        fallback=fallback,
        flavour=flavour,
    )


def _open_plan(
    release: Release, model: ReleaseFile, key: PlanKey, plans: Path | None, progress: Progress | None
) -> GpuEngine:
    """The plan that came with the release, if it fits exactly, else the one that was built here, else a new one."""
    library, size = TensorRt(key.flavour), _size(release)
    plan = _shipped(release, key)
    found = "the release brings no plan that fits exactly" if plan is None else "the release's own plan is loaded"
    log.info(found, extra={"release_id": release.release_id, "plan": " ".join(key.needs())})
    if plan is None:
        build = partial(_build, library, release, model, key, size, progress)
        plan = PlanCache(plans).plan(key, build) if plans else build()
    facts = EngineFacts(key.flavour, key.version, key.precision, key.onnx_digest)
    return GpuEngine(library.open(plan), facts, size)


def _shipped(release: Release, key: PlanKey) -> bytes | None:
    for file in release.manifest.files:
        fits = file.role == "engine" and (file.built_from, file.precision) == (key.onnx_digest, key.precision)
        if fits and set(file.needs) == set(key.needs()):
            return _read(release, file)
    return None


def _build(
    library: TensorRt, release: Release, model: ReleaseFile, key: PlanKey, size: int, progress: Progress | None
) -> bytes:
    return library.build(_read(release, model), size, key.capability, progress)


def _read(release: Release, file: ReleaseFile) -> bytes:
    """Read once, so that what was digested is what is used."""
    try:
        data = release.path(file.path).read_bytes()
    except OSError as error:
        raise GraphRefused(f"{file.path} cannot be read: {error}") from error
    if sha256_of(data) != file.digest:
        raise GraphRefused(f"{file.path} is not the file with the digest {file.digest}")
    return data


def _precision(model: ReleaseFile) -> str:
    return model.precision or "fp32"


def _size(release: Release) -> int:
    return PreprocessSpec.from_json(dict(release.manifest.preprocess)).size
