"""One photo, laid out as the model wants it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallor.image.decode import Photo
from pallor.image.preprocess import RegionTooSmall, lay_out, tight, to_input
from pallor.image.spec import PreprocessSpec, SpecUnknown
from tests.support.photos import a_photo

SPEC = PreprocessSpec()


def test_the_input_is_a_square_of_bytes():
    laid_out = to_input(SPEC, a_photo())
    assert laid_out.shape == (224, 224, 3)
    assert laid_out.dtype == np.uint8


def test_what_lies_outside_the_region_never_reaches_the_model():
    photo = a_photo()
    other = Photo(np.where(photo.mask[..., None], photo.rgb, 255 - photo.rgb), photo.mask)
    assert np.array_equal(to_input(SPEC, photo), to_input(SPEC, other))


def test_empty_ground_around_the_region_changes_nothing():
    photo = a_photo()
    wide = Photo(np.pad(photo.rgb, ((40, 5), (7, 90), (0, 0))), np.pad(photo.mask, ((40, 5), (7, 90))))
    assert np.array_equal(to_input(SPEC, photo), to_input(SPEC, wide))


@pytest.mark.parametrize(("height", "width"), [(40, 400), (400, 40), (300, 300), (20, 30)])
def test_proportions_are_kept_and_the_region_is_centred(height, width):
    red = Photo(np.full((height, width, 3), (255, 0, 0), np.uint8), np.ones((height, width), bool))
    rows, columns = np.nonzero((to_input(SPEC, red) == (255, 0, 0)).all(axis=2))
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(high, wide) == round(224 * (1 - 2 * SPEC.margin))
    assert high / wide == pytest.approx(height / width, rel=0.05)
    assert abs(rows.min() - (223 - rows.max())) <= 1
    assert abs(columns.min() - (223 - columns.max())) <= 1


def test_the_ground_is_neutral():
    laid_out = to_input(PreprocessSpec(neutral=(1, 2, 3)), a_photo())
    assert (laid_out[[0, -1]] == (1, 2, 3)).all()


def test_shrinking_averages_instead_of_skipping():
    checks = np.indices((896, 896)).sum(axis=0) % 2 * 255
    laid_out = to_input(SPEC, Photo(np.dstack([checks] * 3).astype(np.uint8), np.ones((896, 896), bool)))
    assert abs(laid_out[50:-50, 50:-50].astype(int) - 127).max() <= 2


def test_the_tight_crop_is_the_smallest_box_of_the_region():
    mask = np.zeros((30, 40), bool)
    mask[5:9, 11] = mask[7, 8:20] = True
    assert tight(Photo(np.zeros((30, 40, 3), np.uint8), mask)).mask.shape == (4, 12)


def test_too_small_a_region_is_refused():
    mask = np.zeros((96, 224), bool)
    mask[:15, :17] = True
    with pytest.raises(RegionTooSmall) as caught:
        to_input(SPEC, Photo(a_photo().rgb, mask))
    assert caught.value.field == "body"
    assert caught.value.value == "255 pixels in the region"
    assert "closer" in caught.value.remedy


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    region=st.tuples(st.integers(24, 250), st.integers(24, 250)),
    around=st.tuples(*[st.integers(0, 60)] * 4),
    size=st.sampled_from([96, 224, 225]),
    margin=st.sampled_from([0.0, 0.03, 0.11]),
)
def test_what_went_to_the_input_comes_back_to_the_pixel_it_came_from(region, around, size, margin):
    """A photo whose red says in which column and whose green says in which row: laid out, then brought back."""
    spec, (height, width), (above, below, left, right) = PreprocessSpec(size=size, margin=margin), region, around
    mask = np.pad(np.ones(region, bool), ((above, below), (left, right)))
    rows, columns = np.indices(mask.shape)
    told = [255 * (columns - left) / width, 255 * (rows - above) / height, np.zeros(mask.shape)]
    photo = Photo(np.dstack(told).clip(0, 255).astype(np.uint8), mask)
    layout, laid_out = lay_out(spec, mask), to_input(spec, photo)
    assert layout.region == (slice(above, above + height), slice(left, left + width))
    for colour in (0, 1):
        back = layout.onto_photo(laid_out[..., colour])
        there = photo.rgb[layout.region][..., colour]
        assert back.shape == region
        # Left out is a rim of two pixels of the input, where the neutral ground mixes in. A straight ramp survives
        # being resized twice; what may differ is that levels are whole: cut off once, rounded once.
        inner = tuple(_without_rim(side, placed) for side, placed in zip(region, layout.placed, strict=True))
        assert np.abs(back[inner] - there[inner]).max(initial=0) <= 1.6


def _without_rim(side, placed):
    rim = -(-2 * side // (placed.stop - placed.start)) + 2
    return slice(rim, side - rim)


def test_a_coarse_map_lies_on_the_photo_as_its_tiles_lie_on_the_input():
    spec = PreprocessSpec(size=70, margin=0.0, min_region_pixels=1)
    layout = lay_out(spec, np.pad(np.ones((20, 70), bool), ((5, 0), (0, 9))))  # rows 25 to 45 of the input
    one = np.zeros((7, 7))
    one[3, 5] = 1.0
    spread = layout.onto_photo(one)
    assert np.unravel_index(spread.argmax(), spread.shape) in {(9, 54), (9, 55), (10, 54), (10, 55)}
    assert spread[9, 54] == pytest.approx(0.95 * 0.95)
    assert np.allclose(layout.onto_photo(np.full((7, 7), -2.5)), -2.5)
    assert layout.onto_photo(np.tile(np.arange(7.0), (7, 1)))[0, [0, 4, 69]].tolist() == [0.0, 0.0, 6.0]


def test_a_spec_survives_the_manifest():
    spec = PreprocessSpec(size=96, neutral=(9, 8, 7), margin=0.0)
    assert PreprocessSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "change",
    [
        {"method": "stretch-2"},
        {"size": 0},
        {"margin": 0.5},
        {"neutral": [0, 0]},
        {"neutral": 5},
        {"zoom": 2},
        {"size": "9"},
    ],
)
def test_a_spec_that_cannot_be_followed_is_not_trusted(change):
    with pytest.raises(SpecUnknown):
        PreprocessSpec.from_json(SPEC.to_json() | change)


def test_a_spec_with_a_lost_number_is_not_trusted():
    value = SPEC.to_json()
    del value["margin"]
    with pytest.raises(SpecUnknown):
        PreprocessSpec.from_json(value)
