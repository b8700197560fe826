"""Lay one photo out as the model wants it. Integer arithmetic all the way: the same bytes on every machine."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pallor.errors import Refused
from pallor.image.decode import Photo
from pallor.image.spec import PreprocessSpec


class RegionTooSmall(Refused):
    """Fewer pixels inside the mask than ``spec.min_region_pixels``."""


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
    pixels = int(np.count_nonzero(photo.mask))
    if pixels < spec.min_region_pixels:
        raise RegionTooSmall(
            f"The marked region has fewer than {spec.min_region_pixels} pixels.",
            field="body",
            value=f"{pixels} pixels in the region",
            remedy="Take the photo from closer up, so that the inner lower eyelid fills it.",
        )
    neutral = np.array(spec.neutral, np.uint8)
    region = tight(photo)
    on_neutral = Image.fromarray(np.where(region.mask[..., None], region.rgb, neutral))
    inner = spec.size * (1 - 2 * spec.margin)
    scale = inner / max(on_neutral.size)
    width, height = (max(1, round(side * scale)) for side in on_neutral.size)
    # Pillow widens the bilinear kernel when it shrinks, which is what keeps fine vessels from aliasing.
    resized = np.asarray(on_neutral.resize((width, height), Image.Resampling.BILINEAR))
    laid_out = np.full((spec.size, spec.size, 3), neutral, np.uint8)
    top, left = (spec.size - height) // 2, (spec.size - width) // 2
    laid_out[top : top + height, left : left + width] = resized
    return laid_out


def tight(photo: Photo) -> Photo:
    """The photo cropped to the smallest box that holds its region."""
    rows, columns = np.flatnonzero(photo.mask.any(axis=1)), np.flatnonzero(photo.mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Photo(photo.rgb[box], photo.mask[box])
