"""The same photo again, and not just a similar one."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pallor.image.decode import Photo, decode, encode
from pallor.image.fingerprint import NEAR_BITS, bands, hamming, perceptual_hash
from pallor.image.population import signal_for_auroc
from pallor.image.synthetic import draw, render
from tests.support.photos import a_photo, cp_anemic

SIGNAL = signal_for_auroc(0.9)


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    rng = np.random.default_rng(11)
    return [decode(encode(render(draw(rng, 110, signal=SIGNAL)))) for _ in range(40)]


def test_a_fingerprint_is_64_bits(photos):
    assert len(perceptual_hash(photos[0])) == 16
    assert 0 <= int(perceptual_hash(photos[0]), 16) < 2**64


def test_storing_keeps_the_fingerprint():
    photo = a_photo()
    assert perceptual_hash(decode(encode(photo))) == perceptual_hash(photo)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_photo_turned_by_quarters_or_flipped_is_recognized(photos, flip, quarters):
    for photo in photos:
        turned = applied(photo, lambda array: np.rot90(array[:, ::-1] if flip else array, quarters))
        assert hamming(perceptual_hash(turned), perceptual_hash(photo)) <= NEAR_BITS


def test_a_photo_sent_again_as_a_jpeg_is_recognized(photos):
    assert np.mean([hamming(perceptual_hash(as_jpeg(p)), perceptual_hash(p)) <= NEAR_BITS for p in photos]) >= 0.9


def test_ground_around_the_region_changes_nothing(photos):
    wide = applied(photos[0], lambda array: np.pad(array, [(9, 30), (50, 2), (0, 0)][: array.ndim]))
    assert perceptual_hash(wide) == perceptual_hash(photos[0])


def test_two_different_photos_are_told_apart(photos):
    hashes = [perceptual_hash(photo) for photo in photos]
    assert all(hamming(a, b) > NEAR_BITS for at, a in enumerate(hashes) for b in hashes[:at])


def test_a_single_pixel_has_a_fingerprint_too():
    assert len(perceptual_hash(Photo(np.ones((1, 1, 3), np.uint8), np.ones((1, 1), bool)))) == 16


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=NEAR_BITS))
def test_near_fingerprints_share_a_band(value, flipped):
    near = value ^ sum(1 << bit for bit in flipped)
    a, b = f"{value:016x}", f"{near:016x}"
    assert hamming(a, b) == len(flipped)
    assert any(x == y for x, y in zip(bands(a), bands(b), strict=True))


def test_bands_are_the_whole_fingerprint():
    assert bands("0001ffff80000010") == (0x0001, 0xFFFF, 0x8000, 0x0010)


def test_real_photos_alarm_for_no_other_photo_and_for_every_identical_one():
    folder = cp_anemic()
    with (folder / "same_photo_groups.csv").open(encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if int(row["IMAGE_ID"][-3:]) % 3 == 0]
    known = [(row, perceptual_hash(decode(file_of(folder, row["IMAGE_ID"])))) for row in rows]
    for at, (row, h) in enumerate(known):
        for other, other_h in known[:at]:
            near = hamming(h, other_h) <= NEAR_BITS
            if row["suspected_group"] != other["suspected_group"]:
                assert not near, (row["IMAGE_ID"], other["IMAGE_ID"])
            if row["pixel_group"] == other["pixel_group"]:
                assert near, (row["IMAGE_ID"], other["IMAGE_ID"])


def file_of(folder, image_id: str) -> bytes:
    return next(folder.glob(f"*/{image_id}.png")).read_bytes()


def applied(photo: Photo, change) -> Photo:
    return Photo(np.ascontiguousarray(change(photo.rgb)), np.ascontiguousarray(change(photo.mask)))


def as_jpeg(photo: Photo) -> Photo:
    out = io.BytesIO()
    Image.fromarray(photo.rgb).save(out, "JPEG", quality=75)
    with Image.open(out) as image:
        return Photo(np.array(image), photo.mask)
