"""Another photo of the same eyelid: the light changes inside the region and nowhere else."""

import numpy as np

from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from tests.support.photos import a_photo
from trainer.data.augment import Draw, draw, render
from trainer.recipe import read_recipe

SPEC = PreprocessSpec(size=64)
STILL = Draw(mirror=False, upside_down=False, degrees=0.0, scale=1.0, gains=(1.0, 1.0, 1.0))


def test_a_draw_that_changes_nothing_changes_nothing():
    image = an_input()
    assert (render(image, SPEC.neutral, STILL) == image).all()


def test_the_same_draw_gives_the_same_photo():
    change = draw(np.random.default_rng(3), read_recipe().augmentation)
    assert (render(an_input(), SPEC.neutral, change) == render(an_input(), SPEC.neutral, change)).all()


def test_light_changes_inside_the_region_only():
    image = an_input()
    inside = (image != np.array(SPEC.neutral)).any(axis=-1)
    lit = render(image, SPEC.neutral, Draw(False, False, 0.0, 1.0, gains=(0.5, 1.0, 1.0)))
    assert (lit[~inside] == SPEC.neutral).all()
    assert (lit[inside][:, 0] == image[inside][:, 0] // 2).all()
    assert (lit[inside][:, 1:] == image[inside][:, 1:]).all()


def test_the_ground_stays_neutral_when_the_photo_is_turned():
    turned = render(an_input(), SPEC.neutral, Draw(True, False, 25.0, 0.85, gains=(1.2, 1.2, 1.2)))
    corners = turned[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == SPEC.neutral).all()


def test_two_half_turns_are_none():
    half_turn = Draw(mirror=True, upside_down=True, degrees=0.0, scale=1.0, gains=(1.0, 1.0, 1.0))
    image = an_input()
    assert (render(render(image, SPEC.neutral, half_turn), SPEC.neutral, half_turn) == image).all()


def test_draws_keep_to_the_recipe():
    how = read_recipe().augmentation
    rng = np.random.default_rng(0)
    draws = [draw(rng, how) for _ in range(500)]
    widest = 2 ** (how.exposure_stops + how.illuminant_stops)
    assert all(abs(one.degrees) <= how.max_degrees for one in draws)
    assert all(how.min_scale <= one.scale <= how.max_scale for one in draws)
    assert all(1 / widest <= gain <= widest for one in draws for gain in one.gains)
    assert 0.4 < np.mean([one.mirror for one in draws]) < 0.6


def an_input():
    return to_input(SPEC, a_photo())
