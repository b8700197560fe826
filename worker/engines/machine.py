"""What a machine is, what it can meet of a release's needs, and which engine fits it. Pure; ``probe.py`` looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pallor.errors import Unavailable
from worker.engines.batches import PROFILE
from worker.engines.cuda import Gpu

CPU, ONNXRUNTIME_CUDA = "onnxruntime-cpu", "onnxruntime-cuda"
# In this order: the first that is there serves.
GPU_FLAVOURS = ("tensorrt", "tensorrt-rtx", ONNXRUNTIME_CUDA)
ENGINES = ("auto", "cpu", *GPU_FLAVOURS)


class GpuUnsupported(Unavailable):
    """No library that is installed has anything for this kind of GPU."""


class NoGpuLibrary(Unavailable):
    """No library that computes on GPUs is installed."""


@dataclass(frozen=True)
class Library:
    """A runtime for GPUs that loads here. ``families``: the kinds of GPU it knows, as ``sm86``; None: whatever is."""

    version: str
    families: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Machine:
    """One machine.

    Attributes:
        system, architecture: as ``linux``, ``x86_64``.
        gpu: the one that would serve, or the reason why there is none.
        libraries: by flavour, each as it loads or the reason why it does not.
    """

    system: str
    architecture: str
    processor: str
    cores: int
    instruction_sets: tuple[str, ...]
    gpu: Gpu | Unavailable
    libraries: Mapping[str, Library | Unavailable] = field(default_factory=dict)


def choose(machine: Machine, engine: str) -> tuple[str, Library, Gpu]:
    """The flavour that serves on the GPU.

    Args:
        engine: of ``ENGINES``, but not ``cpu``.

    Raises:
        Unavailable: none does; the leaf is the reason.
    """
    wanted = GPU_FLAVOURS if engine == "auto" else (engine,)
    there = {flavour: machine.libraries[flavour] for flavour in wanted if flavour in machine.libraries}
    usable = {flavour: one for flavour, one in there.items() if isinstance(one, Library)}
    if not usable:
        reasons = [str(one) for one in there.values() if isinstance(one, Unavailable)]
        raise NoGpuLibrary("; ".join(reasons) or f"{engine} is not installed")
    gpu = machine.gpu
    if isinstance(gpu, Unavailable):
        raise gpu
    for flavour, library in usable.items():
        if library.families is None or gpu.capability in library.families:
            return flavour, library, gpu
    raise GpuUnsupported(f"{gpu.name} is {gpu.capability}; {', '.join(usable)} has nothing for it")


def needs_met(machine: Machine) -> frozenset[str]:
    """What this machine has of what a release's files may need."""
    met = {"cpu", machine.system, machine.architecture}
    if not isinstance(machine.gpu, Unavailable):
        loading = {flavour: one.version for flavour, one in machine.libraries.items() if isinstance(one, Library)}
        met |= {
            "gpu",
            machine.gpu.capability,
            PROFILE,
            *(f"{flavour}-{version}" for flavour, version in loading.items()),
        }
    return frozenset(met)
