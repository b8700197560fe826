"""A camera that shows a drawn eye: the file that Chromium plays as its fake video device.

python -m tests.support.camera EYE.mjpeg [--seed N] [--hb G_PER_L] [--dark | --blurred | --afar | --nobody]
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pallor.image.eye import Frame, look
from pallor.image.synthetic import Draw, draw

FRAME = Frame(width=1080, height=1440)  # as a phone held upright sees it
_FRAMES = 8  # they are played over and over


def camera_file(path: Path, chance: Draw | None = None, frame: Frame = FRAME) -> Path:
    """A film of a drawn eye in the hand's small tremor, as motion JPEG; ``chance``: by default a good photo."""
    chance = a_good_draw() if chance is None else chance
    wide = replace(frame, width=frame.width + 16, height=frame.height + 16)
    still = Image.fromarray(look(chance, wide).rgb)
    film = io.BytesIO()
    for step in range(_FRAMES):
        left, top = (round(8 + 3 * wave(2 * np.pi * step / _FRAMES)) for wave in (np.sin, np.cos))
        still.crop((left, top, left + frame.width, top + frame.height)).save(film, "JPEG", quality=92)
    path.write_bytes(film.getvalue())
    return path


def camera_flags(path: Path) -> list[str]:
    """What Chromium must be started with to show that film to a page that asks for a camera, without asking anybody."""
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    ]


def a_good_draw(seed: int = 0, hb_g_per_l: float = 110.0) -> Draw:
    chance = draw(np.random.default_rng(seed), hb_g_per_l, signal=1.0)
    return replace(chance, blur_px=0.5, exposure_stops=-0.1, highlights=0, falloff=0.1, tilt_rad=0.05)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.camera", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="where the film goes; its name must end in .mjpeg")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hb", type=float, default=110.0, metavar="G_PER_L")
    how = parser.add_mutually_exclusive_group()
    for condition in ("dark", "blurred", "afar", "nobody"):
        how.add_argument(f"--{condition}", dest="condition", action="store_const", const=condition)
    asked = parser.parse_args(arguments)
    camera_file(asked.file, *seen(asked.condition, a_good_draw(asked.seed, asked.hb)))


def seen(condition: str | None, chance: Draw) -> tuple[Draw, Frame]:
    """The same eye in the dark, out of focus, from far off, or with the lid not everted."""
    changed = {
        "dark": replace(chance, exposure_stops=-4.5),
        # In even, good light: the steps of a video, coarser than a photo's, would make detail of a dim slope.
        "blurred": replace(chance, blur_px=9.0, noise=0.0, falloff=0.0, exposure_stops=0.2, jpeg_quality=96),
        "nobody": replace(chance, thickness_px=0.02 * chance.length_px, sag_px=0.02 * chance.length_px),
    }.get(condition or "", chance)
    return changed, replace(FRAME, length=0.24) if condition == "afar" else FRAME


if __name__ == "__main__":
    main()
