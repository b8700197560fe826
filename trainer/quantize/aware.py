"""Quantization-aware fine-tuning: the integers learn to say what the network said before. No label is needed.

Each forward pass rounds as the file will; the gradient goes straight through, and the ranges stay as they were set.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.curriculum import warm_cosine
from trainer.data.augment import draw, render
from trainer.model import Release
from trainer.recipe import Recipe

_WARM_UP_SHARE = 0.1
_BATCH = 16

Inputs = NDArray[np.uint8]


def tune(simulated: Release, exact: Release, inputs: Inputs, recipe: Recipe, stepped: Callable[[], None]) -> None:
    """Change a simulated release's weights, in place, until it says what the exact one says.

    Args:
        simulated: from ``trainer.quantize.simulate``.
        exact: the same release, not quantized.
        inputs: (n, S, S, 3), of the train side; augmented as in fine-tuning.
        stepped: called ``recipe.quantization.aware_steps`` times.
    """
    how, neutral = recipe.quantization, recipe.preprocess.neutral
    rng = np.random.default_rng([recipe.seed, how.aware_steps])
    plain = inputs[rng.permutation(len(inputs))[: how.photos]]
    spreads = [said.var(dim=0).sum() for said in _say_all(exact, plain)]
    optimizer = torch.optim.Adam([w for name, w in simulated.named_parameters() if ".features." in name])
    for rate in how.aware_learning_rate * warm_cosine(how.aware_steps, _WARM_UP_SHARE):
        rows = rng.integers(len(inputs), size=how.aware_batch)
        images = [render(inputs[row], neutral, draw(rng, recipe.augmentation)) for row in rows]
        rgb = torch.from_numpy(np.stack(images))
        with torch.no_grad():
            theirs = _say(exact, rgb)
        loss = torch.zeros(())
        for ours, own, spread in zip(_say(simulated, rgb), theirs, spreads, strict=True):
            loss = loss + ((ours - own) ** 2).sum(dim=1).mean() / spread
        for group in optimizer.param_groups:
            group["lr"] = float(rate)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        stepped()


def take_up_offset(simulated: Release, exact: Release, inputs: Inputs) -> None:
    """What photos score too much or too little on average goes into the classifier's bias.

    Args:
        inputs: (n, S, S, 3), without augmentation.
    """
    (ours, _), (theirs, _) = _say_all(simulated, inputs), _say_all(exact, inputs)
    with torch.no_grad():
        simulated.screen.linear.bias.add_((theirs - ours).mean())


def _say(release: Release, rgb: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 1) logits and (N, 64) embedding."""
    pooled = release.screen.maps(rgb).mean(dim=(2, 3))
    return release.screen.linear(pooled), pooled @ release.projection


def _say_all(release: Release, inputs: Inputs) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        parts = [_say(release, torch.from_numpy(inputs[at : at + _BATCH])) for at in range(0, len(inputs), _BATCH)]
    logits, embeddings = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(embeddings)
