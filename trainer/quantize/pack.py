"""A simulated release as the file that holds its integers: what quantization is for.

Around each convolution stand Quantize and Dequantize nodes, which a runtime fuses with it into one that counts in
integers; a runtime that cannot computes the same in floating point.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.model import PIXELS_PER_UNIT, Release
from trainer.quantize.simulate import Grid, Integers, Pointwise, branch_grid, integers_of, relu_grid, sum_grid
from trainer.quantize.writer import Layer, Value, Writer

_NCHW, _NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
# A step of the input is a byte's: a photo lies on integers from the start, and nothing is rounded.
_PIXELS = Grid(127 / PIXELS_PER_UNIT, unsigned=False)
_AT_ONCE = 4  # pixels of a row that the first convolution takes for one

Array = NDArray[Any]


def pack_int8(simulated: Release, size: int, opset: int) -> bytes:
    """For ONNX Runtime's CPU kernels, which want unsigned activations; from ``to_int8`` with ``signed=False``."""
    return _UnsignedInt8(simulated, size).write(opset)


def pack_int8_for_tensorrt(simulated: Release, size: int, opset: int) -> bytes:
    """For TensorRT, which wants signed activations around 0; from ``to_int8`` with ``signed=True``."""
    return _SignedInt8(simulated, size).write(opset)


def pack_int4(simulated: Release, size: int, opset: int) -> bytes:
    """Small weights, computed with in floating point; from ``to_int4``."""
    return _Int4(simulated, size).write(opset)


class _Int8(Writer):
    """Weights by channel, activations by tensor: between nodes stand integers."""

    def convolution(self, x: Value, layer: Layer, block: Any) -> Value:
        inputs = [self.read(x), self.weights(layer, x), self.bias(layer.name, layer.weighted)]
        y = self.graph.node("Conv", inputs, layer.name, **_geometry(layer.weighted))
        return (
            self.quantized(self.rectified(y), relu_grid(layer.relu))
            if layer.relu
            else self.quantized(y, branch_grid(block))
        )

    def sum(self, x: Value, y: Value, block: Any, name: str) -> Value:
        return self.quantized(self.graph.node("Add", [self.read(x), self.read(y)], name), sum_grid(block))

    def channels_last(self, x: Value, shape: list[int], name: str) -> str:
        turned = self.graph.transposed(x.tensor, _NHWC, f"{name}.last")
        return self.read(Value(self.graph.reshaped(turned, shape, name), x.grid))

    def classifier(self) -> str:
        return self.graph.constant("linear.weight", self.release.screen.linear.weight.detach().numpy().T)

    @abstractmethod
    def zero(self, grid: Grid) -> str:
        """The integer that is 0.0."""

    @abstractmethod
    def rectified(self, y: str) -> str:
        """What a ReLU6 leaves, as far as the limits of the grid behind it do not see to it."""

    def quantized(self, y: str, grid: Grid) -> Value:
        integers = f"{y}.integers"
        inputs = [y, self.graph.constant(f"{integers}.scale", grid.scale), self.zero(grid)]
        return Value(self.graph.node("QuantizeLinear", inputs, integers), grid)

    def read(self, x: Value) -> str:
        """In floating point."""
        grid = _grid_of(x)
        inputs = [x.tensor, self.graph.constant(f"{x.tensor}.scale", grid.scale), self.zero(grid)]
        return self.graph.node("DequantizeLinear", inputs, f"{x.tensor}.read")

    def weights(self, layer: Layer, x: Value, arranged: Callable[[Array], Array] = lambda weights: weights) -> str:
        found, name = integers_of(layer.weighted, _grid_of(x).scale), layer.name
        if found is None:
            return self.graph.constant(f"{name}.weight", arranged(layer.weighted.weight.detach().numpy()))
        values = arranged(found.values)
        scales = np.tile(found.scales, len(values) // len(found.scales))
        return self.graph.dequantized(values, scales, f"{name}.weight", axis=0)


class _UnsignedInt8(_Int8):
    def stem(self, layer: Layer) -> Value:
        """Four pixels of a row at once give two places of the output.

        ONNX Runtime has fast kernels for channels in fours only: on three colours this was the slowest layer of all.
        """
        graph, name, half = self.graph, layer.name, self.side // 2
        fours = graph.reshaped("rgb", [0, self.side, self.side // _AT_ONCE, 3 * _AT_ONCE], "rgb.fours")
        x = Value(graph.transposed(fours, _NCHW, "rgb.first"), _PIXELS)
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


class _SignedInt8(_Int8):
    def stem(self, layer: Layer) -> Value:
        return self.convolution(self.quantized(self.scaled_pixels(), _PIXELS), layer, None)

    def zero(self, grid: Grid) -> str:  # noqa: ARG002 (the unsigned ones need it)
        return self.graph.constant("zero", np.int8(0))

    def rectified(self, y: str) -> str:
        return self.graph.node("Relu", [y], f"{y}.relu")


class _Int4(Writer):
    """Weights of 1x1 convolutions and of the classifier by block, others by channel; activations are not touched."""

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
            y = graph.node("Conv", [x.tensor, weights, self.bias(name, weighted)], name, **_geometry(weighted))
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
        row = self._by_block(self.release.screen.linear, "linear.row")
        return self.graph.transposed(row, [1, 0], "linear.weight")

    def _by_block(self, linear: Any, name: str) -> str:
        found = _integers(linear)
        block = linear.weight_quantizer.block_sizes[-1]
        steps = self.graph.dequantized(found.values, found.scales, f"{name}.steps", axis=1, block_size=block)
        of_inputs = np.ones(1, np.float32) if found.of_inputs is None else found.of_inputs
        return self.graph.node("Mul", [steps, self.graph.constant(f"{name}.of_inputs", of_inputs)], name)


def _grid_of(x: Value) -> Grid:
    if x.grid is None:
        raise ValueError(f"{x.tensor} is no tensor of integers")
    return x.grid


def _integers(layer: Any) -> Integers:
    found = integers_of(layer)
    if found is None:
        raise ValueError("this layer was to be quantized, and is not")
    return found


def _geometry(convolution: Any) -> dict[str, Any]:
    (padding, _), kernel = convolution.padding, list(convolution.kernel_size)
    strides, group = list(convolution.stride), convolution.groups
    return {"kernel_shape": kernel, "strides": strides, "pads": [padding] * 4, "group": group}


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
