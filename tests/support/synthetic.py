"""Synthetic photos as a phone would upload them, for tests that are not about photos."""

from dataclasses import replace

import numpy as np

from pallor.image.synthetic import draw, render_bytes


def a_good_png(seed: int = 0, hb_g_per_l: float = 110.0) -> bytes:
    """A PNG with its region as alpha, taken in good light with a steady hand."""
    chance = draw(np.random.default_rng(seed), hb_g_per_l, signal=1.0)
    return render_bytes(replace(chance, blur_px=0.4, exposure_stops=0.0, highlights=0, falloff=0.0))
