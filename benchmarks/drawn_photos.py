"""Labelled photos that nobody took: drawn people of a synthetic world, whose best possible AUROC is known."""

from collections.abc import Callable

import numpy as np

from pallor.digest import digest_of
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import draw, render
from trainer.data.photos import Photos

_CUT_OFF_G_PER_L = 110  # WHO 2011, 6 to 59 months
_SITES = ("north", "east", "south", "west")


def draw_photos(
    n: int, *, seed: int, best_auroc: float, spec: PreprocessSpec, seen: Callable[[], None] = lambda: None
) -> Photos:
    """``n`` children, each photographed once, laid out; the same seed draws the same children in the same order."""
    rng = np.random.default_rng(seed)
    signal = signal_for_auroc(best_auroc)
    inputs = np.empty((n, spec.size, spec.size, 3), np.uint8)
    people = []
    for row in range(n):
        person = draw_person(rng)
        inputs[row] = to_input(spec, render(draw(rng, person.hb_g_per_l, signal=signal)))
        people.append(person)
        seen()
    name = digest_of({"drawn": n, "seed": seed, "best_auroc": best_auroc})
    hb = np.array([person.hb_g_per_l for person in people], float)
    return Photos(
        inputs=inputs,
        anaemic=hb < _CUT_OFF_G_PER_L,
        hb=hb,
        groups=np.arange(n),
        subjects=np.array([f"{seed}-{row}" for row in range(n)]),
        sites=np.array([_SITES[row % len(_SITES)] for row in range(n)]),
        devices=np.array([""] * n),
        sexes=np.array([person.sex for person in people]),
        ages=np.array([person.age_months for person in people], np.int64),
        ids=np.array([digest_of({"drawn": seed, "row": row, "best_auroc": best_auroc}) for row in range(n)]),
        taken=np.array([""] * n),
        snapshot=name,
        groups_digest=digest_of("every photo its own"),
        world="synthetic",
        credit="Drawn by pallor.image.synthetic: nobody's eye.",
        label_table="who-2011",
    )
