"""A trained network as the ONNX file that every runtime serves: batch norms folded, weights of float32 or float16.

Weights of float16 are cast back at load, so any runtime computes in float32 unless it chooses otherwise. Files of
integers are made by ``trainer.quantize``.
"""

import copy
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pallor.digest import sha256_of
from trainer.model import Release
from worker.engines.onnx import OnnxEngine
from worker.engines.port import Answers, Engine

OUTPUTS = ("probability", "cam", "embedding")
# Weight matrices and kernels; biases and scalars stay float32: they cost nothing.
_WORTH_HALVING = 1024
_LARGEST_FLOAT16 = 65504.0


def export(release: Release, size: int, opset: int) -> bytes:
    """The file with float16 weights; N is free, the side is fixed to ``size``."""
    return with_float16_weights(export_float32(release, size, opset))


def export_float32(release: Release, size: int, opset: int) -> bytes:
    """The file that all others are measured against."""
    folded = fold_batch_norms(release)
    for layer in folded.modules():
        if isinstance(layer, nn.ReLU6):
            layer.inplace = False  # the exporter takes twice as long to see that the graph is the same
    with warnings.catch_warnings():  # the exporter warns about its own internals
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            folded,
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            dynamo=True,
            input_names=["rgb"],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("photos", min=1, max=4096)},),
            opset_version=opset,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    return _checked(program.model_proto)


def fold_batch_norms(release: Release) -> Release:
    """A copy in evaluation mode whose batch norms are part of the convolutions before them: the same function."""
    folded = copy.deepcopy(release).eval()
    for block in folded.modules():
        if not isinstance(block, nn.Sequential):
            continue
        for at in range(len(block) - 1):
            convolution, norm = block[at], block[at + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[at], block[at + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return folded


def with_float16_weights(model: bytes) -> bytes:
    """Store the large float32 tensors as float16, each behind a Cast to float32."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _WORTH_HALVING:
            kept.append(tensor)
            continue
        if float(np.abs(values).max()) > _LARGEST_FLOAT16:
            raise ValueError(f"{tensor.name} does not fit float16")
        halved = f"{tensor.name}.float16"
        kept.append(numpy_helper.from_array(values.astype(np.float16), halved))
        casts.append(
            helper.make_node("Cast", [halved], [tensor.name], name=f"{tensor.name}.cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    return _checked(proto)


def serve(model: bytes, size: int, precision: str = "fp16") -> OnnxEngine:
    """The file in the engine that will serve it, which also checks the graph contract: what others are held to."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        return OnnxEngine(path, digest=sha256_of(model), precision=precision, size=size)


def ask(engine: Engine, inputs: NDArray[np.uint8], batch: int = 32) -> Answers:
    """What an engine says of (n, S, S, 3), some photos at a time."""
    return _joined([engine.infer(inputs[at : at + batch]) for at in range(0, len(inputs), batch)])


def ask_torch(release: Release, inputs: NDArray[np.uint8], batch: int = 32) -> Answers:
    """What torch says of the same photos, in float32."""
    release.eval()
    with torch.inference_mode():
        parts = [release(torch.from_numpy(inputs[at : at + batch])) for at in range(0, len(inputs), batch)]
    return _joined([Answers(*(output.numpy() for output in part)) for part in parts])


@dataclass(frozen=True)
class Parity:
    """Largest distance between two runtimes over ``photos`` photos: of the probability, and relative of the rest."""

    photos: int
    max_abs_dp: float
    max_cam_error: float
    max_embedding_error: float


def compare(ours: Answers, reference: Answers) -> Parity:
    """Errors of ``cam`` and ``embedding`` are relative to the reference's largest value."""

    def relative(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-12))

    return Parity(
        photos=len(reference.probability),
        max_abs_dp=float(np.abs(ours.probability - reference.probability).max()),
        max_cam_error=relative(ours.cam, reference.cam),
        max_embedding_error=relative(ours.embedding, reference.embedding),
    )


def _checked(proto: onnx.ModelProto) -> bytes:
    """Valid, and without what the exporter leaves in it: Python stack traces, with paths of this machine."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
    del graph.value_info[:]
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def _joined(parts: list[Answers]) -> Answers:
    return Answers(
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.cam for part in parts]),
        np.concatenate([part.embedding for part in parts]),
    )
