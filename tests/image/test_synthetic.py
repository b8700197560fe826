"""Drawn photos: pure, plausible in size, and blind to everything about the person but redness."""

from dataclasses import fields, replace

import numpy as np
import pytest

from pallor.image.decode import decode
from pallor.image.population import signal_for_auroc
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.image.synthetic import Draw, draw, render, render_bytes

SIGNAL = signal_for_auroc(0.9)


def test_the_same_draw_gives_the_same_photo():
    chance = a_draw()
    assert np.array_equal(render(chance).rgb, render(chance).rgb)
    assert render_bytes(chance) == render_bytes(chance)


def test_only_the_redness_of_a_draw_knows_of_haemoglobin():
    pale, well = (draw(np.random.default_rng(7), hb, signal=SIGNAL) for hb in (40, 140))
    different = [field.name for field in fields(Draw) if getattr(pale, field.name) != getattr(well, field.name)]
    assert different == ["redness"]


def test_without_signal_haemoglobin_changes_nothing():
    assert draw(np.random.default_rng(7), 40, signal=0) == draw(np.random.default_rng(7), 140, signal=0)


def test_the_upload_is_a_photo_with_its_region():
    chance = a_draw()
    photo, drawn = decode(render_bytes(chance), declared_type="image/png"), render(chance)
    assert np.array_equal(photo.mask, drawn.mask)
    assert np.array_equal(photo.rgb[photo.mask], drawn.rgb[drawn.mask])


@pytest.mark.parametrize("seed", range(12))
def test_a_photo_has_the_size_and_the_region_of_a_real_one(seed):
    photo = render(a_draw(seed))
    height, width = photo.mask.shape
    assert 45 <= height <= 240
    assert 130 <= width <= 350
    assert 1_200 <= photo.mask.sum() <= 16_000
    assert 0.08 <= photo.mask.mean() <= 0.6
    assert not np.array_equal(to_input(PreprocessSpec(), photo), to_input(PreprocessSpec(), render(a_draw(seed + 1))))


def test_redder_blood_takes_green_and_blue_and_leaves_red():
    pale, red = (render(replace(a_draw(), redness=redness, highlights=0)) for redness in (-2, 2))
    lost = pale.rgb[pale.mask].mean(axis=0) - red.rgb[red.mask].mean(axis=0)
    assert lost[1] > 40
    assert lost[2] > 40
    assert lost[0] < 0.35 * lost[1]


def test_vessels_stand_out_more_in_redder_blood_whatever_the_lamp():
    def contrast(redness: float, warmth: float) -> float:
        photo = render(replace(a_draw(), redness=redness, warmth=warmth, noise=0.1, highlights=0, slack=-0.18))
        rgb = photo.rgb[photo.mask].astype(float)
        return float(np.std(np.log(rgb[:, 0]) - np.log(rgb[:, 1])))

    assert contrast(1.5, 0) > 2 * contrast(-1.5, 0)
    assert contrast(0, 2) == pytest.approx(contrast(0, -2), rel=0.15)


@pytest.mark.parametrize(("change", "measure"), [
    ({"exposure_stops": -2.0}, lambda before, after: before.mean() > 1.5 * after.mean()),
    ({"warmth": 3.0}, lambda before, after: after[:, 2].mean() < before[:, 2].mean() - 10),
    ({"noise": 12.0}, lambda before, after: after.std() > before.std()),
    ({"highlights": 30}, lambda before, after: (after.min(axis=1) > 220).mean() > (before.min(axis=1) > 220).mean()),
])  # fmt: skip
def test_each_draw_of_chance_shows_in_the_photo(change, measure):
    before, after = (render(chance) for chance in (a_draw(), replace(a_draw(), **change)))
    assert measure(before.rgb[before.mask].astype(float), after.rgb[after.mask].astype(float))


def a_draw(seed: int = 0) -> Draw:
    return draw(np.random.default_rng(seed), 110, signal=SIGNAL)
