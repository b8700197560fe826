"""A plan that answers photos on a GPU, in batches of fixed sizes, each recorded once as one launch."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pallor.prediction import Engine as EngineFacts
from worker.engines.batches import BATCH, parts_of
from worker.engines.cuda import CudaFailed, Stream, on_device, pinned
from worker.engines.port import CAM_SIDE, EMBEDDING_LENGTH, Answers, GraphRefused
from worker.engines.tensorrt import Plan, may_be_recorded

log = logging.getLogger(__name__)

_SAID: dict[str, tuple[int, ...]] = {
    "probability": (),
    "cam": (CAM_SIDE, CAM_SIDE),
    "embedding": (EMBEDDING_LENGTH,),
}
_MOST_APART = 0.05  # |dp| of one photo in batches of two sizes: kernels round differently, a broken one lies far away


class SizesDisagree(GraphRefused):
    """The plan answers the same photo differently in batches of another size."""


class GpuEngine:
    """A model in a GPU's memory.

    Args:
        plan: opened; it must follow the graph contract.
        facts: what it says of itself; ``model_digest`` is that of the ONNX file it was built from.
        size: side of the square input, pixels.

    Raises:
        GraphRefused: inputs and outputs are not those of the contract, or sizes disagree.
        GpuMemoryFull, CudaFailed, PlanRefused: the GPU does not take it.
    """

    def __init__(self, plan: Plan, facts: EngineFacts, size: int) -> None:
        _check_contract(plan, size)
        self._facts = facts
        self._lock = threading.Lock()  # one stream, and one buffer a size
        stream = Stream()
        self._lanes = {batch: _Lane(plan, stream, batch, size) for batch in BATCH}
        _check_sizes(self, size)

    def infer(self, batch: NDArray[np.uint8]) -> Answers:
        with self._lock:
            parts = [self._lanes[size].run(batch[start:stop]) for start, stop, size in parts_of(len(batch))]
        return Answers(*(np.concatenate([part[name] for part in parts]) for name in _SAID))

    def describe(self) -> EngineFacts:
        return self._facts


class _Lane:
    """One batch size: its buffers on both sides, and its work."""

    def __init__(self, plan: Plan, stream: Stream, batch: int, size: int) -> None:
        self._stream = stream
        self._photos = pinned((batch, size, size, 3), np.uint8)
        self._said = {name: pinned((batch, *shape), np.float32) for name, shape in _SAID.items()}
        hosts = {"rgb": self._photos, **self._said}
        self._at = {name: on_device(array.nbytes) for name, array in hosts.items()}
        self._runner = plan.runner(self._photos.shape, self._at)
        self._ask()  # TensorRT prepares itself in a first run, which must not be recorded
        stream.wait()
        self._work = self._recorded()

    def run(self, photos: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Answers of at most ``batch`` photos; what the padding answers is left behind."""
        self._photos[: len(photos)] = photos
        self._work()
        self._stream.wait()
        return {name: array[: len(photos)].copy() for name, array in self._said.items()}

    def _ask(self) -> None:
        self._stream.upload(self._photos, self._at["rgb"])
        if not self._runner.execute_async_v3(self._stream.handle):
            raise CudaFailed("TensorRT could not run the plan")
        for name, array in self._said.items():
            self._stream.download(self._at[name], array)

    def _recorded(self) -> Callable[[], None]:
        """As one launch where TensorRT can be recorded, else step by step: slower, and the same answers."""
        if not may_be_recorded(self._runner, self._stream.handle):
            return self._ask
        try:
            return self._stream.record(self._ask)
        except CudaFailed as error:
            log.warning("the plan is run without a CUDA graph", extra={"fault": error})
            return self._ask


def _check_contract(plan: Plan, size: int) -> None:
    wanted = {"rgb": ("uint8", (-1, size, size, 3)), **{name: ("float", (-1, *s)) for name, s in _SAID.items()}}
    there = {name: (plan.types[name], shape) for name, shape in plan.tensors.items()}
    if there != wanted:
        raise GraphRefused(f"the plan has {there}, the contract is {wanted}")


def _check_sizes(engine: GpuEngine, size: int) -> None:
    """Noise is enough: the golden photos, asked later, are fewer than the largest batch."""
    photos = np.random.default_rng(0).integers(0, 256, (BATCH[-1], size, size, 3), dtype=np.uint8)
    together = engine.infer(photos).probability
    for batch in BATCH[:-1]:
        apart = float(np.abs(engine.infer(photos[:batch]).probability - together[:batch]).max())
        if not apart <= _MOST_APART:
            raise SizesDisagree(f"batches of {batch} and {BATCH[-1]} differ by {apart:.2g}")
