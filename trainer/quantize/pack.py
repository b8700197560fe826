"""A simulated release as the file that holds its integers: what quantization is for.

Here are ONNX Runtime's INT8 and the INT4 of research; ``tensorrt.py`` writes what GPUs are given.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.model import Release
from trainer.quantize.int8 import PIXELS, Int8
from trainer.quantize.simulate import Grid, Integers, Pointwise, integers_of, relu_grid
from trainer.quantize.writer import Layer, Value, Writer, geometry

_NCHW, _NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_AT_ONCE = 4  # pixels of a row that the first convolution takes for one

Array = NDArray[Any]


def pack_int8(simulated: Release, size: int, opset: int) -> bytes:
    """For ONNX Runtime's CPU kernels, which want unsigned activations; from ``to_int8`` with ``signed=False``."""
    return _UnsignedInt8(simulated, size).write(opset)


def pack_int4(simulated: Release, size: int, opset: int) -> bytes:
    """Small weights, computed with in floating point; from ``to_int4``."""
    return _Int4(simulated, size).write(opset)


class _UnsignedInt8(Int8):
    def stem(self, layer: Layer) -> Value:
        """Four pixels of a row at once give two places of the output.

        ONNX Runtime has fast kernels for channels in fours only: on three colours this was the slowest layer of all.
        """
        graph, name, half = self.graph, layer.name, self.side // 2
        fours = graph.reshaped("rgb", [0, self.side, self.side // _AT_ONCE, 3 * _AT_ONCE], "rgb.fours")
        x = Value(graph.transposed(fours, _NCHW, "rgb.first"), PIXELS)
        bias = graph.constant(f"{name}.bias", np.tile(layer.weighted.bias.detach().numpy(), 2))
        inputs = [self.read(x), self.weights(layer, x, _for_four_pixels), bias]
        y = graph.node("Conv", inputs, name, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 0, 0])
        pairs = self.quantized(self.rectified(y), relu_grid(layer.relu))
        places = graph.reshaped(
            graph.transposed(pairs.tensor, _NHWC, f"{name}.pairs"), [0, half, half, -1], f"{name}.last"
        )
        return Value(graph.transposed(places, _NCHW, f"{name}.first"), pairs.grid)

    def zero(self, grid: Grid) -> str:
        return self.graph.constant("lowest" if grid.unsigned else "middle", np.uint8(0 if grid.unsigned else 128))

    def rectified(self, y: str) -> str:
        return y


class _Int4(Writer):
    """Weights of 1x1 convolutions and of the classifier by block, of others by channel; activations are not touched.

    Which layers are others, ``to_int4`` was told.
    """

    def stem(self, layer: Layer) -> Value:
        return self.convolution(Value(self.scaled_pixels()), layer, None)

    def convolution(self, x: Value, layer: Layer, block: Any) -> Value:  # noqa: ARG002 (the others need it)
        graph, name, weighted = self.graph, layer.name, layer.weighted
        if isinstance(weighted, Pointwise):
            inputs, outputs = weighted.linear.in_features, weighted.linear.out_features
            matrix = self._by_block(weighted.linear, f"{name}.matrix")
            weights = graph.reshaped(matrix, [outputs, inputs, 1, 1], f"{name}.weight")
            y = graph.node("Conv", [x.tensor, weights, self.bias(name, weighted.linear)], name)
        else:
            found = _integers(weighted)
            weights = graph.dequantized(found.values, found.scales, f"{name}.weight", axis=0)
            y = graph.node("Conv", [x.tensor, weights, self.bias(name, weighted)], name, **geometry(weighted))
        if layer.relu:
            y = graph.node(
                "Clip", [y, graph.constant("0", np.float32(0)), graph.constant("6", np.float32(6))], f"{y}.relu6"
            )
        return Value(y)

    def sum(self, x: Value, y: Value, block: Any, name: str) -> Value:  # noqa: ARG002 (the others need it)
        return Value(self.graph.node("Add", [x.tensor, y.tensor], name))

    def channels_last(self, x: Value, shape: list[int], name: str) -> str:
        return self.graph.reshaped(self.graph.transposed(x.tensor, _NHWC, f"{name}.last"), shape, name)

    def classifier(self) -> str:
        if integers_of(self.release.screen.linear) is None:
            return super().classifier()
        row = self._by_block(self.release.screen.linear, "linear.row")
        return self.graph.transposed(row, [1, 0], "linear.weight")

    def _by_block(self, linear: Any, name: str) -> str:
        found = _integers(linear)
        block = linear.weight_quantizer.block_sizes[-1]
        steps = self.graph.dequantized(found.values, found.scales, f"{name}.steps", axis=1, block_size=block)
        of_inputs = np.ones(1, np.float32) if found.of_inputs is None else found.of_inputs
        return self.graph.node("Mul", [steps, self.graph.constant(f"{name}.of_inputs", of_inputs)], name)


def _integers(layer: Any) -> Integers:
    found = integers_of(layer)
    if found is None:
        raise ValueError("this layer was to be quantized, and is not")
    return found


def _for_four_pixels(kernels: Array) -> Array:
    """(C, 3, 3, 3) of stride 2 -> (2C, 12, 3, 2) of stride (2, 1), the same sums.

    Place 2k of a row needs the pixels 4k-1, 4k, 4k+1, the place after it 4k+1, 4k+2, 4k+3: all lie in two groups of
    four, the one before and its own.
    """
    channels, colours, high, _ = kernels.shape
    wide = np.zeros((2, channels, 2, _AT_ONCE, colours, high), kernels.dtype)
    for place in range(2):
        for column in range(3):
            group, pixel = divmod(_AT_ONCE + 2 * place + column - 1, _AT_ONCE)
            wide[place, :, group, pixel] = kernels[..., column]
    return wide.reshape(2 * channels, 2, _AT_ONCE * colours, high).transpose(0, 2, 3, 1)
