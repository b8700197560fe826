"""Another photo of the same eyelid: flipped, turned, nearer, in another light, by another phone. Drawn, then applied.

Only what lies inside the region changes its light: the neutral ground stays neutral, or it would tell the light.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.recipe import Augmentation

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Draw:
    """One outcome of chance.

    Attributes:
        gains: factor on the encoded (gamma) red, green, blue.
        white_balance: how far a phone that takes the world for grey on average pulls the region's mean colour to grey:
            0 not at all, 1 all the way.
        jpeg_quality: of a file that it was stored as on its way; None for none.
    """

    mirror: bool = False
    upside_down: bool = False
    degrees: float = 0.0
    scale: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    white_balance: float = 0.0
    jpeg_quality: int | None = None


def draw(rng: np.random.Generator, how: Augmentation) -> Draw:
    """Draw one change; every number's range is the recipe's."""
    exposure = rng.uniform(-how.exposure_stops, how.exposure_stops)
    illuminant = rng.uniform(-how.illuminant_stops, how.illuminant_stops, 3)
    red, green, blue = (float(2.0**stops) for stops in exposure + illuminant)
    balance = float(rng.uniform(0, how.max_white_balance))
    quality = int(rng.integers(how.min_jpeg_quality, 100, endpoint=True))
    return Draw(
        mirror=bool(rng.random() < how.mirror_share),
        upside_down=bool(rng.random() < how.upside_down_share),
        degrees=float(rng.uniform(-how.max_degrees, how.max_degrees)),
        scale=float(rng.uniform(how.min_scale, how.max_scale)),
        gains=(red, green, blue),
        white_balance=balance if rng.random() < how.white_balance_share else 0.0,
        jpeg_quality=quality if rng.random() < how.jpeg_share else None,
    )


def render(image: Pixels, neutral: tuple[int, int, int], change: Draw) -> Pixels:
    """Apply a draw to one laid-out photo.

    Args:
        image: (S, S, 3), background exactly ``neutral``.
        neutral: the background's sRGB; a pixel of exactly this colour counts as background.

    Returns:
        (S, S, 3), background ``neutral``.
    """
    turned = _moved(image, neutral, change)
    inside = cv2.bitwise_not(cv2.inRange(turned, neutral, neutral)).astype(np.uint8, copy=False)
    lit = _lit(turned, inside, change)
    if change.jpeg_quality is not None:
        lit = _stored(lit, inside, change.jpeg_quality)
    ground = np.full_like(turned, neutral)
    cv2.copyTo(lit, inside, ground)
    return ground


def _moved(image: Pixels, neutral: tuple[int, int, int], change: Draw) -> Pixels:
    """Flipped, then turned and scaled about the centre."""
    rows = slice(None, None, -1 if change.upside_down else 1)
    columns = slice(None, None, -1 if change.mirror else 1)
    flipped = np.ascontiguousarray(image[rows, columns])
    middle = (len(image) - 1) / 2
    motion = cv2.getRotationMatrix2D((middle, middle), change.degrees, change.scale)
    size = (len(image), len(image))
    return cv2.warpAffine(flipped, motion, size, flags=cv2.INTER_LINEAR, borderValue=neutral).astype(
        np.uint8, copy=False
    )


def _lit(image: Pixels, inside: Pixels, change: Draw) -> Pixels:
    gains = np.array(change.gains)
    if change.white_balance:
        mean = np.maximum(np.array(cv2.mean(image, inside)[:3]), 1.0)
        gains = gains * (mean.mean() / mean) ** change.white_balance
    table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None]).astype(np.uint8, copy=False)


def _stored(image: Pixels, inside: Pixels, quality: int) -> Pixels:
    """As JPEG gives it back. Around the region its own mean colour, or the ground's edge would ring into it."""
    filled = np.full_like(image, np.array(cv2.mean(image, inside)[:3]))
    cv2.copyTo(image, inside, filled)
    _, file = cv2.imencode(".jpg", filled[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8)
