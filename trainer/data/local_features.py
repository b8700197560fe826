"""What is remembered of a photo to know it again: where its vessels and spots lie, and how each looks.

The photo is brought to a working size and its brightness evened out, since an everted lid has hardly any contrast;
then SIFT (Lowe 2004, in OpenCV) finds and describes its points. All of it depends on this one photo alone.
"""

import io
import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from pallor.digest import digest_of
from pallor.image.decode import Photo
from pallor.image.preprocess import tight

Floats = NDArray[np.float32]

SIDE = 110  # the region gets the area of a square of this many pixels: vessels are a few pixels wide then
MOST_POINTS = 200
_MOST_ENLARGED = 4.0
_MARGIN = 16
_COARSE_PX = 6.0  # light that changes over more than this is evened out; what is finer is detail
_LEAST_CONTRAST = 0.01  # of SIFT's points: a quarter of its default, for soft photos
_MOST_EDGE = 20.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

# Features that were kept are used again only where nothing of this changed.
SETTINGS = digest_of(
    [cv2.__version__, SIDE, MOST_POINTS, _MOST_ENLARGED, _MARGIN, _COARSE_PX, _LEAST_CONTRAST, _MOST_EDGE]
)


@dataclass(frozen=True, eq=False)
class Features:
    """One photo at working size, and its n points.

    Attributes:
        photo: what is outside its mask is black.
        places: (n,) complex, x + iy in pixels of ``photo``.
        sizes, angles: (n,) of each point, in pixels and radians.
        looks: (n, 128) uint8, SIFT's descriptors.
    """

    photo: Photo
    places: NDArray[np.complex64]
    sizes: Floats
    angles: Floats
    looks: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def detail(self) -> Floats:
        """(H, W): brightness less that of the surroundings, in standard deviations of the surroundings; 0 outside."""
        return _detail(self.photo)


def describe(photo: Photo) -> Features:
    """The features of a photo of any size; none where nothing can be told apart."""
    small = _at_working_size(photo)
    contrast = np.clip(128 + 40 * _detail(small), 0, 255).astype(np.uint8)
    sift = cv2.SIFT.create(nfeatures=MOST_POINTS, contrastThreshold=_LEAST_CONTRAST, edgeThreshold=_MOST_EDGE)
    points, looks = sift.detectAndCompute(contrast, without_rim(small.mask, 2).astype(np.uint8))
    return Features(
        photo=small,
        places=np.array([complex(*point.pt) for point in points], np.complex64),
        sizes=np.array([point.size for point in points], np.float32),
        angles=np.deg2rad(np.array([point.angle for point in points], np.float32)),
        looks=np.zeros((0, 128), np.uint8) if looks is None else np.rint(looks).astype(np.uint8),
    )


def without_rim(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """The mask without its outermost pixels, which every resizing mixes with what lay outside."""
    side = 2 * pixels + 1
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def mirrored(looks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The descriptors that the same points would have in the mirrored photo: 4 by 4 cells of 8 directions each."""
    cells = looks.reshape(-1, 4, 4, 8)
    return cells[:, ::-1][..., -np.arange(8) % 8].reshape(-1, 128)


def save(features: Features, path: Path) -> None:
    """A kill leaves the whole file or none."""
    pixels = np.dstack([features.photo.rgb, features.photo.mask * np.uint8(255)])
    file = io.BytesIO()
    np.savez_compressed(
        file, pixels=pixels, places=features.places, sizes=features.sizes, angles=features.angles, looks=features.looks
    )
    staged = path.with_suffix(f".{os.getpid()}.part")
    staged.write_bytes(file.getvalue())
    staged.replace(path)


def load(path: Path) -> Features:
    """What ``save`` wrote."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        photo = Photo(np.ascontiguousarray(kept["pixels"][..., :3]), kept["pixels"][..., 3] > 0)
        return Features(photo, kept["places"], kept["sizes"], kept["angles"], kept["looks"])


def is_kept(path: Path) -> bool:
    """Whether ``save`` has written this file, and nothing has spoilt it since."""
    try:
        load(path)
    except (OSError, ValueError, LookupError, EOFError, BadZipFile, zlib.error):
        return False
    return True


def _at_working_size(photo: Photo) -> Photo:
    region = tight(photo)
    scale = min(SIDE / np.sqrt(np.count_nonzero(region.mask)), _MOST_ENLARGED)
    width, height = (max(1, round(side * scale)) for side in region.mask.shape[::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rgb = cv2.resize(region.rgb * region.mask[..., None], (width, height), interpolation=how)
    mask = cv2.resize(region.mask.astype(np.float32), (width, height)) > 0.99
    around = (_MARGIN, _MARGIN)
    return Photo(
        np.pad(rgb * mask[..., None], (around, around, (0, 0))).astype(np.uint8), np.pad(mask, (around, around))
    )


def _detail(photo: Photo) -> Floats:
    inside = without_rim(photo.mask, 1).astype(np.float32)
    luma = photo.rgb.astype(np.float32) @ _LUMA * inside
    fine = (luma - _mean_around(luma, inside, _COARSE_PX)) * inside
    spread = np.sqrt(_mean_around(fine**2, inside, _COARSE_PX * 5 / 3) + 1)
    return np.asarray(fine / spread, np.float32)


def _mean_around(values: Floats, inside: Floats, sigma_px: float) -> Floats:
    """The mean around each pixel of what lies inside."""
    total = cv2.GaussianBlur(values, (0, 0), sigma_px)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma_px), 1e-3), np.float32)
