"""Builders of photos and files, valid by default, and the way to the real ones."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pallor.image.decode import Photo

_BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared" / "data" / "cp-anemic"


def tissue(height: int = 96, width: int = 224, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width, 3): pinkish, with soft texture and a little noise, neither dark nor bright nor blurred."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    vessels = 18 * np.sin(x / 5 + 4 * np.sin(y / 9)) * np.sin(y / 4)
    grey = vessels + rng.normal(0, 4, (height, width))
    return np.clip(np.array([190, 120, 110]) + grey[..., None], 0, 255).astype(np.uint8)


def crescent(height: int = 96, width: int = 224) -> NDArray[np.bool_]:
    """(height, width): the lower half of a ring, as a region of interest looks."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (x**2 + (y / 0.95) ** 2 < 1) & (x**2 + (y + 1) ** 2 > 0.9) & (y > -0.9)


def a_photo(*, height: int = 96, width: int = 224, seed: int = 0, whole: bool = False) -> Photo:
    mask = np.ones((height, width), bool) if whole else crescent(height, width)
    return Photo(tissue(height, width, seed), mask)


def file_of(pixels: NDArray[np.generic] | Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file as Pillow writes it."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def cp_anemic() -> Path:
    """The folder of real photos: ``PALLOR_CP_ANEMIC``, else beside the repository; skips the test without one."""
    folder = Path(os.environ.get("PALLOR_CP_ANEMIC", _BESIDE_THE_REPOSITORY))
    if not (folder / "same_photo_groups.csv").is_file():
        pytest.skip("needs the CP-AnemiC photos: set PALLOR_CP_ANEMIC to their folder")
    return folder
