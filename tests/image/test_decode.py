"""Every file becomes an upright sRGB photo or a refusal that says what to do."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pallor.errors import Refused
from pallor.image.decode import (
    Limits,
    PhotoAnimated,
    PhotoBroken,
    PhotoEmpty,
    PhotoFormatUnknown,
    PhotoTooLarge,
    PhotoTooManyPixels,
    PhotoTooManyScans,
    PhotoTypeMismatch,
    PhotoWithoutColour,
    RegionEmpty,
    decode,
    encode,
)
from tests.support.photos import a_photo, cp_anemic, crescent, file_of, png_chunk, tissue

RGB = tissue()
STILLS = {
    "png": file_of(RGB),
    "png-rgba": encode(a_photo()),
    "png-palette": file_of(Image.fromarray(RGB).quantize(64)),
    "jpeg": file_of(RGB, "JPEG", quality=92),
    "jpeg-progressive": file_of(RGB, "JPEG", quality=92, progressive=True),
    "webp-lossy": file_of(RGB, "WEBP"),
    "webp-lossless": file_of(np.dstack([RGB, crescent() * np.uint8(255)]), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", STILLS)
def test_a_still_photo_arrives_at_its_size(name):
    assert decode(STILLS[name]).rgb.shape == RGB.shape


def test_a_lossless_photo_arrives_pixel_by_pixel():
    assert np.array_equal(decode(STILLS["png"]).rgb, RGB)


def test_alpha_from_128_up_is_the_region():
    alpha = np.full((4, 4), 127, np.uint8)
    alpha[1, 2] = 128
    photo = decode(file_of(np.dstack([tissue(4, 4), alpha])))
    assert np.argwhere(photo.mask).tolist() == [[1, 2]]


def test_a_photo_without_alpha_is_used_whole():
    assert decode(STILLS["jpeg"]).mask.all()


def test_encoding_loses_nothing_inside_the_region_and_keeps_nothing_outside():
    photo = a_photo()
    again = decode(encode(photo))
    assert np.array_equal(again.mask, photo.mask)
    assert np.array_equal(again.rgb, photo.rgb * photo.mask[..., None])


def test_a_photo_used_whole_is_stored_without_alpha():
    assert Image.open(io.BytesIO(encode(a_photo(whole=True)))).mode == "RGB"


def test_storing_drops_all_metadata():
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (6.0, 41.0, 0.0)}  # where the child lives
    stored = encode(decode(file_of(RGB, "JPEG", exif=exif, comment=b"Ama, 24 months", dpi=(72, 72))))
    assert set(chunk_kinds(stored)) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_is_applied(file_format, orientation):
    upright = Image.fromarray(corners(40, 64))
    to_stored = [None, None, 0, 3, 1, 5, 2, 6, 4][orientation]  # the inverse of Exif's own turn, as Pillow numbers them
    stored = upright if to_stored is None else upright.transpose(Image.Transpose(to_stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(file_of(stored, file_format, exif=exif))
    assert photo.rgb.shape == (40, 64, 3)
    assert np.abs(photo.rgb[4:-4:31, 4:-4:55].astype(int) - np.array(upright)[4:-4:31, 4:-4:55]).max() < 40


def test_the_region_turns_with_the_photo():
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = decode(file_of(np.dstack([RGB, crescent() * np.uint8(255)]), exif=exif))
    assert np.array_equal(photo.mask, np.rot90(crescent(), -1))


def test_damaged_exif_refuses_nothing():
    jpeg = STILLS["jpeg"]
    damaged = b"\xff\xe1" + struct.pack(">H", 20) + b"Exif\0\0II*\0\x08\0\0\0\xff\xff\0\0"
    assert decode(jpeg[:2] + damaged + jpeg[2:]).rgb.shape == RGB.shape


def test_an_embedded_profile_is_converted_to_srgb():
    green_first = swapped_profile()
    photo = decode(file_of(RGB, icc_profile=green_first))
    assert np.abs(photo.rgb.astype(int) - RGB).mean() > 20
    assert np.array_equal(photo.rgb, decode(file_of(RGB, "WEBP", lossless=True, icc_profile=green_first)).rgb)


def test_a_damaged_profile_leaves_the_pixels_as_they_are():
    assert np.array_equal(decode(file_of(RGB, icc_profile=swapped_profile()[:200])).rgb, RGB)


def test_a_16_bit_png_arrives_as_8_bits():
    rgb = tissue(24, 32)
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in rgb)
    header = struct.pack(">IIBBBBB", 32, 24, 16, 2, 0, 0, 0)
    assert np.array_equal(decode(png(header, rows)).rgb, rgb)


def test_a_palette_photo_keeps_its_transparency():
    image = Image.fromarray(RGB).quantize(16)
    photo = decode(file_of(image, transparency=0))
    assert np.array_equal(photo.mask, np.asarray(image) != 0)


def test_a_cmyk_jpeg_arrives_as_rgb():
    photo = decode(file_of(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 8


def test_the_preview_behind_a_phones_jpeg_is_left_alone():
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::2, ::2])]
    out = io.BytesIO()
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    assert decode(out.getvalue(), declared_type="image/jpeg").rgb.shape == RGB.shape


@pytest.mark.parametrize("declared", ["image/png", "IMAGE/PNG; charset=binary"])
def test_the_right_type_is_taken(declared):
    assert decode(STILLS["png"], declared_type=declared)


def test_an_empty_body_is_refused():
    refusal = refused(b"", PhotoEmpty)
    assert refusal.value == "0 bytes"


def test_a_20_mb_file_is_refused():
    refusal = refused(STILLS["png"] + bytes(20_000_000), PhotoTooLarge)
    assert "8,388,608" in refusal.reason
    assert refusal.value.startswith("20,")


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (12_001, 1), (7_200, 7_000)])
def test_a_huge_size_in_the_header_is_refused_before_anything_is_allocated(width, height):
    huge = png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"")
    tracemalloc.start()
    refusal = refused(huge, PhotoTooManyPixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusal.value == f"{width} x {height}"
    assert peak < 1_000_000


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_the_pixel_limit_holds_for_every_format(file_format):
    data = file_of(np.zeros((30, 50, 3), np.uint8), file_format)
    assert decode(data, limits=Limits(max_pixels=1500, max_side_pixels=50))
    refused(data, PhotoTooManyPixels, limits=Limits(max_pixels=1499))
    refused(data, PhotoTooManyPixels, limits=Limits(max_side_pixels=49))


def test_a_second_size_hidden_in_a_jpeg_is_refused():
    jpeg = STILLS["jpeg"]
    at = jpeg.index(b"\xff\xc0")
    frame = jpeg[at : at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0]]
    refused(jpeg[:at] + frame.replace(frame[5:9], b"\xea\x60\xea\x60") + jpeg[at:], PhotoBroken)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<svg/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC image"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF image"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (file_of(RGB, "GIF"), "a GIF image"),
        (file_of(RGB, "BMP"), "a BMP image"),
        (file_of(RGB, "TIFF"), "a TIFF or raw camera image"),
        (file_of(RGB, "JPEG2000"), "a JPEG 2000 image"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "a sound or video file"),
        (b"hello", "text"),
        (b"\x89PNG\r\n", "an unknown format"),
    ],
)
def test_what_is_no_photo_is_named_for_what_it_looks_like(data, name):
    assert refused(data, PhotoFormatUnknown).value == name


def test_a_zip_renamed_png_is_refused_as_a_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("photo.png", STILLS["png"])
    assert "zip" in refused(out.getvalue(), PhotoFormatUnknown, declared_type="image/png").reason


@pytest.mark.parametrize("declared", ["image/jpeg", "text/html", ""])
def test_a_declared_type_that_is_not_what_the_bytes_are_is_refused(declared):
    refusal = refused(STILLS["png"], PhotoTypeMismatch, declared_type=declared, field="Content-Type")
    assert "image/png" in refusal.remedy


@pytest.mark.parametrize("name", STILLS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_photo_is_refused(name, share):
    data = STILLS[name]
    refused(data[: int(len(data) * share)], PhotoBroken)


def test_a_png_with_a_wrong_checksum_is_refused():
    data = bytearray(STILLS["png"])
    data[len(data) // 2] ^= 1
    assert "checksum" in refused(bytes(data), PhotoBroken).reason


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_an_animated_photo_is_refused(file_format):
    frames = [Image.fromarray(tissue(seed=seed)) for seed in range(3)]
    out = io.BytesIO()
    frames[0].save(out, file_format, save_all=True, append_images=frames[1:])
    refused(out.getvalue(), PhotoAnimated)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_a_photo_stored_without_colour_is_refused(mode):
    image = Image.fromarray(RGB[..., 1].astype(np.uint16)) if mode == "I;16" else Image.fromarray(RGB).convert(mode)
    refused(file_of(image), PhotoWithoutColour)


def test_a_grey_jpeg_is_refused():
    refused(file_of(RGB[..., 1], "JPEG"), PhotoWithoutColour)


def test_a_pale_photo_is_not_refused_for_being_pale():
    assert decode(file_of(np.repeat(RGB[..., 1:2], 3, axis=2)))


def test_a_photo_transparent_everywhere_is_refused():
    refused(file_of(np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])), RegionEmpty)


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(["png", "palette", "jpeg", "progressive", "cmyk", "webp", "webp-lossless", "webp-plain"]),
    damages=st.lists(
        st.tuples(
            st.integers(0, 80) | st.integers(0, 4000),  # most of a format's sense is at its start
            st.sampled_from(["set", "insert", "cut", "end"]),
            st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_any_damage_ends_in_a_photo_or_a_refusal(name, damages):
    data = damaged(SMALL_FILES[name], damages)
    try:
        photo = decode(data, limits=Limits(max_pixels=1_000_000))
    except Refused as refusal:
        photo = refusal
    if isinstance(photo, Refused):
        assert photo.field == "body"
        assert photo.remedy
    else:
        assert photo.rgb.dtype == np.uint8
        assert photo.mask.any()


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_photo_or_a_refusal(data):
    with pytest.raises(Refused):
        decode(data)


def test_every_real_photo_survives_storing_pixel_by_pixel():
    for path in sorted(cp_anemic().glob("*/*.png"))[::10]:
        photo = decode(path.read_bytes(), declared_type="image/png")
        again = decode(encode(photo))
        assert np.array_equal(again.rgb[photo.mask], photo.rgb[photo.mask]), path.name
        assert np.array_equal(again.mask, photo.mask), path.name


def refused(data: bytes, kind: type[Refused], *, field: str = "body", **options: object) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(data, **options)
    assert type(caught.value) is kind
    assert caught.value.field == field
    assert caught.value.remedy
    return caught.value


def corners(height: int, width: int) -> np.ndarray:
    """Another colour in each quarter."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2, 0] = 255
    rgb[: height // 2, width // 2 :, 1] = 255
    rgb[height // 2 :, : width // 2, 2] = 255
    return rgb


def png(header: bytes, rows: bytes) -> bytes:
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks)


def chunk_kinds(data: bytes) -> list[bytes]:
    at, kinds = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        kinds.append(kind)
        at += 12 + length
    return kinds


def with_right_checksums(data: bytearray) -> bytes:
    at, chunks = 8, [bytes(data[:8])]
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            break
        chunks.append(png_chunk(kind, bytes(data[at + 8 : at + 8 + length])))
        at += 12 + length
    return b"".join(chunks) + bytes(data[at:])


def damaged(data: bytes, damages: list[tuple[int, str, bytes]]) -> bytes:
    file = bytearray(data)
    for at, how, new in damages:
        match how:
            case "set":
                file[at : at + len(new)] = new
            case "insert":
                file[at:at] = new
            case "cut":
                del file[at : at + len(new)]
            case "end":
                del file[at:]
    # With wrong checksums, the checksum alone would refuse and nothing behind it be tried.
    return with_right_checksums(file) if file.startswith(b"\x89PNG\r\n\x1a\n") else bytes(file)


def swapped_profile() -> bytes:
    """sRGB with the names of its red and green primaries exchanged: a profile that visibly changes the pixels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def small_files() -> dict[str, bytes]:
    rgb = tissue(24, 40)
    rgba = np.dstack([rgb, crescent(24, 40) * np.uint8(255)])
    exif = Image.Exif()
    exif[0x0112] = 6
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "png": file_of(rgba, exif=exif, icc_profile=icc),
        "palette": file_of(Image.fromarray(rgb).quantize(8), transparency=0),
        "jpeg": file_of(rgb, "JPEG", exif=exif, icc_profile=icc),
        "progressive": file_of(rgb, "JPEG", progressive=True),
        "cmyk": file_of(Image.fromarray(rgb).convert("CMYK"), "JPEG"),
        "webp": file_of(rgba, "WEBP", exif=exif, icc_profile=icc),
        "webp-lossless": file_of(rgba, "WEBP", lossless=True),
        "webp-plain": file_of(rgb, "WEBP"),
    }


SMALL_FILES = small_files()


def test_a_jpeg_drawn_over_and_over_is_refused_before_it_is_decoded():
    progressive = file_of(tissue(), "JPEG", progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    bomb = progressive[:-2] + scan * 100 + progressive[-2:]
    assert decode(progressive).rgb.shape == (96, 224, 3)
    with pytest.raises(PhotoTooManyScans):
        decode(bomb)
