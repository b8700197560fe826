"""An ONNX graph, node by node."""

from typing import Any

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from worker.engines.port import CAM_SIDE, EMBEDDING_LENGTH

_IR_VERSION = 10  # the first with INT4


class Graph:
    """Under construction: what a method gives back is the name of a tensor."""

    def __init__(self) -> None:
        self._nodes: dict[str, onnx.NodeProto] = {}
        self._constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: NDArray[Any] | np.generic) -> str:
        """Stored once; the same name twice must mean the same."""
        self._constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """A node with one output of its own name; the same name twice must mean the same."""
        self._nodes[name] = self._nodes.get(name) or helper.make_node(operator, inputs, [name], name=name, **attributes)
        return name

    def reshaped(self, x: str, shape: list[int], name: str) -> str:
        """``shape`` as ONNX has it: 0 keeps a side, -1 takes what is left."""
        return self.node("Reshape", [x, self.constant(f"{name}.shape", np.array(shape, np.int64))], name)

    def transposed(self, x: str, order: list[int], name: str) -> str:
        return self.node("Transpose", [x], name, perm=order)

    def mean(self, x: str, axes: list[int], name: str) -> str:
        """Over axes that then are gone."""
        over = self.constant(f"axes.{axes}", np.array(axes, np.int64))
        return self.node("ReduceMean", [x, over], name, keepdims=0)

    def as_float32(self, x: str, name: str) -> str:
        return self.node("Cast", [x], name, to=TensorProto.FLOAT)

    def as_float16(self, x: str, name: str) -> str:
        return self.node("Cast", [x], name, to=TensorProto.FLOAT16)

    def dequantized(
        self, values: NDArray[np.int8], scales: NDArray[np.float32], name: str, *, axis: int, block_size: int = 0
    ) -> str:
        """Constant integers around 0 times their scales; by block they are of 4 bits, two in a byte."""
        stored = values.astype(ml_dtypes.int4) if block_size else values
        inputs = [self.constant(f"{name}.integers", stored), self.constant(f"{name}.scales", scales)]
        return self.node(
            "DequantizeLinear", inputs, name, axis=axis, **({"block_size": block_size} if block_size else {})
        )

    def model(self, size: int, opset: int) -> bytes:
        """The file; its inputs and outputs are those of the graph contract."""
        rgb = helper.make_tensor_value_info("rgb", TensorProto.UINT8, ["photos", size, size, 3])
        outputs = {"probability": [], "cam": [CAM_SIDE, CAM_SIDE], "embedding": [EMBEDDING_LENGTH]}
        said = [helper.make_tensor_value_info(o, TensorProto.FLOAT, ["photos", *s]) for o, s in outputs.items()]
        graph = helper.make_graph(list(self._nodes.values()), "pallor", [rgb], said, list(self._constants.values()))
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=_IR_VERSION)
        onnx.checker.check_model(proto, full_check=True)
        return bytes(proto.SerializeToString())
