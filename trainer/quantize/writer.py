"""The network as ONNX nodes, from pixels to outputs; what becomes of its numbers, ``Writer``'s children say."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from trainer.model import PIXELS_PER_UNIT, TEXTURE, TEXTURE_BLOCK, TEXTURE_POOL, ZERO_PIXEL, Release, onto_cam
from trainer.quantize.graph import Graph
from trainer.quantize.simulate import Grid
from worker.engines.port import CAM_SIDE


@dataclass(frozen=True)
class Value:
    """A tensor (N, C, H, W) by its name: of integers on a grid, or of floating point."""

    tensor: str
    grid: Grid | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution, by torchvision's name, and the ReLU6 behind it, if any."""

    name: str
    weighted: Any
    relu: nn.Module | None


def layers_of(block: Any, name: str) -> Iterator[Layer]:
    """The convolutions of ``Screen.features[i]``, in the order of the flow; batch norms must be folded."""
    if hasattr(block, "use_res_connect"):
        block, name = block.conv, f"{name}.conv"
    children = list(block.named_children())
    if isinstance(children[-1][1], nn.ReLU6):
        yield Layer(f"{name}.0", children[0][1], children[-1][1])
        return
    for at, child in children:
        if isinstance(child, nn.Sequential):
            yield from layers_of(child, f"{name}.{at}")
        elif not isinstance(child, nn.Identity):
            yield Layer(f"{name}.{at}", child, None)


def geometry(convolution: Any) -> dict[str, Any]:
    """A convolution's attributes in ONNX."""
    (padding, _), kernel = convolution.padding, list(convolution.kernel_size)
    strides, group = list(convolution.stride), convolution.groups
    return {"kernel_shape": kernel, "strides": strides, "pads": [padding] * 4, "group": group}


class Writer(ABC):
    """Writes one file.

    Args:
        simulated: a release as ``trainer.quantize.simulate`` left it.
        size: side of the input, pixels.
    """

    def __init__(self, simulated: Release, size: int) -> None:
        self.release, self.side, self.graph = simulated, size, Graph()

    def write(self, opset: int) -> bytes:
        features = self.release.screen.features
        stem, *blocks, last = features
        x = early = self.stem(next(layers_of(stem, "features.0")))
        for at, block in enumerate(blocks, 1):
            x = self._inverted_residual(x, block, f"features.{at}")
            if at == TEXTURE_BLOCK:
                early = x
        x = self.convolution(x, next(layers_of(last, f"features.{len(features) - 1}")), None)
        self._head(x, early)
        return self.graph.model(self.side, opset)

    @abstractmethod
    def stem(self, layer: Layer) -> Value:
        """From ``rgb`` to what the first ReLU6 gives."""

    @abstractmethod
    def convolution(self, x: Value, layer: Layer, block: Any) -> Value:
        """And its ReLU6; ``block`` is the inverted residual that it belongs to, if any."""

    @abstractmethod
    def sum(self, x: Value, y: Value, block: Any, name: str) -> Value:
        """Of what goes around an inverted residual and what goes through it."""

    @abstractmethod
    def channels_last(self, x: Value, shape: list[int], name: str) -> str:
        """Turned to (N, H, W, C), then reshaped, float32."""

    def classifier(self) -> str:
        """(1304, 1), float32."""
        return self.graph.constant("linear.weight", self.release.screen.linear.weight.detach().numpy().T)

    def bias(self, name: str, weighted: Any) -> str:
        return self.graph.constant(f"{name}.bias", weighted.bias.detach().numpy())

    def product(self, x: str, matrix: str, name: str) -> str:
        """(..., K) times (K, M); float32 in and out."""
        return self.graph.node("MatMul", [x, matrix], name)

    def scaled_pixels(self) -> str:
        """(N, 3, S, S), as every network here sees them; cast before they are turned, for TensorRT turns no bytes."""
        return self.scaled(self.graph.as_float32("rgb", "pixels"), np.float32)

    def scaled(self, pixels: str, number: type[np.floating[Any]]) -> str:
        graph = self.graph
        first = graph.transposed(pixels, [0, 3, 1, 2], "pixels.first")
        centred = graph.node("Sub", [first, graph.constant("neutral", number(ZERO_PIXEL))], "centred")
        return graph.node("Div", [centred, graph.constant("unit", number(PIXELS_PER_UNIT))], "scaled")

    def _inverted_residual(self, x: Value, block: Any, name: str) -> Value:
        y = x
        for layer in layers_of(block, name):
            y = self.convolution(y, layer, block)
        return self.sum(x, y, block, f"{name}.sum") if block.use_res_connect else y

    def _head(self, deep: Value, early: Value) -> None:
        """As ``Release.forward``, place by place with the channels last, as integer kernels leave them."""
        graph, head, coarse = self.graph, self.release.screen.linear, self.side // 32
        last = self.channels_last(deep, [0, coarse**2, -1], "deep")
        maps = graph.node("Concat", [last, self._energy(early, coarse)], "maps", axis=2)
        logits = self.product(maps, self.classifier(), "linear")
        biased = graph.node("Add", [logits, graph.constant("linear.bias", head.bias.detach().numpy())], "biased")
        temperature = graph.constant("temperature", np.float32(self.release.temperature))
        cooled = graph.node("Div", [biased, temperature], "cooled")
        if coarse != CAM_SIDE:
            places = graph.reshaped(cooled, [0, coarse**2], "places")
            cooled = graph.node("MatMul", [places, graph.constant("onto_cam", onto_cam(coarse))], "tiles")
        cam = graph.reshaped(cooled, [0, CAM_SIDE, CAM_SIDE], "cam")
        graph.node("Sigmoid", [graph.mean(cam, [1, 2], "logit")], "probability")
        projection = graph.constant("projection.float16", self.release.projection.numpy().astype(np.float16))
        self.product(graph.mean(maps, [1], "pooled"), graph.as_float32(projection, "projection"), "embedding")

    def _energy(self, early: Value, coarse: int) -> str:
        """(N, places, 24). A mean over rows, then one over columns: both add whole runs of memory."""
        graph = self.graph
        values = self.channels_last(early, [-1, TEXTURE_POOL, coarse * TEXTURE_POOL * TEXTURE], "early")
        rows = graph.mean(graph.node("Mul", [values, values], "squares"), [1], "rows")
        means = graph.mean(graph.reshaped(rows, [-1, TEXTURE_POOL, TEXTURE], "columns"), [1], "energy")
        return graph.reshaped(means, [-1, coarse**2, TEXTURE], "texture")
