"""Is this the same photo again? 64 bits of the region's coarse pattern, the same however the photo is turned.

The signs of the lowest cosine frequencies of the region's brightness (pHash: Zauner 2010), after the photo was brought
into one of its eight possible positions. It finds a photo that was sent again, re-encoded, resized, flipped or turned
by quarters; it does not find one that was marked anew or turned by a few degrees: ``benchmarks.quality`` says how many.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pallor.image.decode import Photo
from pallor.image.preprocess import tight, without_rim

NEAR_BITS = 3  # hashes at most this far apart are the same photo; ``bands`` depends on it
_BANDS = NEAR_BITS + 1
_GRID = 32  # the pattern is looked at on this many points a side
_BLOCK = 8  # lowest frequencies a side that make the hash
_PLACE = np.arange(_GRID)
_COSINES = np.cos(np.pi / (2 * _GRID) * _PLACE[:, None] * (2 * _PLACE + 1))
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def perceptual_hash(photo: Photo) -> str:
    """16 hexadecimal digits; compare them with ``hamming``."""
    frequencies = _into_one_position(_frequencies(_pattern(photo)))
    block = frequencies[:_BLOCK, :_BLOCK].ravel()[1:]  # the first is the mean, which is zero by construction
    bits = np.append(block, frequencies[0, _BLOCK]) > 0
    return np.packbits(bits).tobytes().hex()


def hamming(a: str, b: str) -> int:
    """How many of the 64 bits differ, 0..64."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def bands(h: str) -> tuple[int, int, int, int]:
    """The hash cut into four numbers of 16 bits: two hashes at most ``NEAR_BITS`` apart share at least one of them.

    Three differing bits cannot fall into all four bands, so four indexed columns find every near photo.
    """
    first, second, third, fourth = (int(h[at : at + 4], 16) for at in range(0, 4 * _BANDS, 4))
    return first, second, third, fourth


def _pattern(photo: Photo) -> NDArray[np.float32]:
    """(32, 32): brightness of the region less its mean, landscape, 0 outside."""
    region = tight(photo)
    inner = without_rim(region.mask, 1)  # every resizing mixes the outermost pixels with what lay outside
    mask = inner if inner.any() else region.mask
    luma = region.rgb.astype(np.float32) @ _LUMA.astype(np.float32)
    pattern = np.where(mask, luma - luma[mask].mean(), 0).astype(np.float32)
    landscape = pattern if pattern.shape[1] >= pattern.shape[0] else np.rot90(pattern)
    small = Image.fromarray(np.ascontiguousarray(landscape)).resize((_GRID, _GRID), Image.Resampling.BILINEAR)
    return np.asarray(small)


def _frequencies(pattern: NDArray[np.float32]) -> NDArray[np.float64]:
    """The two-dimensional discrete cosine transform (type II, not scaled)."""
    return np.asarray(_COSINES @ pattern @ _COSINES.T)


def _into_one_position(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flipping a photo negates its odd frequencies: flip until the lowest two are positive."""
    odd = np.where(_PLACE % 2, -1.0, 1.0)
    if frequencies[0, 1] < 0:
        frequencies = frequencies * odd
    if frequencies[1, 0] < 0:
        frequencies = frequencies * odd[:, None]
    return frequencies
