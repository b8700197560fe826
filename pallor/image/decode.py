"""Bytes in, an upright sRGB photo with its region out; and back to bytes, without loss and without metadata.

Whatever the bytes are, the answer is a ``Photo`` or a ``Refused`` that says what to do. Alpha is the region of
interest (the palpebral conjunctiva); an image without alpha is used whole.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pallor.errors import Refused
from pallor.image.header import Header, HeaderError, looks_like, media_type_of, read_header

# The classes themselves, not Image.open: it judges size by a process-wide setting and warns, where Limits refuses.
_READERS: dict[str, type[ImageFile]] = {
    "image/png": PngImageFile,
    "image/jpeg": JpegImageFile,
    "image/webp": WebPImageFile,
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
OPAQUE_FROM = 128  # alpha from here up is inside the region
_SEND_A_PHOTO = "Send the photo as PNG, JPEG or WebP."


_JPEG_SCAN = b"\xff\xda"
_MAX_JPEG_SCANS = 64  # a camera's progressive JPEG has about ten, and an embedded preview a few


class PhotoEmpty(Refused):
    """No bytes at all."""


class PhotoTooLarge(Refused):
    """More bytes than ``Limits.max_bytes``."""


class PhotoTooManyPixels(Refused):
    """More pixels, or a longer side, than ``Limits`` allows; judged from the header, before decoding."""


class PhotoFormatUnknown(Refused):
    """Neither PNG nor JPEG nor WebP, whatever its name says."""


class PhotoTypeMismatch(Refused):
    """The declared media type is not what the bytes are."""


class PhotoBroken(Refused):
    """Truncated or damaged."""


class PhotoTooManyScans(Refused):
    """A progressive JPEG drawn over and over: small to send, and hours to decode."""


class PhotoAnimated(Refused):
    """More than one frame."""


class PhotoWithoutColour(Refused):
    """Stored as shades of grey: pallor is a colour."""


class RegionEmpty(Refused):
    """The alpha channel marks no pixel."""


@dataclass(frozen=True)
class Limits:
    """What one photo may cost, judged before it is decoded."""

    max_bytes: int = 8 * 1024 * 1024
    max_pixels: int = 24_000_000
    max_side_pixels: int = 12_000


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright, sRGB.

    Attributes:
        rgb: (H, W, 3), 0..255.
        mask: (H, W), True inside the region of interest; at least one pixel is.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def decode(data: bytes, *, declared_type: str | None = None, limits: Limits = Limits()) -> Photo:
    """Read one photo.

    Args:
        data: a whole PNG, JPEG or WebP file.
        declared_type: the media type the sender named, when one was named; parameters behind ``;`` are ignored.

    Raises:
        Refused: with the leaf classes of this module; no other error, for any bytes.
    """
    if not data:
        raise PhotoEmpty("There is no photo.", field="body", value="0 bytes", remedy=_SEND_A_PHOTO)
    if len(data) > limits.max_bytes:
        raise _too_large(len(data), limits)
    media_type = media_type_of(data)
    if media_type is None:
        raise PhotoFormatUnknown(
            f"This is no photo: it looks like {looks_like(data)}.",
            field="body",
            value=looks_like(data),
            remedy=_SEND_A_PHOTO,
        )
    if declared_type is not None and _bare(declared_type) != media_type:
        raise PhotoTypeMismatch(
            f"The photo is {media_type}, and was declared as something else.",
            field="Content-Type",
            value=declared_type,
            remedy=f"Send it with Content-Type: {media_type}.",
        )
    try:
        header = read_header(data)
    except HeaderError as error:
        raise _broken(media_type, str(error)) from error
    _refuse_by_header(header, limits)
    scans = data.count(_JPEG_SCAN) if media_type == "image/jpeg" else 0
    if scans > _MAX_JPEG_SCANS:
        raise PhotoTooManyScans(
            f"The JPEG is drawn in more than {_MAX_JPEG_SCANS} scans.",
            field="body",
            value=f"{scans} scans",
            remedy="Save it as an ordinary JPEG and send it again.",
        )
    return _decode_pixels(media_type, header)


def read_file(path: Path, *, limits: Limits = Limits()) -> bytes:
    """The bytes of a photo's file; of one that is too large no more is read than tells so.

    Raises:
        PhotoTooLarge, OSError
    """
    with path.open("rb") as file:
        data = file.read(limits.max_bytes + 1)
        if len(data) > limits.max_bytes:
            raise _too_large(os.fstat(file.fileno()).st_size, limits)
    return data


def encode(photo: Photo) -> bytes:
    """A lossless PNG of what is inside the region, without metadata; what lies outside becomes 0, fully transparent."""
    inside = photo.mask[..., None]
    rgb = photo.rgb * inside
    whole = photo.mask.all()
    pixels = rgb if whole else np.concatenate([rgb, inside * np.uint8(255)], axis=2)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=3)  # the default, 6, saves little more and takes far longer
    return out.getvalue()


def _too_large(size: int, limits: Limits) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"The photo is larger than {limits.max_bytes:,} bytes.",
        field="body",
        value=f"{size:,} bytes",
        remedy="Crop it to the eyelid, or save it with a lower JPEG quality, and send it again.",
    )


def _bare(media_type: str) -> str:
    bare = media_type.partition(";")[0].strip().lower()
    return "image/jpeg" if bare == "image/jpg" else bare  # never registered, but what some phones say


def _refuse_by_header(header: Header, limits: Limits) -> None:
    size = f"{header.width} x {header.height}"
    if header.width * header.height > limits.max_pixels or max(header.width, header.height) > limits.max_side_pixels:
        raise PhotoTooManyPixels(
            f"The photo has more than {limits.max_pixels:,} pixels or a side over {limits.max_side_pixels:,}.",
            field="body",
            value=size,
            remedy="Choose a smaller picture size in the camera, or crop the photo to the eyelid.",
        )
    if not header.width * header.height:
        raise _broken("photo", f"it says that it is {size} pixels")
    if header.animated:
        raise PhotoAnimated(
            "The photo has more than one frame.",
            field="body",
            value="animated",
            remedy="Send a single still photo.",
        )
    if not header.colour:
        raise PhotoWithoutColour(
            "The photo is stored in shades of grey, and pallor can only be seen in colour.",
            field="body",
            value="greyscale",
            remedy="Switch off the camera's black-and-white mode and take the photo again.",
        )


def _decode_pixels(media_type: str, header: Header) -> Photo:
    try:
        with _READERS[media_type](io.BytesIO(header.pixels)) as image:
            if image.size != (header.width, header.height):
                raise _broken(media_type, "its parts state different sizes")
            image.load()
            has_alpha = image.has_transparency_data
            alpha = image.convert("RGBA").getchannel("A") if has_alpha else None
            rgb = _as_srgb(image, header.icc)
            if header.orientation in _UPRIGHT:
                turn = _UPRIGHT[header.orientation]
                rgb, alpha = rgb.transpose(turn), None if alpha is None else alpha.transpose(turn)
            pixels = np.array(rgb)
            mask = np.ones(pixels.shape[:2], bool) if alpha is None else np.asarray(alpha) >= OPAQUE_FROM
    except (MemoryError, Refused):
        raise
    except Exception as error:  # a decoder given hostile bytes may raise anything: this is the adapter's one door
        raise _broken(media_type, "its pixels cannot be read") from error
    if not mask.any():
        raise RegionEmpty(
            "The photo marks no region: it is transparent everywhere.",
            field="body",
            value="0 pixels in the region",
            remedy="Mark the inner lower eyelid again, or send the photo without transparency.",
        )
    return Photo(pixels, mask)


def _as_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    plain = image.convert("RGB")
    if icc is None:
        return plain
    try:
        converted = ImageCms.profileToProfile(
            image if image.mode == "CMYK" else plain,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return plain  # a damaged or foreign profile is no reason to send a child home without an answer
    return converted or plain


def _broken(media_type: str, why: str) -> PhotoBroken:
    return PhotoBroken(
        f"The photo is damaged or incomplete: {why}.",
        field="body",
        value=f"a damaged {media_type}",
        remedy="Send it again; if it is refused again, take a new photo.",
    )
