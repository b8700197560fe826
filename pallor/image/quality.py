"""Is this photo good enough to score? Judged inside the region only, and blind to how pale the tissue is.

Nothing here may refuse a photo for being pale: that would refuse the sickest. So light is read from the red channel,
which blood hardly absorbs, and glare is white against the region's own colour. Blur is a ratio of fine to coarse
detail, taken twice: in log luminance, and in log(red / green), where blood writes and uneven light does not. Pale
tissue has less of both kinds of detail, and the ratio stays; where little blood is left to see, the second ratio is
that of noise, which is sharp. A photo is blurred only when both say so, so doubt lets it pass. Where there is next to
no detail at all (a wall, a card, a photo far out of focus) a ratio says nothing, and the photo is refused.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pallor.image.decode import Photo
from pallor.image.preprocess import tight

QUALITY_VERSION = "2"  # travels with each verdict; changes when a measure or a limit does

RETAKE_WORDS = {
    "region-too-small": "The eyelid is too small in the photo: go closer and take it again.",
    "too-dark": "The photo is too dark: turn to the light and take it again.",
    "too-bright": "The photo is too bright: move out of direct light, switch the flash off and take it again.",
    "glare": "Light is mirrored on the wet eyelid: change the angle a little and take it again.",
    "blurred": "The photo is blurred: hold the phone still, let it focus and take it again.",
}

_MIN_REGION_PIXELS = 1_000
_MIN_RED_LEVEL = 64
_MAX_CLIPPED_SHARE = 0.80
_MAX_GLARE_SHARE = 0.10
_MIN_SHARPNESS = 0.415
_MIN_DETAIL = 1e-3  # in log luminance, a fraction of what the palest drawn tissue and the softest real photos have

_CLIPPED_FROM = 250
_WHITE_FROM = 225
_WHITER_THAN_REGION = 40
_JUDGED_SIDE = 256  # about a model's input: detail too fine for it is not missed
_RIM_PIXELS = 5  # at the rim of the mask, skin and eyeball blur into the region and would pass for detail
_MIN_CORE_PIXELS = 200
_TOO_FAINT = 5e-4  # detail below this, in log units, is as good as none
_SIGMAS = (1.0, 2.0, 4.0)  # detail lies between one and the next
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

Array = NDArray[np.float32]


def limits() -> dict[str, object]:
    """Every number that a verdict hangs on, as JSON values: for those who judge in another language."""
    return {
        "version": QUALITY_VERSION,
        "reasons": list(RETAKE_WORDS),
        "min_region_pixels": _MIN_REGION_PIXELS,
        "min_red_level": _MIN_RED_LEVEL,
        "max_clipped_share": _MAX_CLIPPED_SHARE,
        "max_glare_share": _MAX_GLARE_SHARE,
        "min_sharpness": _MIN_SHARPNESS,
        "min_detail": _MIN_DETAIL,
        "clipped_from": _CLIPPED_FROM,
        "white_from": _WHITE_FROM,
        "whiter_than_region": _WHITER_THAN_REGION,
        "judged_side": _JUDGED_SIDE,
        "rim_pixels": _RIM_PIXELS,
        "min_core_pixels": _MIN_CORE_PIXELS,
        "too_faint": _TOO_FAINT,
        "sigmas": list(_SIGMAS),
    }


@dataclass(frozen=True)
class Quality:
    """What was measured inside the region, and what follows from it.

    Attributes:
        reasons: codes of ``RETAKE_WORDS``, empty when the photo passed.
        region_pixels: count.
        red_level: median of the red channel, 0..255.
        clipped_share: of pixels whose red is at its limit, 0..1.
        glare_share: of pixels that mirror the lamp, 0..1.
        sharpness: fine over coarse detail; around 0.6 in focus, towards 0.3 when blurred.
        detail: fine detail in log luminance, root mean square.
    """

    reasons: tuple[str, ...]
    region_pixels: int
    red_level: float
    clipped_share: float
    glare_share: float
    sharpness: float
    detail: float

    @property
    def passed(self) -> bool:
        """True when nothing speaks against scoring the photo."""
        return not self.reasons

    def to_json(self) -> dict[str, object]:
        """The verdict as JSON values."""
        return {
            "version": QUALITY_VERSION,
            "passed": self.passed,
            "reasons": list(self.reasons),
            "region_pixels": self.region_pixels,
            "red_level": round(self.red_level, 1),
            "clipped_share": round(self.clipped_share, 4),
            "glare_share": round(self.glare_share, 4),
            "sharpness": round(self.sharpness, 4),
            "detail": round(self.detail, 5),
        }


def judge(photo: Photo) -> Quality:
    """Measure one photo; never raises, and never looks outside the region."""
    inside = photo.rgb[photo.mask]
    red, white = inside[:, 0], inside.min(axis=1)
    pixels = len(inside)
    red_level = float(np.median(red))
    clipped = float(np.mean(red >= _CLIPPED_FROM))
    glare = float(np.mean(white >= max(_WHITE_FROM, float(np.median(white)) + _WHITER_THAN_REGION)))
    sharpness, detail = _sharpness(photo)
    verdicts = {
        "region-too-small": pixels < _MIN_REGION_PIXELS,
        "too-dark": red_level < _MIN_RED_LEVEL,
        "too-bright": clipped > _MAX_CLIPPED_SHARE,
        "glare": glare > _MAX_GLARE_SHARE,
        "blurred": sharpness < _MIN_SHARPNESS or detail < _MIN_DETAIL,
    }
    reasons = tuple(code for code, holds in verdicts.items() if holds)
    return Quality(reasons, pixels, red_level, clipped, glare, sharpness, detail)


def _sharpness(photo: Photo) -> tuple[float, float]:
    """Fine over coarse detail, the larger of the two ratios; and fine detail in light by itself."""
    rgb, mask = _at_judged_size(photo)
    core = _without_rim(mask)
    bands = rgb.astype(np.float32)
    red, green, light = (np.log(band + 8) for band in (bands[..., 0], bands[..., 1], bands @ _LUMA))
    in_light, in_blood = _details(light, mask, core), _details(red - green, mask, core)
    return max(_ratio(*in_light), _ratio(*in_blood)), in_light[0]


def _details(values: Array, mask: NDArray[np.bool_], core: NDArray[np.bool_]) -> tuple[float, float]:
    """Detail of one to two pixels, and of two to four, in root mean square (differences of Gaussians)."""
    level = values[mask].mean()
    layers = [_smoothed(np.where(mask, values - level, 0), mask, sigma) for sigma in _SIGMAS]
    fine, coarse = (float(np.sqrt(np.mean((sharper - softer)[core] ** 2))) for sharper, softer in pairwise(layers))
    return fine, coarse


def _ratio(fine: float, coarse: float) -> float:
    return float(np.hypot(fine, _TOO_FAINT) / np.hypot(coarse, _TOO_FAINT))


def _at_judged_size(photo: Photo) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    region = tight(photo)
    height, width = region.mask.shape
    scale = _JUDGED_SIDE / max(height, width)
    if scale >= 1:
        return region.rgb, region.mask
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rgb = Image.fromarray(region.rgb).resize(size, Image.Resampling.BOX)
    mask = Image.fromarray(region.mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    whole = np.asarray(mask) == 255  # a pixel mixed with the outside would bring it in
    return (np.asarray(rgb), whole) if whole.any() else (region.rgb, region.mask)


def _without_rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = Image.fromarray(np.pad(mask, _RIM_PIXELS).astype(np.uint8))
    inner = slice(_RIM_PIXELS, -_RIM_PIXELS)
    core = np.asarray(padded.filter(ImageFilter.MinFilter(2 * _RIM_PIXELS + 1)))[inner, inner] > 0
    return core if np.count_nonzero(core) >= _MIN_CORE_PIXELS else mask


def _smoothed(values: Array, mask: NDArray[np.bool_], sigma: float) -> Array:
    """Gaussian mean of the values inside the mask (normalized convolution), 0 outside it."""
    weight = _gaussian(mask.astype(np.float32), sigma)
    return np.divide(_gaussian(values, sigma), weight, out=np.zeros_like(values), where=mask)


def _gaussian(values: Array, sigma: float) -> Array:
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        around = [(reach, reach) if axis == other else (0, 0) for other in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, around), len(weights), axis)
        values = np.asarray(windows @ weights, np.float32)
    return values
