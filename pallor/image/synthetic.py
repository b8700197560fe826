"""Drawn photos of an inner lower eyelid, for demonstrations, tests and golden photos: nobody's eye, no one's data.

Chance is drawn first (``draw``), then applied (``render``, pure). The only field of a ``Draw`` that knows of
haemoglobin is ``redness`` (see ``pallor.image.population`` for what follows from that). Light enters pale tissue,
is absorbed by blood after Beer and Lambert, band by band, and comes back to a phone's camera; vessels hold more of the
same blood than the tissue around them, so their contrast follows redness too, whatever the lamp.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pallor.image.decode import Photo, encode
from pallor.image.population import draw_redness

Field = NDArray[np.float32]

# Absorption of oxygenated blood in a camera's red, green and blue band, green = 1: S. Prahl's tabulated extinction
# (omlc.org/spectra/hemoglobin) at 600, 540 and 460 nm is 0.06 : 1 : 0.84; red is raised for the band's orange flank.
_ABSORPTION = np.array([0.10, 1.0, 0.84], np.float32)
_BLOODLESS = np.array([0.80, 0.68, 0.52], np.float32)  # linear reflectance of the tissue itself, a little yellow
_SCLERA = np.array([0.74, 0.70, 0.66], np.float32)
_SKIN = np.array([0.70, 0.48, 0.36], np.float32)
_MELANIN = np.array([0.55, 0.85, 1.10], np.float32)
_MEAN_ABSORBANCE = 1.1  # of redness 0, in green
_ABSORBANCE_PER_REDNESS = 0.45  # log absorbance


@dataclass(frozen=True)
class Draw:
    """Everything chance decided about one photo.

    Attributes:
        redness: the latent r; all that depends on haemoglobin.
        length_px, thickness_px, sag_px: the crescent's chord, its greatest thickness, how far it hangs.
        tilt_rad: turn of the crescent in the picture.
        slack: how far the mask runs over (above 0: some skin is inside) or falls short, as a share of the thickness.
        warmth, tint: colour of the lamp, standard deviations; warmth above 0 is redder and less blue.
        exposure_stops: light level as the camera settled on it.
        falloff, falloff_rad: how unevenly the light falls, and from where.
        melanin: of the skin around, 0 (fair) to 2 (dark).
        vessels: how many and how full, 1 is usual.
        highlights: wet reflections.
        blur_px: sigma of the defocus.
        noise: sigma of the sensor's noise at mid-grey, of 255.
        jpeg_quality: of the phone's own file.
        texture_seed: where each vessel, blotch and grain lies.
    """

    redness: float
    length_px: float
    thickness_px: float
    sag_px: float
    tilt_rad: float
    slack: float
    warmth: float
    tint: float
    exposure_stops: float
    falloff: float
    falloff_rad: float
    melanin: float
    vessels: float
    highlights: int
    blur_px: float
    noise: float
    jpeg_quality: int
    texture_seed: int


def draw(rng: np.random.Generator, hb_g_per_l: float, *, signal: float) -> Draw:
    """Chance for one photo of a person with this haemoglobin; ``signal`` as ``signal_for_auroc`` gives it."""
    length = float(np.clip(rng.normal(225, 40), 140, 330))
    return Draw(
        redness=draw_redness(rng, hb_g_per_l, signal),
        length_px=length,
        thickness_px=length * rng.uniform(0.13, 0.24),
        sag_px=length * rng.uniform(0.10, 0.26),
        tilt_rad=float(np.clip(rng.normal(0, 0.15), -0.45, 0.45)),
        slack=rng.uniform(-0.18, 0.03),
        warmth=rng.normal(),
        tint=rng.normal(),
        exposure_stops=0.25 - rng.gamma(2.0, 0.3),  # automatic exposure errs to the dark
        falloff=abs(rng.normal(0, 0.3)),
        falloff_rad=rng.uniform(0, 2 * math.pi),
        melanin=rng.uniform(0, 2),
        vessels=rng.uniform(0.6, 1.4),
        highlights=int(rng.poisson(0.7)),
        blur_px=float(rng.lognormal(math.log(0.8), 0.45)),
        noise=float(rng.lognormal(math.log(2.0), 0.4)),
        jpeg_quality=int(rng.integers(70, 97)),
        texture_seed=int(rng.integers(2**32)),
    )


def render(chance: Draw, *, around_px: int = 4) -> Photo:
    """The photo, about 60 to 200 by 140 to 340 pixels; the same draw gives the same photo.

    Args:
        around_px: of eyeball and skin on each side; the texture hangs on it too.
    """
    texture = np.random.default_rng(chance.texture_seed)
    along, across = _eyelid_coordinates(chance, around_px)
    scene = _scene(chance, along, across, texture) * _light(chance, along, across)[..., None] * _lamp(chance)
    scene += _highlights(chance, along, across, texture)[..., None]
    inside = (np.abs(along) < 1) & (np.abs(across) < 1 + 2 * chance.slack)
    return Photo(_through_a_phone(chance, scene, texture), inside)


def render_bytes(chance: Draw) -> bytes:
    """The photo as a phone would upload it: PNG, the region as alpha."""
    return encode(render(chance))


def _eyelid_coordinates(chance: Draw, around_px: int) -> tuple[Field, Field]:
    """(H, W) each: -1..1 from corner to corner of the eye, and -1..1 from the eyeball to the lashes."""
    sin, cos = math.sin(chance.tilt_rad), math.cos(chance.tilt_rad)
    long, high = chance.length_px, chance.sag_px + chance.thickness_px
    width = math.ceil(long * cos + high * abs(sin)) + 2 * around_px
    height = math.ceil(long * abs(sin) + high * cos) + 2 * around_px
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x - width / 2, y - height / 2
    along = (x * cos + y * sin) * (2 / long)
    bow = np.maximum(1 - along**2, 0)
    middle = chance.sag_px * (bow - 0.5)
    half = 0.5 * chance.thickness_px * bow**0.75 + 1e-3
    return along, (y * cos - x * sin - middle) / half


def _scene(chance: Draw, along: Field, across: Field, texture: np.random.Generator) -> Field:
    """(H, W, 3) linear reflectance: mucosa between the eyeball and the skin."""
    shape = along.shape
    veins = np.exp(-((_smooth(texture, shape, 15) / 0.13) ** 2)) * np.clip(_smooth(texture, shape, 30) + 0.5, 0, 1)
    threads = np.exp(-((_smooth(texture, shape, 7) / 0.16) ** 2))
    blotches = 0.14 * _smooth(texture, shape, 28) + 0.06 * _smooth(texture, shape, 5)
    blood = 1 + blotches + chance.vessels * (0.40 * veins + 0.22 * threads) - 0.18 * np.clip(across, -1, 1)
    absorbance = _MEAN_ABSORBANCE * math.exp(_ABSORBANCE_PER_REDNESS * chance.redness) * np.clip(blood, 0.2, 3)
    mucosa = _BLOODLESS * np.exp(-absorbance[..., None] * _ABSORPTION)
    skin = _SKIN * np.exp(-chance.melanin * _MELANIN)
    is_skin, is_eyeball = _step(across - 1)[..., None], _step(-1 - across)[..., None]
    return np.asarray(mucosa * (1 - is_skin - is_eyeball) + skin * is_skin + _SCLERA * is_eyeball, np.float32)


def _light(chance: Draw, along: Field, across: Field) -> Field:
    """(H, W) level: the camera's exposure, the lamp's falloff, the roundness of the everted lid."""
    slope = math.cos(chance.falloff_rad) * along + math.sin(chance.falloff_rad) * np.clip(across, -2, 2) / 2
    round_lid = 1 - 0.22 * np.clip(across, -1.3, 1.3) ** 2
    return np.asarray(2.0**chance.exposure_stops * np.exp(chance.falloff * slope) * round_lid, np.float32)


def _lamp(chance: Draw) -> Field:
    log_gain = np.array([0.10, 0.0, -0.20]) * chance.warmth + np.array([0.0, 0.05, 0.0]) * chance.tint
    return np.exp(log_gain).astype(np.float32)


def _highlights(chance: Draw, along: Field, across: Field, texture: np.random.Generator) -> Field:
    shine = np.zeros(along.shape, np.float32)
    for _ in range(chance.highlights):
        at_along, at_across = texture.uniform(-0.8, 0.8), texture.normal(-0.2, 0.4)
        long, wide, strength = texture.uniform(0.015, 0.06), texture.uniform(0.05, 0.2), texture.uniform(0.1, 0.7)
        shine += strength * np.exp(-(((along - at_along) / long) ** 2) - ((across - at_across) / wide) ** 2)
    return shine


def _through_a_phone(chance: Draw, scene: Field, texture: np.random.Generator) -> NDArray[np.uint8]:
    """sRGB bytes: gamma, defocus, sensor noise, the phone's own JPEG."""
    encoded = 255 * np.clip(scene, 0, 1) ** np.float32(1 / 2.2)
    sharp = Image.fromarray(np.rint(encoded).astype(np.uint8))
    seen = np.asarray(sharp.filter(ImageFilter.GaussianBlur(chance.blur_px)), np.float32)
    seen = seen + texture.standard_normal(seen.shape, np.float32) * chance.noise
    file = io.BytesIO()
    Image.fromarray(np.rint(np.clip(seen, 0, 255)).astype(np.uint8)).save(file, "JPEG", quality=chance.jpeg_quality)
    with Image.open(file) as image:
        return np.array(image)


def _smooth(texture: np.random.Generator, shape: tuple[int, ...], cell_px: int) -> Field:
    """(H, W), about N(0, 1) at each place, changing over some ``cell_px`` pixels."""
    rows, columns = (side // cell_px + 3 for side in shape)
    coarse = Image.fromarray(texture.standard_normal((rows, columns), np.float32))
    box = (1, 1, 1 + shape[1] / cell_px, 1 + shape[0] / cell_px)
    return np.asarray(coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box))


def _step(signed: Field) -> Field:
    """0 to 1 over a fifth of the lid's half thickness."""
    return np.asarray(np.clip(signed / 0.2 + 0.5, 0, 1), np.float32)
