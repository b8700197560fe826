"""What the GPU's engine does around the GPU: batches are cut, padded and put together again. Memory is the host's here.

CUDA and the opened plan are stood in for, because nothing of theirs works without a driver; `make gpu` has the real.
"""

import ctypes
import threading

import numpy as np
import pytest

from pallor.digest import sha256_of
from pallor.prediction import Engine as EngineFacts
from tests.support.releases import SIZE, a_graph
from worker.engines import gpu
from worker.engines.batches import BATCH
from worker.engines.cuda import CudaFailed
from worker.engines.gpu import GpuEngine, SizesDisagree
from worker.engines.onnx import OnnxEngine
from worker.engines.port import GraphRefused

FACTS = EngineFacts("tensorrt-rtx", "1.7", "fp32", sha256_of(a_graph()))


@pytest.mark.parametrize("photos", [0, 1, 2, 8, 9, 32, 33, 75])
def test_a_batch_of_any_size_gets_every_photos_own_answers(engine, exact, photos):
    batch = np.random.default_rng(photos).integers(0, 256, (photos, SIZE, SIZE, 3), dtype=np.uint8)
    said, expected = engine.infer(batch), exact.infer(batch)
    for name in ("probability", "cam", "embedding"):
        np.testing.assert_allclose(getattr(said, name), getattr(expected, name), atol=1e-5)


def test_answers_stay_as_they_are_when_others_are_asked(engine):
    first = engine.infer(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    before = first.probability.copy()
    engine.infer(np.full((1, SIZE, SIZE, 3), 255, np.uint8))
    assert np.array_equal(first.probability, before)


def test_threads_do_not_mix_their_photos(engine, exact):
    batches = [np.full((2, SIZE, SIZE, 3), shade, np.uint8) for shade in (0, 80, 160, 240)]
    wrong = []

    def ask(batch):
        for _ in range(20):
            if not np.allclose(engine.infer(batch).probability, exact.infer(batch).probability, atol=1e-5):
                wrong.append(batch)

    threads = [threading.Thread(target=ask, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_cannot_be_recorded_is_run_step_by_step(exact, host, monkeypatch):
    def not_recorded(stream, work):
        raise CudaFailed("cudaErrorStreamCaptureUnsupported")

    monkeypatch.setattr(HostStream, "record", not_recorded)
    batch = np.full((3, SIZE, SIZE, 3), 90, np.uint8)
    np.testing.assert_allclose(
        GpuEngine(StandIn(exact), FACTS, SIZE).infer(batch).probability, exact.infer(batch).probability, atol=1e-5
    )


def test_a_plan_whose_batches_disagree_never_serves(exact, host):
    with pytest.raises(SizesDisagree, match="batches of 8 and 32"):
        GpuEngine(StandIn(exact, broken_batch=8), FACTS, SIZE)


def test_a_plan_of_another_contract_is_refused(exact, host):
    plan = StandIn(exact)
    plan.tensors["cam"] = (-1, 8, 8)
    with pytest.raises(GraphRefused, match="the contract is"):
        GpuEngine(plan, FACTS, SIZE)


def test_it_says_what_it_is(engine):
    assert engine.describe() == FACTS


class StandIn:
    """A plan that computes on the CPU, from and to the addresses that it was given."""

    def __init__(self, exact, broken_batch=None):
        self.tensors = {
            "rgb": (-1, SIZE, SIZE, 3), "probability": (-1,), "cam": (-1, 7, 7), "embedding": (-1, 64),
        }  # fmt: skip
        self.types = {name: "uint8" if name == "rgb" else "float" for name in self.tensors}
        self._exact, self._broken = exact, broken_batch

    def runner(self, shape, addresses):
        assert shape[0] in BATCH
        return StandInRunner(self._exact, shape, addresses, broken=shape[0] == self._broken)


class StandInRunner:
    def __init__(self, exact, shape, addresses, *, broken):
        self._exact, self._shape, self._addresses, self._broken = exact, shape, addresses, broken

    def execute_async_v3(self, stream_handle):
        size = int(np.prod(self._shape))
        rgb = np.frombuffer(ctypes.string_at(self._addresses["rgb"], size), np.uint8).reshape(self._shape)
        said = self._exact.infer(rgb)
        for name in ("probability", "cam", "embedding"):
            values = np.ascontiguousarray(getattr(said, name), np.float32)
            values = np.abs(1 - values) if self._broken and name == "probability" else values
            ctypes.memmove(self._addresses[name], values.ctypes.data, values.nbytes)
        return True

    def is_stream_capturable(self, stream):
        return True


class HostStream:
    handle = 7

    def upload(self, source, target):
        ctypes.memmove(target, source.ctypes.data, source.nbytes)

    def download(self, source, target):
        ctypes.memmove(target.ctypes.data, source, target.nbytes)

    def wait(self):
        pass

    def record(self, work):
        return work


@pytest.fixture
def host(monkeypatch):
    """Buffers of the host in place of the GPU's."""
    kept = []

    def on_host(size):
        kept.append(ctypes.create_string_buffer(size))
        return ctypes.addressof(kept[-1])

    monkeypatch.setattr(gpu, "Stream", HostStream)
    monkeypatch.setattr(gpu, "on_device", on_host)
    monkeypatch.setattr(gpu, "pinned", lambda shape, kind: np.zeros(shape, kind))
    return kept


@pytest.fixture
def exact(tmp_path) -> OnnxEngine:
    (tmp_path / "model.onnx").write_bytes(a_graph())
    return OnnxEngine(tmp_path / "model.onnx", digest=sha256_of(a_graph()), precision="fp32", size=SIZE)


@pytest.fixture
def engine(exact, host) -> GpuEngine:
    return GpuEngine(StandIn(exact), FACTS, SIZE)
