"""A drawn eye in a camera's frame: the everted lid of ``pallor.image.synthetic`` with eyeball, iris and skin around it.

For what must find the lid by itself, as a phone does; the lid's own pixels are those of ``render``, only larger.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pallor.image.decode import Photo
from pallor.image.synthetic import Draw, render

_IRIS, _PUPIL, _UPPER_LID = (0.42, 0.34, 0.30), (0.12, 0.12, 0.12), (0.92, 0.78, 0.70)  # of what the eyeball reflects


@dataclass(frozen=True)
class Frame:
    """How the eye lies in the picture.

    Attributes:
        width, height: pixels.
        length: of the lid from corner to corner, as a share of the width.
        right, down: of the lid's middle, as shares of width and height.
    """

    width: int = 1080
    height: int = 1440
    length: float = 0.62
    right: float = 0.5
    down: float = 0.5


def look(chance: Draw, frame: Frame) -> Photo:
    """What the camera sees; the mask is the region as ``render`` marks it.

    Returns:
        (frame.height, frame.width), sRGB.
    """
    scale = frame.length * frame.width / chance.length_px
    reach = math.ceil(max(_reach(frame.width, frame.right), _reach(frame.height, frame.down)) / scale)
    seen = render(chance, around_px=reach)
    rows, columns = seen.mask.shape
    left, top = columns / 2 - frame.right * frame.width / scale, rows / 2 - frame.down * frame.height / scale
    box = (left, top, left + frame.width / scale, top + frame.height / scale)
    size = (frame.width, frame.height)
    rgb = Image.fromarray(seen.rgb).resize(size, Image.Resampling.BICUBIC, box)
    mask = Image.fromarray(seen.mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR, box)
    shade = _shade(frame, chance)
    return Photo(np.rint(np.asarray(rgb) * shade).astype(np.uint8), np.asarray(mask) >= 128)


def _reach(side: int, at: float) -> float:
    return side * max(at, 1 - at)


def _shade(frame: Frame, chance: Draw) -> NDArray[np.float32]:
    """(H, W, 3): what iris, pupil and the upper lid leave of the light, 0..1."""
    length = frame.length * frame.width
    x, y = frame.right * frame.width, frame.down * frame.height
    middle_of_eye = y - length * (0.36 + chance.sag_px / chance.length_px / 2)
    picture = Image.new("RGB", (frame.width, frame.height), "white")
    draw = ImageDraw.Draw(picture)
    for radius, colour in ((0.17, _IRIS), (0.07, _PUPIL)):
        r = radius * length
        draw.ellipse((x - r, middle_of_eye - r, x + r, middle_of_eye + r), _bytes(colour))
    draw.pieslice(
        (x - 1.5 * length, middle_of_eye - 2.6 * length, x + 1.5 * length, middle_of_eye - 0.1 * length),
        0, 360, _bytes(_UPPER_LID),
    )  # fmt: skip
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(length / 120)), np.float32) / np.float32(255)


def _bytes(shares: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * share) for share in shares)
    return red, green, blue
