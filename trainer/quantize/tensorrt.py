"""The files for GPUs, as TensorRT wants them: every type is spelled out, for it computes what the graph says.

It moves no bytes about, so a photo is cast before it is turned; and on SM75 it multiplies matrices in 16 bits only, so
here it does so everywhere.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainer.model import Release
from trainer.quantize.int8 import PIXELS, Int8
from trainer.quantize.simulate import Grid
from trainer.quantize.writer import Layer, Value, Writer, geometry


def pack_int8_for_tensorrt(simulated: Release, size: int, opset: int) -> bytes:
    """Signed activations around 0; from ``to_int8`` with ``signed=True``."""
    return _SignedInt8(simulated, size).write(opset)


def pack_float16_for_tensorrt(rounded: Release, size: int, opset: int) -> bytes:
    """Computed in 16 bits throughout, but for sums of squares and what is said; from ``to_float16``."""
    return _Float16(rounded, size).write(opset)


def to_float16(folded: Release) -> None:
    """Round a release's convolutions, in place, to numbers of 16 bits that leave each kernel its sum.

    The first depthwise convolution has kernels that add up to nearly nothing. Rounded one by one they no longer do, and
    what they answer to an even ground is an error that all later layers see: it moved probabilities by up to 0.08.
    """
    with torch.no_grad():
        for layer in folded.screen.features.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(torch.from_numpy(_keeping_sums(layer.weight.detach().numpy())))
                if layer.bias is not None:
                    layer.bias.copy_(layer.bias.half())


def _keeping_sums(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C, D, H, W) of 16 bits. What rounding adds to a kernel, its smallest number takes back: its steps are finest."""
    exact = kernels.reshape(*kernels.shape[:2], -1).astype(np.float64)
    rounded = exact.astype(np.float16).astype(np.float64)
    smallest = np.abs(exact).argmin(axis=2, keepdims=True)
    added = (rounded - exact).sum(axis=2, keepdims=True)
    corrected = np.take_along_axis(rounded, smallest, axis=2) - added
    np.put_along_axis(rounded, smallest, corrected.astype(np.float16), axis=2)
    return rounded.reshape(kernels.shape).astype(np.float32)


class _ForTensorRt(Writer):
    def product(self, x: str, matrix: str, name: str) -> str:
        graph = self.graph
        halves = [graph.as_float16(one, f"{name}.{one}.float16") for one in (x, matrix)]
        return graph.as_float32(graph.node("MatMul", halves, f"{name}.float16"), name)


class _SignedInt8(_ForTensorRt, Int8):
    def stem(self, layer: Layer) -> Value:
        return self.convolution(self.quantized(self.scaled_pixels(), PIXELS), layer, None)

    def zero(self, grid: Grid) -> str:  # noqa: ARG002 (the unsigned ones need it)
        return self.graph.constant("zero", np.int8(0))

    def rectified(self, y: str) -> str:
        return self.graph.node("Relu", [y], f"{y}.relu")


class _Float16(_ForTensorRt):
    def stem(self, layer: Layer) -> Value:
        return self.convolution(Value(self.scaled(self.graph.as_float16("rgb", "pixels"), np.float16)), layer, None)

    def convolution(self, x: Value, layer: Layer, block: Any) -> Value:  # noqa: ARG002 (the others need it)
        graph, name, weighted = self.graph, layer.name, layer.weighted
        weights, bias = (
            graph.constant(f"{name}.{part}", getattr(weighted, part).detach().numpy().astype(np.float16))
            for part in ("weight", "bias")
        )
        y = graph.node("Conv", [x.tensor, weights, bias], name, **geometry(weighted))
        if layer.relu:
            limits = [graph.constant(str(limit), np.float16(limit)) for limit in (0, 6)]
            y = graph.node("Clip", [y, *limits], f"{y}.relu6")
        return Value(y)

    def sum(self, x: Value, y: Value, block: Any, name: str) -> Value:  # noqa: ARG002 (the others need it)
        return Value(self.graph.node("Add", [x.tensor, y.tensor], name))

    def channels_last(self, x: Value, shape: list[int], name: str) -> str:
        graph = self.graph
        turned = graph.transposed(graph.as_float32(x.tensor, f"{name}.float32"), [0, 2, 3, 1], f"{name}.last")
        return graph.reshaped(turned, shape, name)
