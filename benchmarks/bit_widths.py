"""Tables IV to VI of the seed paper: one model in every bit width, as published and ours on the test side.

Cruz Romero and Lugo Beauchamp, "Performance Analysis of Post-Training Quantization for CNN-based Conjunctival Pallor
Anemia Detection": the figures under ``PUBLISHED`` are theirs, copied, and were measured with twins on both sides.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score

from benchmarks.quantization import make, write_files
from pallor.clock import SystemClock
from trainer.data.photos import Photos
from trainer.data.split import Fold, fixed_sides
from trainer.export import ask, fold_batch_norms, serve
from trainer.metrics import auroc
from trainer.model import Base, Release, Screen
from trainer.progress import Bars
from trainer.quantize.judge import time_files
from trainer.quantize.simulate import weight_ranges
from trainer.recipe import Recipe
from trainer.steps import Steps

_BLOCK = 128  # of the paper's INT4_AWQ_CFG
MEASURES = ("loss", "accuracy", "precision", "recall", "f1", "auroc", "size_ratio", "time_ratio")
_SIZES_MB = {"fp32": 9.13, "fp16": 4.61, "int8": 9.24, "int4": 17.75}
_TIMES_MS = {"fp32": 48.6, "fp16": 37.4, "int8": 91.9, "int4": 49.5}
_TABLE_IV = {
    "fp32": (0.2141, 0.9313, 0.9374, 0.9500, 0.9428, 0.9657),
    "fp16": (0.2149, 0.9250, 0.9370, 0.9400, 0.9377, 0.9654),
    "int8": (0.7441, 0.7125, 0.7697, 0.7519, 0.7607, 0.9005),
    "int4": (2.3136, 0.4313, 0.2000, 0.0100, 0.0196, 0.6387),
}
PUBLISHED: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        width: dict(zip(MEASURES[:6], row, strict=True))
        | {
            "size_ratio": round(_SIZES_MB[width] / _SIZES_MB["fp32"], 3),
            "time_ratio": round(_TIMES_MS[width] / _TIMES_MS["fp32"], 3),
        }
        for width, row in _TABLE_IV.items()
    }
)
PUBLISHED_RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(  # table V, amax
    {
        "features.0.0": {"int8": (0.0039, 1.4840), "int4": (0.0005, 1.4840)},
        "features.1.conv.0.0": {"int8": (0.0036, 2.6928), "int4": (0.0014, 2.6928)},
        "features.10.conv.1.0": {"int8": (0.0103, 0.6126), "int4": (0.0035, 0.5219)},
    }
)


def judge_bit_widths(photos: Photos, base: Base, recipe: Recipe, run: Path, bars: Bars) -> dict[str, Any]:
    """Fine-tune, calibrate and quantize one model as a release is, and judge each file on the test side.

    A ``run`` of ``benchmarks.quantization`` holds that model already.
    """
    fold = fixed_sides(photos)
    made = run / "cp_anemic" / "files"
    if not made.is_dir():
        made = Steps(run, SystemClock()).step("bit_widths", partial(_make, photos, fold, base, recipe, bars)) / "files"
    anaemic, judged = photos.anaemic[fold.test], photos.inputs[fold.test]
    figures: dict[str, Any] = {
        "test_side.rows": len(fold.test),
        "test_side.photographs": len(set(photos.groups[fold.test].tolist())),
    }
    models = {width: (made / f"{width}.onnx").read_bytes() for width in PUBLISHED}
    times = time_files(models, recipe.preprocess.size, batches=(1,))
    for width, model in models.items():
        said = ask(serve(model, recipe.preprocess.size, width), judged).probability.astype(np.float64)
        figures |= {f"test_side.{width}.{name}": value for name, value in _table_iv(anaemic, said).items()}
        figures[f"test_side.{width}.size_ratio"] = len(model) / len(models["fp32"])
        figures[f"test_side.{width}.time_ratio"] = times[width][1] / times["fp32"][1]
    return figures | _table_v(base)


def _make(photos: Photos, fold: Fold, base: Base, recipe: Recipe, bars: Bars, at: Path) -> None:
    write_files(make(photos, fold, base, recipe, at, bars), at, bars)


def _table_iv(anaemic: NDArray[np.bool_], said: NDArray[np.float64]) -> dict[str, float | None]:
    """At a cut-off of 0.5, as the paper has it."""
    called = said >= 0.5
    return {
        "loss": float(log_loss(anaemic, said, labels=[False, True])),
        "accuracy": float((called == anaemic).mean()),
        "precision": float(precision_score(anaemic, called, zero_division=0)),
        "recall": float(recall_score(anaemic, called, zero_division=0)),
        "f1": float(f1_score(anaemic, called, zero_division=0)),
        "auroc": auroc(anaemic, said) if anaemic.any() and not anaemic.all() else None,
    }


def _table_v(base: Base) -> dict[str, list[float]]:
    """Of the base weights with batch norms folded, as modelopt's two ways to choose scales see them."""
    network = fold_batch_norms(Release(Screen(base, 0.0).eval(), 1.0, 0)).screen
    ranges = weight_ranges(network, list(PUBLISHED_RANGES), _BLOCK)
    widths = {"int8": "int8_per_axis", "int4": "int4_block_wise"}
    return {
        f"amax.{width}.{layer}": [round(end, 4) for end in ranges[layer][kind]]
        for layer in PUBLISHED_RANGES
        for width, kind in widths.items()
    }
