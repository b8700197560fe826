"""What a precision costs: in bytes, in time, in decisions. Every file is judged in the engine that would serve it."""

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bootstrap import resample
from trainer.export import ask, serve
from trainer.metrics import weighted_auroc
from trainer.recipe import Recipe

FP32 = "fp32"

Row = dict[str, Any]


def compare_files(
    files: Mapping[str, bytes],
    inputs: NDArray[np.uint8],
    anaemic: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    threshold: float,
    recipe: Recipe,
) -> list[Row]:
    """``compare_answers`` of files, each asked once.

    Args:
        inputs: (n, S, S, 3).
    """
    said = {precision: probabilities(model, precision, inputs) for precision, model in files.items()}
    sizes = {precision: len(model) for precision, model in files.items()}
    return compare_answers(said, sizes, anaemic, clusters, threshold, recipe)


def probabilities(model: bytes, precision: str, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n,), of (n, S, S, 3)."""
    return ask(serve(model, inputs.shape[1], precision), inputs).probability.astype(np.float64)


def compare_answers(
    said: Mapping[str, NDArray[np.float64]],
    sizes: Mapping[str, int],
    anaemic: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    threshold: float,
    recipe: Recipe,
) -> list[Row]:
    """A row for each file, in order, against ``fp32``, which must be among them.

    ``auroc_loss`` is FP32's less the file's; ``auroc_loss_upper95`` its 97.5 % end under a paired bootstrap that draws
    whole clusters; both None where one class is missing. ``decisions_changed`` is a share of the photos.

    Args:
        said: (n,) probabilities by precision; ``anaemic``, ``clusters``: (n,).
        sizes: of the files, bytes.
        threshold: of the decisions, on probabilities.
    """
    how = recipe.evaluation
    exact = said[FP32]
    resamples = resample(clusters, how.bootstrap_draws, how.bootstrap_seed)
    weights = np.column_stack([np.ones(len(anaemic)), resamples])
    aurocs = {precision: _aurocs(scores, anaemic, weights) for precision, scores in said.items()}
    rows = []
    for precision, scores in said.items():
        losses = aurocs[FP32] - aurocs[precision]
        drawn = losses[1:][~np.isnan(losses[1:])]
        away = np.abs(scores - exact)
        rows.append(
            {
                "precision": precision,
                "bytes": sizes[precision],
                "size_ratio": sizes[precision] / sizes[FP32],
                "auroc": _number(aurocs[precision][0]),
                "auroc_loss": _number(losses[0]),
                "auroc_loss_upper95": float(np.quantile(drawn, 0.975)) if len(drawn) else None,
                "decisions_changed": float(((scores >= threshold) != (exact >= threshold)).mean()),
                "mean_abs_dp": float(away.mean()),
                "max_abs_dp": float(away.max()),
            }
        )
    return rows


def time_files(
    files: Mapping[str, bytes], size: int, *, batches: Sequence[int] = (1, 16), rounds: int = 31
) -> dict[str, dict[int, float]]:
    """By precision and batch, milliseconds a batch: medians on one thread, the files taking turns in every round."""
    engines = {precision: serve(model, size, precision) for precision, model in files.items()}
    rng = np.random.default_rng(0)
    taken: dict[str, dict[int, list[float]]] = {precision: {batch: [] for batch in batches} for precision in files}
    for batch in batches:
        photos = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        for turn in range(rounds + 2):
            for precision, engine in engines.items():
                begun = time.perf_counter()
                engine.infer(photos)
                if turn >= 2:  # the first ones warm up
                    taken[precision][batch].append((time.perf_counter() - begun) * 1e3)
    return {precision: {batch: median(times) for batch, times in of.items()} for precision, of in taken.items()}


def _aurocs(
    scores: NDArray[np.float64], anaemic: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    if anaemic.all() or not anaemic.any():
        return np.full(weights.shape[1], np.nan)
    found: NDArray[np.float64] = weighted_auroc(scores[anaemic], scores[~anaemic], weights[anaemic], weights[~anaemic])
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
