"""One release in every precision: what ``trainer.cycle`` ships and what benchmarks compare."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.export import export_float32, fold_batch_norms, with_float16_weights
from trainer.model import Release
from trainer.quantize.aware import take_up_offset, tune
from trainer.quantize.pack import pack_int4, pack_int8
from trainer.quantize.report import NodeRow, node_rows
from trainer.quantize.scan import scan, too_coarse
from trainer.quantize.simulate import to_int4, to_int8
from trainer.quantize.tensorrt import pack_float16_for_tensorrt, pack_int8_for_tensorrt, to_float16
from trainer.recipe import Recipe

FP32, FP16, INT8, INT4 = "fp32", "fp16", "int8", "int4"
FP16_TENSORRT, INT8_TENSORRT = "fp16-trt", "int8-trt"
_BLOCK = 32  # input channels that share a scale of INT4
_SCANNED = 8  # photos that tell which layers INT4 hurts

Inputs = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Quantized:
    """ONNX files by precision, and of the quantized ones every node that has a weight."""

    files: Mapping[str, bytes]
    nodes: list[NodeRow]


def quantization_steps(recipe: Recipe, *, int4: bool = False) -> int:
    """How often ``quantize`` calls ``stepped``."""
    return recipe.quantization.aware_steps * (2 if int4 else 1)


def quantize(
    release: Release,
    inputs: Inputs,
    recipe: Recipe,
    *,
    int4: bool = False,
    stepped: Callable[[], None] = lambda: None,
) -> Quantized:
    """Make all files of a release.

    FP16 is stored in 16 bits and computed in 32, for CPUs; the file for TensorRT is computed in 16 bits, too. The two
    INT8 files share the weights that quantization-aware fine-tuning found for the first.

    Args:
        release: in evaluation mode; not changed.
        inputs: (n, S, S, 3), of the train side: ranges and fine-tuning come from these.
        int4: also the INT4 file, for research; no release carries it.
    """
    size, opset, how = recipe.preprocess.size, recipe.export.opset, recipe.quantization
    exact = fold_batch_norms(release)
    shown = inputs[np.random.default_rng(recipe.seed).permutation(len(inputs))[: how.photos]]
    whole = export_float32(release, size, opset)

    unsigned = copy.deepcopy(exact)
    to_int8(unsigned, shown, how.method, signed=False, float_layers=how.float_layers)
    tune(unsigned, exact, inputs, recipe, stepped)
    signed = _with_weights_of(unsigned, exact)
    to_int8(signed, shown, how.method, signed=True, float_layers=how.float_layers)
    for simulated in (unsigned, signed):
        take_up_offset(simulated, exact, shown)
    halved = copy.deepcopy(exact)
    to_float16(halved)

    files = {
        FP32: whole,
        FP16: with_float16_weights(whole),
        INT8: pack_int8(unsigned, size, opset),
        FP16_TENSORRT: pack_float16_for_tensorrt(halved, size, opset),
        INT8_TENSORRT: pack_int8_for_tensorrt(signed, size, opset),
    }
    nodes = [*node_rows(unsigned, INT8), *node_rows(signed, INT8_TENSORRT)]
    if int4:
        small = _to_int4_where_it_may(exact, shown, recipe)
        tune(small, exact, inputs, recipe, stepped)
        take_up_offset(small, exact, shown)
        files[INT4] = pack_int4(small, size, opset)
        nodes += node_rows(small, INT4)
    return Quantized(files, nodes)


def _to_int4_where_it_may(exact: Release, shown: Inputs, recipe: Recipe) -> Release:
    """A copy with INT4, but for layers that alone would move answers as far as a whole INT8 file may."""
    trial = copy.deepcopy(exact)
    to_int4(trial, shown, _BLOCK)
    kept = too_coarse(scan(trial, shown[:_SCANNED]), recipe.gate.max_mean_abs_dp)
    small = copy.deepcopy(exact)
    to_int4(small, shown, _BLOCK, kept)
    return small


def _with_weights_of(simulated: Release, exact: Release) -> Release:
    """A copy of the exact release whose weights are the simulated one's."""
    taken: dict[str, Any] = dict(simulated.named_parameters())
    plain = copy.deepcopy(exact)
    with torch.no_grad():
        for name, weights in plain.named_parameters():
            weights.copy_(taken[name])
    return plain
