"""What a GPU needs from CUDA: memory, a stream, a graph. The only module that knows cuda-python.

Nothing here is freed: a process serves one release, and its end gives everything back, whatever a library leaked.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pallor.errors import Unavailable

_missing = ""
try:
    from cuda.bindings import runtime as cudart
except ModuleNotFoundError:  # a machine without a GPU needs none of it
    cudart, _missing = None, "cuda-python is not installed"
except Exception as error:  # what it needs in turn is missing, or of another version
    cudart, _missing = None, f"cuda-python does not load: {error}"


class NoCudaPython(Unavailable):
    """cuda-python is not installed, or what is installed does not load."""


class NoDriver(Unavailable):
    """No NVIDIA driver is installed."""


class DriverTooOld(Unavailable):
    """The driver is older than the CUDA that the libraries were built for."""


class NoGpu(Unavailable):
    """The driver sees no GPU."""


class GpuMemoryFull(Unavailable):
    """The GPU has no memory left for it."""


class CudaFailed(Unavailable):
    """A call into CUDA failed."""


@dataclass(frozen=True)
class Gpu:
    """A GPU. ``capability``: its kind, as ``sm86``; ``driver``: the newest CUDA that the driver serves, as ``13.0``."""

    name: str
    capability: str
    memory_bytes: int
    driver: str


def find_gpu() -> Gpu:
    """The first GPU that the driver shows; a container or ``CUDA_VISIBLE_DEVICES`` chooses another.

    Raises:
        NoCudaPython, NoDriver, DriverTooOld, NoGpu, CudaFailed: there is none that could be used.
    """
    if cudart is None:
        raise NoCudaPython(_missing)
    (driver,), (built_for,) = _call(cudart.cudaDriverGetVersion()), _call(cudart.cudaRuntimeGetVersion())
    if not driver:
        raise NoDriver("no NVIDIA driver is installed")
    (count,) = _call(cudart.cudaGetDeviceCount(), f"driver for CUDA {_spelled(driver)}, needed {_spelled(built_for)}")
    if not count:
        raise NoGpu("the driver shows no GPU")
    (facts,) = _call(cudart.cudaGetDeviceProperties(0))
    name = facts.name.decode(errors="replace").rstrip("\0")
    return Gpu(name, f"sm{facts.major}{facts.minor}", int(facts.totalGlobalMem), _spelled(driver))


class Stream:
    """What is asked for in order is done in order."""

    def __init__(self) -> None:
        (stream,) = _call(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))
        self.handle = int(stream)

    def upload(self, source: NDArray[Any], target: int) -> None:
        """From pinned host memory to the device."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        _call(cudart.cudaMemcpyAsync(target, source.ctypes.data, source.nbytes, kind, self.handle))

    def download(self, source: int, target: NDArray[Any]) -> None:
        """From the device to pinned host memory."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _call(cudart.cudaMemcpyAsync(target.ctypes.data, source, target.nbytes, kind, self.handle))

    def wait(self) -> None:
        _call(cudart.cudaStreamSynchronize(self.handle))

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """A call that repeats what ``work`` asks of this stream, as one launch.

        Raises:
            CudaFailed: the work cannot be recorded; the stream can be used further.
        """
        _call(cudart.cudaStreamBeginCapture(self.handle, cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        try:
            work()
        finally:
            ended = cudart.cudaStreamEndCapture(self.handle)
        (graph,) = _call(ended)
        (executable,) = _call(cudart.cudaGraphInstantiate(graph, 0))
        _call(cudart.cudaGraphDestroy(graph))

        def repeat() -> None:
            _call(cudart.cudaGraphLaunch(executable, self.handle))

        return repeat


def on_device(size: int) -> int:
    """The address of so many bytes of the GPU's memory."""
    (address,) = _call(cudart.cudaMalloc(size))
    return int(address)


def pinned(shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    """Zeros in host memory that the GPU reads and writes by itself."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    (address,) = _call(cudart.cudaHostAlloc(size, cudart.cudaHostAllocDefault))
    raw = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(address)))
    array: NDArray[Any] = raw.view(kind).reshape(shape)
    array[...] = 0
    return array


def _call(answer: tuple[Any, ...], said: str = "") -> tuple[Any, ...]:
    """What a call gives behind its status; raises what the status means."""
    status, *values = answer
    if status == cudart.cudaError_t.cudaSuccess:
        return tuple(values)
    kinds = {
        cudart.cudaError_t.cudaErrorMemoryAllocation: GpuMemoryFull,
        cudart.cudaError_t.cudaErrorInsufficientDriver: DriverTooOld,
        cudart.cudaError_t.cudaErrorNoDevice: NoGpu,
    }
    (_, name), (_, words) = cudart.cudaGetErrorName(status), cudart.cudaGetErrorString(status)
    raise kinds.get(status, CudaFailed)(": ".join(filter(None, [said, f"{name.decode()}, {words.decode()}"])))


def _spelled(version: int) -> str:
    """CUDA writes 13.1 as 13010."""
    return f"{version // 1000}.{version % 1000 // 10}"
