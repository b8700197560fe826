"""The engine runs a graph that follows the contract and refuses every other."""

from pathlib import Path

import numpy as np
import pytest

from pallor.digest import sha256_of
from tests.support.releases import SIZE, a_graph
from worker.engines.onnx import OnnxEngine
from worker.engines.port import AnswerImpossible, Answers, GraphRefused


def test_a_batch_is_answered_photo_by_photo(tmp_path: Path) -> None:
    engine = open_engine(tmp_path, a_graph())
    batch = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    together = engine.infer(batch)
    assert (together.probability.shape, together.cam.shape, together.embedding.shape) == ((5,), (5, 7, 7), (5, 64))
    for index, photo in enumerate(batch):
        alone = engine.infer(photo[None])
        np.testing.assert_allclose(alone.probability[0], together.probability[index], atol=1e-6)
        np.testing.assert_allclose(alone.cam[0], together.cam[index], atol=1e-5)


@pytest.mark.parametrize("photos", [0, 1, 7, 33])
def test_batches_padded_to_fixed_sizes_are_answered_as_any_other(tmp_path: Path, photos: int) -> None:
    """As on CUDA, where each new size costs seconds."""
    free, fixed = open_engine(tmp_path, a_graph()), open_engine(tmp_path, a_graph(), fixed=True)
    batch = np.random.default_rng(1).integers(0, 256, (photos, SIZE, SIZE, 3), dtype=np.uint8)
    expected, said = free.infer(batch), fixed.infer(batch)
    assert (said.probability.shape, said.cam.shape) == ((photos,), (photos, 7, 7))
    np.testing.assert_allclose(said.probability, expected.probability, atol=1e-6)
    np.testing.assert_allclose(said.cam, expected.cam, atol=1e-5)
    np.testing.assert_allclose(said.embedding, expected.embedding, atol=1e-5)


def test_the_engine_says_what_it_is(tmp_path: Path) -> None:
    facts = open_engine(tmp_path, a_graph()).describe()
    assert facts.flavour == "onnxruntime-cpu"
    assert (facts.precision, facts.model_digest) == ("fp32", sha256_of(a_graph()))


@pytest.mark.parametrize(
    ("graph", "named"),
    [
        (a_graph(size=2 * SIZE), "rgb is tensor"),
        (a_graph(batch=1), "rgb is tensor"),
        (a_graph(cam_name="heat"), "the contract is rgb in and probability, cam, embedding out"),
        (b"not a graph", "no graph that ONNX Runtime can open"),
        (b"", "no graph that ONNX Runtime can open"),
    ],
    ids=["another size", "a fixed batch", "another output", "no ONNX", "nothing"],
)
def test_a_graph_that_breaks_the_contract_is_refused_with_what_differs(
    tmp_path: Path, graph: bytes, named: str
) -> None:
    with pytest.raises(GraphRefused, match=named):
        open_engine(tmp_path, graph)


def test_a_file_that_was_changed_after_it_was_checked_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(a_graph(bias=9.0))
    with pytest.raises(GraphRefused, match="not the file with the digest"):
        OnnxEngine(path, digest=sha256_of(a_graph()), precision="fp32", size=SIZE)
    with pytest.raises(GraphRefused, match="cannot be read"):
        OnnxEngine(tmp_path / "none", digest=sha256_of(a_graph()), precision="fp32", size=SIZE)


@pytest.mark.parametrize(
    ("probability", "cam", "embedding"),
    [
        ([np.nan], (1, 7, 7), (1, 64)),
        ([1.5], (1, 7, 7), (1, 64)),
        ([-0.1], (1, 7, 7), (1, 64)),
        ([0.5], (1, 8, 8), (1, 64)),
        ([0.5, 0.5], (1, 7, 7), (1, 64)),
        ([0.5], (1, 7, 7), (1, 32)),
    ],
)
def test_what_no_model_can_say_is_no_answer(
    probability: list[float], cam: tuple[int, ...], embedding: tuple[int, ...]
) -> None:
    with pytest.raises(AnswerImpossible):
        Answers(np.array(probability, np.float32), np.zeros(cam, np.float32), np.zeros(embedding, np.float32))


def open_engine(folder: Path, graph: bytes, *, fixed: bool | None = None) -> OnnxEngine:
    path = folder / "model.onnx"
    path.write_bytes(graph)
    return OnnxEngine(path, digest=sha256_of(graph), precision="fp32", size=SIZE, fixed=fixed)
