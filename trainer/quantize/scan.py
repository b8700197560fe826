"""Which layers do integers hurt? Each alone, while all others compute with full precision."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.model import Release
from trainer.quantize.simulate import only, quantizers_of

_BATCH = 16
_WEIGHTS, _POINTWISE = ".weight_quantizer", ".linear"  # how names end


def scan(simulated: Release, inputs: NDArray[np.uint8], stepped: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Mean |dp| by what alone is quantized: each layer's weights, each activation, worst first.

    It is what one would leave in FP32, by ``float_layers`` of the recipe, if fine-tuning did not do; of INT4,
    ``too_coarse`` chooses.

    Args:
        simulated: from ``trainer.quantize.simulate``; the same afterwards.
        inputs: (n, S, S, 3).
        stepped: called ``count_scans`` times.
    """
    at_work = quantizers_of(simulated)
    everyone = list(at_work.values())
    with only([], among=everyone):
        exact = _probabilities(simulated, inputs)
    away: dict[str, float] = {}
    for name, one in at_work.items():
        with only([one], among=everyone):
            away[name.removeprefix("screen.")] = float(np.abs(_probabilities(simulated, inputs) - exact).mean())
        stepped()
    return dict(sorted(away.items(), key=lambda item: -item[1]))


def too_coarse(away: Mapping[str, float], limit: float) -> list[str]:
    """The layers, by torchvision's names, whose weights of INT4 alone move answers by more than a mean |dp|.

    Args:
        away: what ``scan`` says of a release from ``to_int4``.
    """
    return [name.removesuffix(_WEIGHTS).removesuffix(_POINTWISE) for name, moved in away.items() if moved > limit]


def count_scans(simulated: Release) -> int:
    return len(quantizers_of(simulated))


def _probabilities(release: Release, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode():
        parts = [release.screen(torch.from_numpy(inputs[at : at + _BATCH])) for at in range(0, len(inputs), _BATCH)]
    return torch.sigmoid(torch.cat(parts) / release.temperature).numpy()
