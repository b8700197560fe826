"""Tiny releases that follow every rule: a graph of a few nodes, golden photos, a manifest."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from pallor.digest import digest_of, sha256_of
from pallor.image.decode import Photo, encode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.release.manifest import Golden, IntendedUse, Manifest, ReleaseFile
from pallor.release.shelf import Release
from worker.engines.onnx import OnnxEngine

SIZE = 28  # a multiple of 7, so that the activation map is 7 x 7
SPEC = PreprocessSpec(size=SIZE)
TOLERANCE = 1e-4


def a_release(
    folder: Path,
    release_id: str = "tiny-1",
    *,
    bias: float = 0.0,
    trap: int | None = None,
    for_gpus: bytes = b"",
    **manifest: Any,
) -> Release:
    """Write a valid release into ``folder`` and open it; releases with another ``bias`` answer otherwise.

    ``for_gpus`` is a second model, for them. ``manifest`` overrides fields of the manifest, such as ``world`` or
    ``tolerance``.
    """
    model = a_graph(bias=bias, trap=trap)
    (folder / "golden").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    photos = {f"golden/{shade}.png": encode(plain_photo(shade)) for shade in (60, 120, 200)}
    for path, data in photos.items():
        (folder / path).write_bytes(data)
    (folder / "card.md").write_text(f"# {release_id}\nA toy: it answers by redness and knows nothing of anaemia.\n")
    files = {
        "model.onnx": ReleaseFile("model.onnx", sha256_of(model), len(model), "model", ("cpu",), "fp32"),
        **{path: ReleaseFile(path, sha256_of(data), len(data), "golden") for path, data in photos.items()},
    }
    if for_gpus:
        (folder / "gpu.onnx").write_bytes(for_gpus)
        files["gpu.onnx"] = ReleaseFile("gpu.onnx", sha256_of(for_gpus), len(for_gpus), "model", ("gpu",), "fp32")
    card = (folder / "card.md").read_bytes()
    files["card.md"] = ReleaseFile("card.md", sha256_of(card), len(card), "card")
    engine = OnnxEngine(folder / "model.onnx", digest=sha256_of(model), precision="fp32", size=SIZE)
    made = Manifest(
        release_id=release_id,
        world="synthetic",
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
        label_table="who-2024",
        intended_use=IntendedUse(min_age_months=6, max_age_months=59, pregnant=False),
        threshold=0.5,
        refer_low=0.4,
        refer_high=0.6,
        preprocess=SPEC.to_json(),
        tolerance={"fp32": TOLERANCE},
        golden=tuple(
            Golden(f"golden/{shade}.png", _probability(engine, plain_photo(shade))) for shade in (60, 120, 200)
        ),
        files=tuple(files.values()),
        base_weights="none",
        recipe_digest=digest_of("toy"),
        snapshot_digest=digest_of([]),
        figures=(),
    )
    (folder / "manifest.json").write_bytes(replace(made, **manifest).to_bytes())
    return Release.open(folder)


def plain_photo(green: int, side: int = 48) -> Photo:
    """A photo of one colour; the less green, the redder."""
    return Photo(np.full((side, side, 3), (200, green, 120), np.uint8), np.ones((side, side), bool))


def a_graph(
    *, bias: float = 0.0, trap: int | None = None, size: int = SIZE, batch: int | str = "N", cam_name: str = "cam"
) -> bytes:
    """A graph that follows the contract and answers by the share of green; the arguments break it on purpose."""
    weights = {
        "scale": np.array(1 / 255, np.float32),
        "mix": np.array([-2.0, 4.0, 0.0], np.float32).reshape(1, 3, 1, 1),
        "bias": np.array([bias], np.float32),
        "channel": np.array([1], np.int64),
        "plane": np.array([1, 2], np.int64),
        "lift": np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32),
    }
    kernel = size // 7
    nodes = [
        helper.make_node("Cast", ["rgb"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[kernel] * 2, strides=[kernel] * 2),
        helper.make_node("Conv", ["pooled", "mix", "bias"], ["map"]),
        helper.make_node("Squeeze", ["map", "channel"], [cam_name]),
        helper.make_node("ReduceMean", [cam_name, "plane"], ["logit"], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
        helper.make_node("ReduceMean", ["planes", "both"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "lift"], ["embedding"]),
    ]
    weights["both"] = np.array([2, 3], np.int64)
    if trap is not None:
        nodes, more = _with_trap(nodes, trap)
        weights |= more
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("rgb", TensorProto.UINT8, [batch, size, size, 3])],
        [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, [batch]),
            helper.make_tensor_value_info(cam_name, TensorProto.FLOAT, [batch, 7, 7]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, 64]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _with_trap(nodes: list[Any], green: int) -> tuple[list[Any], dict[str, Any]]:
    """The same graph, but a batch with a photo of this green never ends: it counts to a million millions first."""
    weights = {
        "trap": np.array(green, np.float32), "every": np.array([0, 1, 2], np.int64), "start": np.array(0, np.int64),
        "many": np.array(10**12, np.int64), "go": np.array(True), "one": np.array(1, np.int64),
        "second": np.array(1, np.int64), "no": np.array(0, np.float32),
    }  # fmt: skip
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["running"], ["running_on"]),
            helper.make_node("Add", ["count", "one"], ["counted"]),
        ],
        "count",
        [
            helper.make_tensor_value_info("at", TensorProto.INT64, []),
            helper.make_tensor_value_info("running", TensorProto.BOOL, []),
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("running_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("counted", TensorProto.INT64, []),
        ],
    )
    before = [
        helper.make_node("Gather", ["float", "second"], ["green"], axis=3),
        helper.make_node("Equal", ["green", "trap"], ["trapped"]),
        helper.make_node("Cast", ["trapped"], ["trapped_one"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["trapped_one", "every"], ["any"], keepdims=0),
        helper.make_node("Mul", ["any", "many"], ["rounds"]),
        helper.make_node("Loop", ["rounds", "go", "start"], ["counts"], body=body),
        helper.make_node("Cast", ["counts"], ["counts_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["counts_float", "no"], ["nothing"]),
        helper.make_node("Add", ["unit_free", "nothing"], ["unit"]),
    ]
    head, rest = nodes[:2], nodes[2:]
    head[1] = helper.make_node("Mul", ["float", "scale"], ["unit_free"])
    return [*head, *before, *rest], weights


def _probability(engine: OnnxEngine, photo: Photo) -> float:
    batch: NDArray[np.uint8] = to_input(SPEC, photo)[None]
    return float(engine.infer(batch).probability[0])
