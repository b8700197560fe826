"""Another photo of the same eyelid: the light changes inside the region and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the trainer's extra is not installed")

from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from tests.support.photos import a_photo
from trainer.data.augment import Draw, draw, render
from trainer.recipe import read_recipe

SPEC = PreprocessSpec(size=64)


def test_a_draw_that_changes_nothing_changes_nothing():
    image = an_input()
    assert (render(image, SPEC.neutral, Draw()) == image).all()


def test_the_same_draw_gives_the_same_photo():
    change = draw(np.random.default_rng(3), everything())
    assert (render(an_input(), SPEC.neutral, change) == render(an_input(), SPEC.neutral, change)).all()


def test_light_changes_inside_the_region_only():
    image = an_input()
    inside = region_of(image)
    lit = render(image, SPEC.neutral, Draw(gains=(0.5, 1.0, 1.0)))
    assert (lit[~inside] == SPEC.neutral).all()
    assert (lit[inside][:, 0] == image[inside][:, 0] // 2).all()
    assert (lit[inside][:, 1:] == image[inside][:, 1:]).all()


def test_white_balance_pulls_the_regions_own_mean_towards_grey():
    image = an_input()
    inside = region_of(image)
    spreads = [
        np.ptp(render(image, SPEC.neutral, Draw(white_balance=share))[inside].mean(axis=0)) for share in (0, 0.5, 1)
    ]
    assert spreads[0] > 1.5 * spreads[1] > 3 * spreads[2]
    assert spreads[2] < 2
    half = render(image, SPEC.neutral, Draw(white_balance=0.5))
    assert half[inside].mean() == pytest.approx(image[inside].mean(), rel=0.05)
    assert (half[~inside] == SPEC.neutral).all()


def test_a_photo_that_was_stored_as_jpeg_is_a_little_another_and_its_ground_is_not():
    image = an_input()
    inside = region_of(image)
    errors = [
        np.abs(render(image, SPEC.neutral, Draw(jpeg_quality=q)).astype(int) - image)[inside].mean() for q in (20, 95)
    ]
    assert 10 > errors[0] > errors[1] > 0
    assert (render(image, SPEC.neutral, Draw(jpeg_quality=20))[~inside] == SPEC.neutral).all()


def test_jpeg_brings_no_ground_into_the_region():
    image = np.full((64, 64, 3), SPEC.neutral, np.uint8)
    image[20:45, 13:50] = (200, 0, 0)
    stored = render(image, SPEC.neutral, Draw(jpeg_quality=30))
    assert np.abs(stored[20:45, 13:50].astype(int) - (200, 0, 0)).max() <= 8


def test_the_ground_stays_neutral_whatever_is_drawn():
    rng, how, image = np.random.default_rng(0), everything(), an_input()
    for change in (draw(rng, how) for _ in range(50)):
        only_moved = replace(change, gains=(1.0, 1.0, 1.0), white_balance=0.0, jpeg_quality=None)
        ground = ~region_of(render(image, SPEC.neutral, only_moved))
        assert ground.any()
        assert (render(image, SPEC.neutral, change)[ground] == SPEC.neutral).all()


def test_two_half_turns_are_none():
    half_turn, image = Draw(mirror=True, upside_down=True), an_input()
    turned = render(image, SPEC.neutral, half_turn)
    assert (turned == image[::-1, ::-1]).all()
    assert (render(turned, SPEC.neutral, half_turn) == image).all()


def test_it_is_turned_and_scaled_about_the_centre():
    image = np.full((65, 65, 3), SPEC.neutral, np.uint8)
    image[27:38, 27:38] = 250
    quarter = render(image, SPEC.neutral, Draw(degrees=90.0))
    assert (quarter == image).all()
    nearer = region_of(render(image, SPEC.neutral, Draw(scale=2.0)))
    assert nearer.sum() == pytest.approx(4 * 11 * 11, rel=0.2)
    assert np.argwhere(nearer).mean(axis=0) == pytest.approx([32, 32])


def test_draws_keep_to_the_recipe():
    how = replace(everything(), white_balance_share=0.5, jpeg_share=0.5)
    rng = np.random.default_rng(0)
    draws = [draw(rng, how) for _ in range(500)]
    widest = 2 ** (how.exposure_stops + how.illuminant_stops)
    assert all(abs(one.degrees) <= how.max_degrees for one in draws)
    assert all(how.min_scale <= one.scale <= how.max_scale for one in draws)
    assert all(1 / widest <= gain <= widest for one in draws for gain in one.gains)
    assert all(0 <= one.white_balance <= how.max_white_balance for one in draws)
    qualities = [one.jpeg_quality for one in draws if one.jpeg_quality is not None]
    assert how.min_jpeg_quality <= min(qualities) < max(qualities) <= 100
    assert 0.4 < np.mean([one.mirror for one in draws]) < 0.6
    assert 0.4 < np.mean([one.white_balance > 0 for one in draws]) < 0.6
    assert 0.4 < len(qualities) / len(draws) < 0.6


def everything():
    """The standard recipe's ranges, and nothing left out."""
    return replace(
        read_recipe().augmentation, white_balance_share=1.0, max_white_balance=0.5, jpeg_share=1.0, min_jpeg_quality=30
    )


def region_of(image):
    return (image != np.array(SPEC.neutral)).any(axis=-1)


def an_input():
    return to_input(SPEC, a_photo())
