"""modelopt chooses the ranges and simulates the integers. The only module that knows modelopt.

It is told where ONNX Runtime wants an activation as integers: behind every ReLU6, every linear bottleneck and every
sum. So the simulated network computes what the file of integers computes, but for the order in which it adds.
"""

import io
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual

from trainer.model import Release

logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it looks for CUDA, and says so
with warnings.catch_warnings():  # about libraries that modelopt could use, too
    warnings.simplefilter("ignore")
    import modelopt.torch.quantization as mtq
    from modelopt.torch.quantization.config import QuantizerAttributeConfig
    from modelopt.torch.quantization.nn import QuantModule, TensorQuantizer

METHODS = ("max", "entropy", "percentile")
_PERCENTILE = 99.99
_ENTROPY_STRIDE = 16  # of the search over the 2048 bins of a histogram; with modelopt's 1 it takes ten minutes
_ALPHA_STEP = 0.1  # of AWQ's search, modelopt's own
_BATCH = 16
_INT32 = 2.0**30  # half of what a bias may be, counted in steps of input and weights

Inputs = NDArray[np.uint8]


@dataclass(frozen=True)
class Grid:
    """Where an activation may lie: on 256 steps from 0 to ``amax``, or on 255 from ``-amax`` to ``amax``."""

    amax: float
    unsigned: bool

    @property
    def scale(self) -> np.float32:
        return np.float32(self.amax / (255 if self.unsigned else 127))


@dataclass(frozen=True, eq=False)
class Integers:
    """A layer's weights: ``values * scales``, and of 4 bits ``* of_inputs``.

    Attributes:
        values: int8, in the shape of the weights; of 4 bits -8 to 7.
        scales: float32, (outputs,), or for blocks of input channels (outputs, blocks).
        bits: 8 or 4.
        of_inputs: (inputs,), by which AWQ makes some input channels finer than others.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    bits: int
    of_inputs: NDArray[np.float32] | None = None


class Pointwise(nn.Module):
    """A 1x1 convolution as the linear layer that it is, for AWQ knows no other."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.linear = nn.Linear(convolution.in_channels, convolution.out_channels)
        self.linear.weight.data = convolution.weight.data[:, :, 0, 0]
        if convolution.bias is not None:
            self.linear.bias.data = convolution.bias.data

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y


def to_int8(folded: Release, photos: Inputs, method: str, *, signed: bool, float_layers: Sequence[str] = ()) -> None:
    """Let a release compute as with INT8: weights by channel, activations by tensor.

    Args:
        folded: without batch norms; changed in place.
        photos: (n, S, S, 3), what the ranges are taken from.
        method: of ``METHODS``, for activations; the range of weights is their largest.
        signed: what a ReLU6 gives lies on the positive half of signed integers, as TensorRT wants it.
        float_layers: convolutions that keep their weights, by torchvision's names.
    """
    activations = {"num_bits": 8, "axis": None}
    config: list[dict[str, Any]] = [
        {"quantizer_name": "*", "enable": False},
        {"quantizer_name": "*features.*weight_quantizer", "cfg": {"num_bits": 8, "axis": 0}},
        {"quantizer_name": "*relu_quantizer", "cfg": {**activations, "unsigned": not signed}},
        {"quantizer_name": "*branch_quantizer", "cfg": activations},
        {"quantizer_name": "*sum_quantizer", "cfg": activations},
        *({"quantizer_name": f"*features.{name}.weight_quantizer", "enable": False} for name in float_layers),
    ]
    _quantize(folded, config, "max", photos)
    if method != "max":
        _take_ranges_anew(folded, photos, method)


def to_int4(folded: Release, photos: Inputs, block: int, kept: Collection[str] = ()) -> None:
    """Let a release compute as with weights of INT4 in 1x1 convolutions and the classifier, of INT8 elsewhere.

    Args:
        folded: without batch norms; changed in place, its 1x1 convolutions become ``Pointwise``.
        photos: (n, S, S, 3), by which AWQ sees which input channels matter.
        block: input channels that share a scale.
        kept: layers, by torchvision's names, that 4 bits would harm too much: convolutions have INT8 instead, the
            classifier stays as it is.
    """
    _make_pointwise(folded.screen, kept)
    config: list[dict[str, Any]] = [
        {"quantizer_name": "*", "enable": False},
        {"quantizer_name": "*features.*weight_quantizer", "cfg": {"num_bits": 8, "axis": 0}},
        {
            "quantizer_name": "*linear.weight_quantizer",
            "cfg": {"num_bits": 4, "block_sizes": {-1: block, "type": "static"}},
        },
    ]
    if "linear" in kept:
        config.append({"quantizer_name": "*screen.linear.weight_quantizer", "enable": False})
    _quantize(folded, config, {"method": "awq_lite", "alpha_step": _ALPHA_STEP}, photos)


def relu_grid(relu: Any) -> Grid:
    """Of what a ReLU6 gives."""
    return _grid(relu.relu_quantizer)


def branch_grid(block: Any) -> Grid:
    """Of what an inverted residual's last convolution gives."""
    return _grid(block.branch_quantizer)


def sum_grid(block: Any) -> Grid:
    """Of what an inverted residual with a sum gives."""
    return _grid(block.sum_quantizer)


def integers_of(layer: Any, input_scale: np.float32 | None = None) -> Integers | None:
    """A convolution's or linear layer's weights; None where they stay as they are.

    Args:
        input_scale: of the integers that come in, if any: the weights' steps are then at least so large that a bias
            fits into INT32 (a channel that is dead but for its bias has no step of its own).
    """
    quantizer = layer.weight_quantizer
    if not quantizer.is_enabled:
        return None
    weights: NDArray[np.float32] = layer.weight.detach().numpy()
    most = 2 ** (quantizer.num_bits - 1) - 1
    amax = quantizer.amax.detach().numpy()
    if quantizer.block_sizes:
        block = quantizer.block_sizes[-1]
        scales = (amax.reshape(len(weights), -1) / most).astype(np.float32)
        scales[scales == 0] = 1
        spread = np.repeat(scales, block, axis=1)[:, : weights.shape[1]]
        of_inputs = layer.input_quantizer.pre_quant_scale.detach().numpy()
        values = np.clip(np.rint(weights / spread), -most - 1, most).astype(np.int8)
        return Integers(values, scales, quantizer.num_bits, of_inputs.astype(np.float32).reshape(-1))
    scales = (amax.reshape(-1) / most).astype(np.float32)
    if input_scale is not None and layer.bias is not None:
        scales = np.maximum(scales, np.abs(layer.bias.detach().numpy()) / np.float32(input_scale * _INT32))
    scales[scales == 0] = 1
    spread = scales.reshape(-1, *[1] * (weights.ndim - 1))
    values = np.clip(np.rint(weights / spread), -most - 1, most).astype(np.int8)
    return Integers(values, scales, quantizer.num_bits)


def quantizers_of(simulated: nn.Module) -> dict[str, Any]:
    """Those that are at work, by name."""
    named = simulated.named_modules()
    return {name: one for name, one in named if isinstance(one, TensorQuantizer) and one.is_enabled}


@contextmanager
def only(quantizers: Sequence[Any], among: Sequence[Any]) -> Iterator[None]:
    """For a while the others compute with full precision."""
    others = [one for one in among if one not in quantizers]
    for one in others:
        one.disable()
    try:
        yield
    finally:
        for one in others:
            one.enable()


def weight_ranges(network: nn.Module, names: Sequence[str], block: int) -> dict[str, dict[str, tuple[float, float]]]:
    """The least and largest ``amax`` that modelopt gives a layer's weights, as the seed paper's table V has them.

    Args:
        network: any with convolutions; not changed.
        names: of convolutions.
        block: weights along the last axis that share a scale of INT4.

    Returns:
        By name: ``int8_per_axis`` and ``int4_block_wise``, each (least, largest).
    """
    kinds: dict[str, dict[str, Any]] = {
        "int8_per_axis": {"num_bits": 8, "axis": 0},
        "int4_block_wise": {"num_bits": 4, "block_sizes": {-1: block, "type": "static"}},
    }
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name in names:
        layer: Any = network.get_submodule(name)
        weights = layer.weight.detach()
        found[name] = {}
        for kind, config in kinds.items():
            quantizer = TensorQuantizer(QuantizerAttributeConfig(**config))
            quantizer.disable_quant()
            quantizer.enable_calib()
            quantizer(weights)
            quantizer.load_calib_amax()
            found[name][kind] = (float(quantizer.amax.min()), float(quantizer.amax.max()))
    return found


class _QuantizedReLU6(QuantModule):  # type: ignore[misc]  # modelopt has no types
    def _setup(self) -> None:
        self._register_temp_attribute("relu_quantizer", TensorQuantizer())

    def forward(self, x: Tensor) -> Tensor:
        return self.relu_quantizer(super().forward(x))  # type: ignore[no-any-return]


class _QuantizedInvertedResidual(QuantModule):  # type: ignore[misc]
    def _setup(self) -> None:
        self._register_temp_attribute("branch_quantizer", TensorQuantizer())
        if self.use_res_connect:
            self._register_temp_attribute("sum_quantizer", TensorQuantizer())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch_quantizer(self.conv(x))
        joined: Tensor = self.sum_quantizer(x + y) if self.use_res_connect else y
        return joined


mtq.register(nn.ReLU6, _QuantizedReLU6)
mtq.register(InvertedResidual, _QuantizedInvertedResidual)


def _quantize(folded: Release, config: list[dict[str, Any]], algorithm: Any, photos: Inputs) -> None:
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():  # modelopt tells what it does
        warnings.simplefilter("ignore")
        mtq.quantize(folded, {"quant_cfg": config, "algorithm": algorithm}, _showing(photos))


def _showing(photos: Inputs) -> Callable[[nn.Module], None]:
    def show(release: Any) -> None:
        with torch.inference_mode():
            for at in range(0, len(photos), _BATCH):
                release.screen(torch.from_numpy(photos[at : at + _BATCH]))

    return show


def _take_ranges_anew(simulated: Release, photos: Inputs, method: str) -> None:
    how = {"percentile": _PERCENTILE} if method == "percentile" else {"stride": _ENTROPY_STRIDE}
    activations = [one for name, one in quantizers_of(simulated).items() if not name.endswith("weight_quantizer")]
    for one in activations:
        one.set_from_attribute_config({"calibrator": "histogram"})
        one.disable_quant()
        one.enable_calib()
    _showing(photos)(simulated)
    for one in activations:
        one.load_calib_amax(method, **how)
        one.disable_calib()
        one.enable_quant()


def _make_pointwise(screen: nn.Module, kept: Collection[str]) -> None:
    for name, layer in list(screen.named_modules()):
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and name not in kept:
            screen.set_submodule(name, Pointwise(layer))


def _grid(quantizer: Any) -> Grid:
    return Grid(float(quantizer.amax), bool(quantizer.unsigned))
