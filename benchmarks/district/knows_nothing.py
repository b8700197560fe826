"""The release that the year begins with: whatever it is shown, it says one half."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from benchmarks.district.plan import FIRST
from benchmarks.district.server import LABEL_TABLE, WORLD
from pallor.digest import digest_of, sha256_of
from pallor.image.decode import encode
from pallor.release.manifest import Golden, IntendedUse, Manifest, ReleaseFile
from trainer.golden import draw_golden
from trainer.recipe import Recipe
from worker.engines.port import CAM_SIDE, EMBEDDING_LENGTH

KNOWS_NOTHING = "knows-nothing-1"
_MODEL, _CARD = "fp16.onnx", "card.md"


def make_first_release(folder: Path, recipe: Recipe) -> Path:
    """A whole release in ``folder``, for photos laid out as the recipe has it."""
    golden = {f"golden/{n:02}.png": encode(photo) for n, photo in enumerate(draw_golden(recipe.export))}
    files = {_MODEL: _half(recipe.preprocess.size), _CARD: b"# It knows nothing, and says one half.\n", **golden}
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (folder / path).write_bytes(data)
    manifest = Manifest(
        release_id=KNOWS_NOTHING,
        world=WORLD,
        created_at=FIRST,
        label_table=LABEL_TABLE,
        intended_use=IntendedUse(6, 59, pregnant=False),
        threshold=0.5,
        refer_low=0.0,
        refer_high=1.0,
        preprocess=recipe.preprocess.to_json(),
        tolerance={"fp16": 1e-3},
        golden=tuple(Golden(path, 0.5) for path in golden),
        files=tuple(_listed(path, data) for path, data in files.items()),
        base_weights="none",
        recipe_digest=digest_of("none"),
        snapshot_digest=digest_of([]),
        figures=(),
    )
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return folder


def _listed(path: str, data: bytes) -> ReleaseFile:
    digest, size = sha256_of(data), len(data)
    if path == _MODEL:
        return ReleaseFile(path, digest, size, "model", ("cpu",), "fp16")
    return ReleaseFile(path, digest, size, "card" if path == _CARD else "golden")


def _half(size: int) -> bytes:
    """The graph contract, and nothing in it: the logit is what it sees times nought."""
    constants = {
        "pixels": np.array([1, 2, 3], np.int64),
        "nought": np.float32(0),
        "places": np.zeros((1, CAM_SIDE**2), np.float32),
        "square": np.array([0, CAM_SIDE, CAM_SIDE], np.int64),
        "numbers": np.zeros((1, EMBEDDING_LENGTH), np.float32),
        "column": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["rgb"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "pixels"], ["seen"], keepdims=0),
        helper.make_node("Mul", ["seen", "nought"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
        helper.make_node("Unsqueeze", ["logit", "column"], ["logits"]),
        helper.make_node("MatMul", ["logits", "places"], ["flat"]),
        helper.make_node("Reshape", ["flat", "square"], ["cam"]),
        helper.make_node("MatMul", ["logits", "numbers"], ["embedding"]),
    ]
    said = {"probability": [], "cam": [CAM_SIDE, CAM_SIDE], "embedding": [EMBEDDING_LENGTH]}
    graph = helper.make_graph(
        nodes,
        "knows-nothing",
        [helper.make_tensor_value_info("rgb", TensorProto.UINT8, ["N", size, size, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in said.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    return bytes(model.SerializeToString())
