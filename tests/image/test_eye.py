"""A drawn eye lies where it is asked to, and its lid is the one that is drawn alone."""

from dataclasses import replace

import numpy as np
import pytest

from pallor.image.eye import Frame, look
from pallor.image.quality import judge
from pallor.image.synthetic import Draw, draw


@pytest.mark.parametrize(("right", "down"), [(0.5, 0.5), (0.42, 0.6)])
def test_the_lid_lies_where_it_was_asked_for(right, down):
    rows, columns = np.nonzero(look(a_draw(), Frame(270, 360, right=right, down=down)).mask)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(right * 270, abs=6)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(down * 360, abs=12)
    assert np.ptp(columns) == pytest.approx(0.62 * 270, rel=0.08)


def test_it_is_as_good_a_photo_as_its_lid():
    assert judge(look(a_draw(), Frame(540, 720))).passed
    assert judge(look(replace(a_draw(), exposure_stops=-4.0), Frame(540, 720))).reasons == ("too-dark",)


def test_above_the_lid_is_eyeball_and_below_it_skin():
    eye = look(replace(a_draw(), melanin=1.5), Frame(270, 360))
    lid = eye.rgb[eye.mask].mean(axis=0)
    rows, columns = np.nonzero(eye.mask)
    middle = columns == 135
    above, below = eye.rgb[rows[middle].min() - 8, 135], eye.rgb[rows[middle].max() + 12, 135]
    assert above[1] > lid[1] > below[1]


def a_draw() -> Draw:
    return replace(draw(np.random.default_rng(0), 110, signal=1.0), exposure_stops=-0.2, blur_px=0.6, highlights=0)
