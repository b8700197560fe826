"""Is this photo good enough to score? Judged inside the region only, and blind to how pale the tissue is.

Nothing here may refuse a photo for being pale: that would refuse the sickest. So light is read from the red channel,
which blood hardly absorbs, and glare is white against the region's own colour. Blur is a ratio of fine to coarse
detail, taken twice: in log luminance, and in log(red / green), where blood writes and uneven light does not. Pale
tissue has less of both kinds of detail, and the ratio stays; where little blood is left to see, the second ratio is
that of noise, which is sharp. A photo is blurred only when both say so, so doubt lets it pass. Where there is next to
no detail at all (a wall, a card, a photo far out of focus) a ratio says nothing, and the photo is refused.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from pallor.image.decode import Photo
from pallor.image.preprocess import tight, without_rim

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
_SIGMAS = (1.0, 2.0, 4.0)  # pixels, standard deviations of Gaussians; detail lies between one and the next
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BLOCK = 32  # rows that are smoothed by one multiplication

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
    core = _core(mask)
    bands = rgb.astype(np.float32)
    red, green, light = (np.log(band + 8) for band in (bands[..., 0], bands[..., 1], bands @ _LUMA))
    fine, coarse = _details(np.stack([light, red - green]), mask, core)
    ratios = np.hypot(fine, _TOO_FAINT) / np.hypot(coarse, _TOO_FAINT)
    return float(ratios.max()), float(fine[0])


def _details(planes: Array, mask: NDArray[np.bool_], core: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Detail of one to two pixels and of two to four, root mean square, of each plane (differences of Gaussians)."""
    level = planes[:, mask].mean(axis=1)
    layers = [_smoothed(planes - level[:, None, None], mask, sigma) for sigma in _SIGMAS]
    fine, coarse = (np.sqrt(np.mean((a - b)[:, core] ** 2, axis=1)) for a, b in pairwise(layers))
    return fine, coarse


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


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    core = without_rim(mask, _RIM_PIXELS)
    return core if np.count_nonzero(core) >= _MIN_CORE_PIXELS else mask


def _smoothed(planes: Array, mask: NDArray[np.bool_], sigma: float) -> Array:
    """Gaussian mean of each plane's values inside the mask (normalized convolution), 0 outside it."""
    *sums, weight = _gaussian(np.concatenate([planes * mask, mask[None].astype(np.float32)]), sigma)
    smoothed: Array = np.divide(sums, weight, out=np.zeros_like(planes), where=mask)
    return smoothed


def _gaussian(planes: Array, sigma: float) -> Array:
    for _ in range(2):  # along the rows' axis, then along the other
        planes = _smoothed_down(planes, sigma).swapaxes(1, 2)
    return planes


def _smoothed_down(planes: Array, sigma: float) -> Array:
    """Along the second axis, block by block: a block and what surrounds it, times weights that are the same for all."""
    weights, rows = _weights(sigma), planes.shape[1]
    reach = (weights.shape[1] - _BLOCK) // 2
    padded: Array = np.zeros((len(planes), rows + 2 * reach + -rows % _BLOCK, planes.shape[2]), planes.dtype)
    padded[:, reach : reach + rows] = planes
    blocks = sliding_window_view(padded, weights.shape[1], axis=1)[:, ::_BLOCK].swapaxes(2, 3)
    return (weights @ blocks).reshape(len(planes), -1, planes.shape[2])[:, :rows]


@cache
def _weights(sigma: float) -> Array:
    """(_BLOCK, _BLOCK and the Gaussian's reach on both sides): how much each row counts for each of a block."""
    reach = int(np.ceil(3 * sigma))
    gaussian = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    rows = [np.pad(gaussian / gaussian.sum(), (row, _BLOCK - 1 - row)) for row in range(_BLOCK)]
    return np.array(rows, np.float32)
