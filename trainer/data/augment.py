"""Another photo of the same eyelid: flipped, turned, nearer, in another light. Drawn first, then applied.

Only what lies inside the region changes its light: the neutral ground stays neutral, or it would tell the light.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.recipe import Augmentation


@dataclass(frozen=True)
class Draw:
    """One outcome of chance. ``gains``: factor on the encoded (gamma) red, green, blue."""

    mirror: bool
    upside_down: bool
    degrees: float
    scale: float
    gains: tuple[float, float, float]


def draw(rng: np.random.Generator, how: Augmentation) -> Draw:
    """Draw one change; every number's range is the recipe's."""
    exposure = rng.uniform(-how.exposure_stops, how.exposure_stops)
    illuminant = rng.uniform(-how.illuminant_stops, how.illuminant_stops, 3)
    red, green, blue = (float(2.0**stops) for stops in exposure + illuminant)
    return Draw(
        mirror=bool(rng.random() < how.mirror_share),
        upside_down=bool(rng.random() < how.upside_down_share),
        degrees=float(rng.uniform(-how.max_degrees, how.max_degrees)),
        scale=float(rng.uniform(how.min_scale, how.max_scale)),
        gains=(red, green, blue),
    )


def render(image: NDArray[np.uint8], neutral: tuple[int, int, int], change: Draw) -> NDArray[np.uint8]:
    """Apply a draw to one laid-out photo.

    Args:
        image: (S, S, 3), background exactly ``neutral``.
        neutral: the background's sRGB; a pixel of exactly this colour counts as background.

    Returns:
        (S, S, 3), background ``neutral``.
    """
    rows = slice(None, None, -1 if change.upside_down else 1)
    columns = slice(None, None, -1 if change.mirror else 1)
    flipped = Image.fromarray(np.ascontiguousarray(image[rows, columns]))
    turned = np.asarray(
        flipped.transform(
            flipped.size,
            Image.Transform.AFFINE,
            _about_the_centre(flipped.width, change.degrees, change.scale),
            Image.Resampling.BILINEAR,
            fillcolor=neutral,
        )
    )
    inside = (turned != np.array(neutral, np.uint8)).any(axis=-1, keepdims=True)
    lit = np.clip(turned * np.array(change.gains), 0, 255).astype(np.uint8)
    return np.where(inside, lit, turned)


def _about_the_centre(side: int, degrees: float, scale: float) -> tuple[float, float, float, float, float, float]:
    """Pillow's affine numbers: from a pixel of the result back to the one it came from."""
    cos, sin = np.cos(np.radians(degrees)) / scale, np.sin(np.radians(degrees)) / scale
    half = side / 2
    return cos, sin, half - cos * half - sin * half, -sin, cos, half + sin * half - cos * half
