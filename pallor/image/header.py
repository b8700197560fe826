"""What a file says about itself before a pixel is decoded: format, size, frames, orientation, colour profile.

Read here by hand and not by Pillow, for three reasons: the size is known before anything is allocated, damaged
metadata in a sound photo neither warns nor refuses, and Pillow is handed the pixels without the metadata.
Sources: PNG 3rd edition (W3C), ITU-T T.81 (JPEG), RFC 9649 (WebP), Exif 2.32.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LOOKS_LIKE = (
    (b"PK\x03\x04", "a zip archive"),
    (b"%PDF-", "a PDF document"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF or raw camera image"),
    (b"MM\x00*", "a TIFF or raw camera image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"RIFF", "a sound or video file"),
)
_BRANDS = dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "a HEIC image"
) | dict.fromkeys((b"avif", b"avis"), "an AVIF image")
_MAX_PROFILE_BYTES = 4 << 20  # the largest profiles in the field (CMYK press) are below 3 MB; a zlib bomb is not


class HeaderError(Exception):
    """The file breaks off or contradicts its own format. Stays inside ``pallor.image``."""


@dataclass(frozen=True)
class Header:
    """What one file says about itself.

    Attributes:
        width, height: as stored, before ``orientation`` is applied.
        orientation: Exif, 1..8; 1 is upright, and stands for a missing or damaged entry.
        icc: the embedded colour profile, or None.
        pixels: a file of the same format that holds the pixels and none of the metadata.
    """

    width: int
    height: int
    colour: bool
    animated: bool
    orientation: int
    icc: bytes | None
    pixels: bytes


def media_type_of(data: bytes) -> str | None:
    """``image/png``, ``image/jpeg`` or ``image/webp`` by the first bytes, None for anything else."""
    if data.startswith(_PNG_SIGNATURE):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def looks_like(data: bytes) -> str:
    """Name for a human what a file that is no photo of ours seems to be."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "a video")
    for start, name in _LOOKS_LIKE:
        if data.startswith(start):
            return name
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "text" if text and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text) else "an unknown format"


def read_header(data: bytes) -> Header:
    """Read the header of a PNG, JPEG or WebP file (``media_type_of`` is not None).

    Raises:
        HeaderError: the file is truncated, a checksum fails, or its parts contradict each other.
    """
    reader = {"image/png": _read_png, "image/jpeg": _read_jpeg, "image/webp": _read_webp}[media_type_of(data) or ""]
    try:
        return reader(data)
    except (struct.error, IndexError) as error:
        raise HeaderError("it breaks off") from error


def _read_png(data: bytes) -> Header:
    width = height = colour_type = frames = 0
    orientation, icc = 1, None
    kept = [_PNG_SIGNATURE]
    for kind, body, whole in _png_chunks(data):
        if len(kept) == 1:
            if kind != b"IHDR":
                raise HeaderError("its first chunk is not the header")
            width, height, _, colour_type = struct.unpack_from(">IIBB", body)
        if kind in {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}:
            kept.append(whole)
        elif kind == b"acTL":
            (frames,) = struct.unpack_from(">I", body)
        elif kind == b"eXIf":
            orientation = _orientation(body)
        elif kind == b"iCCP":
            icc = _inflated(body.partition(b"\0")[2][1:])
    return Header(width, height, bool(colour_type & 2), frames > 1, orientation, icc, b"".join(kept))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    at, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(body, zlib.crc32(kind)) != crc:
            raise HeaderError("a checksum inside it does not match")
        yield kind, body, data[at : at + 12 + length]
        at += 12 + length


def _inflated(packed: bytes) -> bytes | None:
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(packed, _MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if stream.eof else None


def _read_jpeg(data: bytes) -> Header:
    width = height = components = 0
    orientation, profile = 1, dict[int, bytes]()
    kept = [data[:2]]
    at = 2
    while True:
        if data[at] != 0xFF:
            raise HeaderError("a marker is missing")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte (T.81, B.1.1.2)
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a body
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body, whole = data[at + 4 : at + 2 + length], data[at : at + 2 + length]
        if length < 2 or len(whole) < 2 + length:
            raise HeaderError("it breaks off")
        if marker == 0xDA:
            break
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            if width:  # the last one would win in Pillow: a small size to be judged, a huge one to be decoded
                raise HeaderError("it states its size twice")
            height, width, components = struct.unpack_from(">xHHB", body)
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            profile[body[12]] = body[14:]
        if marker in {0xE0, 0xEE} or not (0xE0 <= marker <= 0xEF or marker == 0xFE):  # JFIF, Adobe say the colour model
            kept.append(whole)
        at += 2 + length
    icc = b"".join(profile[number] for number in sorted(profile)) or None
    # A second picture behind the first (MPO: phones store a preview there) is never reached.
    return Header(width, height, components >= 3, False, orientation, icc, b"".join([*kept, data[at:]]))


def _read_webp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise HeaderError("it breaks off")
    width = height = 0
    animated, orientation, icc = False, 1, None
    at = 12
    while at + 8 <= size + 8:
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"VP8X":
            animated = bool(body[0] & 0x02)
            width, height = (1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7))
        elif kind == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
        elif kind == b"VP8L" and not width:
            (bits,) = struct.unpack_from("<I", body, 1)
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"ANMF":
            animated = True
        elif kind == b"ICCP":
            icc = body[:_MAX_PROFILE_BYTES]
        elif kind == b"EXIF":
            orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    # Pillow reads a WebP's metadata only when asked to, so the file can go to it as it is.
    return Header(width, height, True, animated, orientation, icc, data)


def _orientation(tiff: bytes) -> int:
    """Tag 0x0112 of the first directory; 1 when it is missing, damaged or out of range."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, at)
        for entry in range(entries):
            tag, kind, value = struct.unpack_from(order + "HH4xH", tiff, at + 2 + 12 * entry)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
