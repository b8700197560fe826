"""Photos are refused for what a nurse can mend, never for being pale."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pallor.image.decode import Photo, decode
from pallor.image.population import signal_for_auroc
from pallor.image.quality import QUALITY_VERSION, RETAKE_WORDS, Quality, _smoothed, judge
from pallor.image.synthetic import Draw, draw, render
from tests.support.photos import a_photo, cp_anemic

SIGNAL = signal_for_auroc(0.9)


def test_a_good_photo_passes():
    assert judge(render(a_draw())).passed
    assert judge(a_photo()).reasons == ()


@pytest.mark.parametrize("redness", [-4, -3, -2, 0, 2, 3])
def test_how_red_the_tissue_is_decides_nothing(redness):
    assert judge(render(replace(a_draw(), redness=redness))).passed


def test_a_photo_without_any_colour_contrast_passes():
    grey = a_photo().rgb[..., :1].repeat(3, axis=2)
    assert judge(Photo(grey, a_photo().mask)).passed


def test_the_sickest_are_refused_no_more_often_than_the_well():
    def refused(hb: float) -> float:
        rng = np.random.default_rng(9)
        return float(np.mean([not judge(render(draw(rng, hb, signal=SIGNAL))).passed for _ in range(60)]))

    well = refused(120)
    assert refused(40) <= well + 0.02
    assert refused(70) <= well + 0.02


def test_a_small_region_is_refused():
    photo = a_photo()
    mask = np.zeros_like(photo.mask)
    mask[40:71, 90:122] = True
    assert judge(Photo(photo.rgb, mask)).reasons == ("region-too-small",)


def test_a_dark_photo_is_refused():
    assert judge(render(replace(a_draw(), exposure_stops=-4.0))).reasons == ("too-dark",)


def test_an_overexposed_photo_is_refused():
    assert "too-bright" in judge(render(replace(a_draw(), exposure_stops=2.0, falloff=0.0))).reasons


def test_a_mirrored_lamp_is_refused():
    photo = a_photo()
    rgb = photo.rgb.copy()
    rgb[:, 80:140] = 250
    assert judge(Photo(rgb, photo.mask)).reasons == ("glare",)


def test_a_blurred_photo_is_refused():
    photo = render(replace(a_draw(), noise=0.5, jpeg_quality=96, redness=1.0))
    assert judge(photo).passed
    assert judge(defocused(photo, 7)).reasons == ("blurred",)


@pytest.mark.parametrize("contrast", [0.25, 0.5, 1.0])
def test_sharpness_does_not_hang_on_how_much_the_vessels_stand_out(contrast):
    """Half the contrast in the logarithm of every channel is what half the blood gives."""
    photo = a_photo(seed=3)
    logs = np.log(photo.rgb + 8.0)
    mean = logs[photo.mask].mean(axis=0)
    paler = np.exp(mean + contrast * (logs - mean)) - 8
    sharpness = judge(Photo(np.clip(np.rint(paler), 0, 255).astype(np.uint8), photo.mask)).sharpness
    assert sharpness == pytest.approx(judge(photo).sharpness, rel=0.12)


def test_what_lies_outside_the_region_decides_nothing():
    photo = a_photo()
    white = Photo(np.where(photo.mask[..., None], photo.rgb, 255).astype(np.uint8), photo.mask)
    assert judge(white) == judge(photo)


def test_a_large_photo_is_judged_like_the_same_one_small():
    photo = render(a_draw())
    size = tuple(4 * side for side in photo.mask.shape[::-1])
    rgb = np.asarray(Image.fromarray(photo.rgb).resize(size, Image.Resampling.BICUBIC))
    large = Photo(rgb, photo.mask.repeat(4, axis=0).repeat(4, axis=1))
    assert judge(large).sharpness == pytest.approx(judge(photo).sharpness, rel=0.15)
    assert judge(large).passed


def test_every_reason_has_words_for_the_nurse_and_the_verdict_is_json():
    verdict = Quality(tuple(RETAKE_WORDS), 1, 2.0, 0.5, 0.25, 0.125, 0.0625)
    assert json.loads(json.dumps(verdict.to_json())) == {
        "version": QUALITY_VERSION,
        "passed": False,
        "reasons": ["region-too-small", "too-dark", "too-bright", "glare", "blurred"],
        "region_pixels": 1,
        "red_level": 2.0,
        "clipped_share": 0.5,
        "glare_share": 0.25,
        "sharpness": 0.125,
        "detail": 0.0625,
    }
    assert all(words.endswith("take it again.") for words in RETAKE_WORDS.values())


def test_a_single_pixel_is_judged_too():
    assert "region-too-small" in judge(Photo(np.full((1, 1, 3), 120, np.uint8), np.ones((1, 1), bool))).reasons


def test_nearly_all_real_photos_pass():
    verdicts = [judge(decode(path.read_bytes())) for path in sorted(cp_anemic().glob("*/*.png"))[::4]]
    assert np.mean([verdict.passed for verdict in verdicts]) >= 0.95


def test_a_photo_that_shows_nothing_is_refused():
    """A wall, a card, a lens that hunts: without any detail a ratio of details says nothing."""
    for colour in ((190, 120, 110), (40, 60, 200), (230, 230, 225)):
        flat = Photo(np.full((100, 200, 3), colour, np.uint8), np.ones((100, 200), bool))
        assert not judge(flat).passed


def test_a_real_photo_far_out_of_focus_is_refused(real_photos):
    refused = [not judge(far_out_of_focus(photo)).passed for photo in real_photos]
    assert np.mean(refused) >= 0.95


def far_out_of_focus(photo, sigma=20):
    bands = np.where(photo.mask[..., None], photo.rgb, 0).astype(np.float32)
    smooth = np.moveaxis(_smoothed(np.moveaxis(bands, -1, 0), photo.mask, sigma), 0, -1)
    return Photo(smooth.clip(0, 255).astype(np.uint8), photo.mask)


@pytest.fixture(scope="module")
def real_photos():
    paths = sorted(cp_anemic().glob("*/*.png"))[::30]
    return [decode(path.read_bytes()) for path in paths]


def a_draw() -> Draw:
    return replace(draw(np.random.default_rng(0), 110, signal=SIGNAL), exposure_stops=-0.2, blur_px=0.8)


def defocused(photo: Photo, sigma: float) -> Photo:
    return Photo(np.asarray(Image.fromarray(photo.rgb).filter(ImageFilter.GaussianBlur(sigma))), photo.mask)
