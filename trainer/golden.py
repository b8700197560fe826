"""Drawn photos, pale and red, whose answers every engine must give before it serves."""

import numpy as np

from pallor.image.decode import Photo
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.synthetic import draw, render
from trainer.recipe import Export

# How much they tell of haemoglobin: enough for pale and red ones among a few.
_BEST_AUROC = 0.99


def draw_golden(how: Export) -> tuple[Photo, ...]:
    """As many as the recipe says, always the same."""
    rng = np.random.default_rng(how.golden_seed)
    signal = signal_for_auroc(_BEST_AUROC)
    people = [draw_person(rng) for _ in range(how.golden_photos)]
    return tuple(render(draw(rng, person.hb_g_per_l, signal=signal)) for person in people)
