"""Lay one photo out as the model wants it, and bring what the model says of its input back onto the photo.

On the way in it is integer arithmetic: the same bytes on every machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pallor.errors import Refused
from pallor.image.decode import Photo
from pallor.image.spec import PreprocessSpec


class RegionTooSmall(Refused):
    """Fewer pixels inside the mask than ``spec.min_region_pixels``."""


@dataclass(frozen=True)
class Layout:
    """Where the region lies, rows before columns: in the photo, and on the model's input of ``size`` x ``size``."""

    region: tuple[slice, slice]
    placed: tuple[slice, slice]
    size: int

    def onto_photo(self, tiles: NDArray[np.floating]) -> NDArray[np.float32]:
        """Bring a coarse map of the input back to the photo's own pixels, between its values by bilinear weights.

        Args:
            tiles: (n, m), each the value of one of n x m equal tiles of the input; beyond the centres of the outermost
                tiles their values hold on.

        Returns:
            (rows, columns) of ``region``.
        """
        down, across = (
            _weights(*spans, self.size, count) for spans, count in zip(self._axes(), tiles.shape, strict=True)
        )
        spread: NDArray[np.float32] = down @ tiles.astype(np.float32) @ across.T
        return spread

    def _axes(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        return (self.region[0], self.placed[0]), (self.region[1], self.placed[1])


def to_input(spec: PreprocessSpec, photo: Photo) -> NDArray[np.uint8]:
    """Crop tightly around the region, keep its proportions, centre it on neutral ground.

    Args:
        spec: from the manifest of the release that will read the result.
        photo: upright; what lies outside its mask never reaches the model.

    Returns:
        (spec.size, spec.size, 3), sRGB; normalization is the graph's own work.

    Raises:
        RegionTooSmall: fewer than ``spec.min_region_pixels`` are inside the mask.
    """
    layout = lay_out(spec, photo.mask)
    neutral = np.array(spec.neutral, np.uint8)
    region = Photo(photo.rgb[layout.region], photo.mask[layout.region])
    on_neutral = Image.fromarray(np.where(region.mask[..., None], region.rgb, neutral))
    height, width = (placed.stop - placed.start for placed in layout.placed)
    # Pillow widens the bilinear kernel when it shrinks, which is what keeps fine vessels from aliasing.
    resized = np.asarray(on_neutral.resize((width, height), Image.Resampling.BILINEAR))
    laid_out = np.full((spec.size, spec.size, 3), neutral, np.uint8)
    laid_out[layout.placed] = resized
    return laid_out


def lay_out(spec: PreprocessSpec, mask: NDArray[np.bool_]) -> Layout:
    """Where ``to_input`` puts the region.

    Args:
        mask: (H, W) of the photo.

    Raises:
        RegionTooSmall: fewer than ``spec.min_region_pixels`` are inside the mask.
    """
    pixels = int(np.count_nonzero(mask))
    if pixels < spec.min_region_pixels:
        raise RegionTooSmall(
            f"The marked region has fewer than {spec.min_region_pixels} pixels.",
            field="body",
            value=f"{pixels} pixels in the region",
            remedy="Take the photo from closer up, so that the inner lower eyelid fills it.",
        )
    region = _box(mask)
    sides = [span.stop - span.start for span in region]
    scale = spec.size * (1 - 2 * spec.margin) / max(sides)
    down, across = (_centred(max(1, round(side * scale)), spec.size) for side in sides)
    return Layout(region, (down, across), spec.size)


def tight(photo: Photo) -> Photo:
    """The photo cropped to the smallest box that holds its region."""
    box = _box(photo.mask)
    return Photo(photo.rgb[box], photo.mask[box])


def without_rim(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Where the mask and all within so many rows and columns are inside; beyond the photo nothing is."""
    for _ in range(2):  # along the rows' axis, then along the other
        rows = len(mask)
        padded = np.zeros((rows + 2 * pixels, mask.shape[1]), bool)
        padded[pixels : pixels + rows] = mask
        mask = np.logical_and.reduce([padded[at : at + rows] for at in range(2 * pixels + 1)]).T
    return mask


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _centred(length: int, size: int) -> slice:
    start = (size - length) // 2
    return slice(start, start + length)


def _weights(region: slice, placed: slice, size: int, tiles: int) -> NDArray[np.float32]:
    """(pixels of the region, tiles) along one axis: how much each tile counts at each pixel; a row sums to 1."""
    pixels = region.stop - region.start
    # Pillow lays continuous coordinates on each other, the centre of pixel i at i + 0.5, end on end; so does this.
    on_input = placed.start + (np.arange(pixels) + 0.5) * (placed.stop - placed.start) / pixels
    on_tiles = np.clip(on_input * tiles / size - 0.5, 0, tiles - 1)
    weights: NDArray[np.float32] = np.maximum(0, 1 - np.abs(on_tiles[:, None] - np.arange(tiles))).astype(np.float32)
    return weights
