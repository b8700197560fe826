"""A network of integers as ONNX nodes, whichever integers a runtime wants.

Around each convolution stand Quantize and Dequantize nodes, which a runtime fuses with it into one that counts in
integers; a runtime that cannot computes the same in floating point.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.model import PIXELS_PER_UNIT
from trainer.quantize.simulate import Grid, branch_grid, integers_of, relu_grid, sum_grid
from trainer.quantize.writer import Layer, Value, Writer, geometry

# A step of the input is a byte's: a photo lies on integers from the start, and nothing is rounded.
PIXELS = Grid(127 / PIXELS_PER_UNIT, unsigned=False)

_NHWC = [0, 2, 3, 1]

Array = NDArray[Any]


class Int8(Writer):
    """Weights by channel, activations by tensor: between nodes stand integers."""

    def convolution(self, x: Value, layer: Layer, block: Any) -> Value:
        inputs = [self.read(x), self.weights(layer, x), self.bias(layer.name, layer.weighted)]
        y = self.graph.node("Conv", inputs, layer.name, **geometry(layer.weighted))
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
        grid = grid_of(x)
        inputs = [x.tensor, self.graph.constant(f"{x.tensor}.scale", grid.scale), self.zero(grid)]
        return self.graph.node("DequantizeLinear", inputs, f"{x.tensor}.read")

    def weights(self, layer: Layer, x: Value, arranged: Callable[[Array], Array] = lambda weights: weights) -> str:
        found, name = integers_of(layer.weighted, grid_of(x).scale), layer.name
        if found is None:
            return self.graph.constant(f"{name}.weight", arranged(layer.weighted.weight.detach().numpy()))
        values = arranged(found.values)
        scales = np.tile(found.scales, len(values) // len(found.scales))
        return self.graph.dequantized(values, scales, f"{name}.weight", axis=0)


def grid_of(x: Value) -> Grid:
    if x.grid is None:
        raise ValueError(f"{x.tensor} is no tensor of integers")
    return x.grid
