"""Does the phone pass what the server refuses? The phone's own code, under Node, beside the server's verdict.

    python -m benchmarks.phone_quality [--photos N] [--out FILE]

Needs ``npm ci`` in ``backend/web``. Photos are drawn well and in bad conditions. ``same_pixels``: both judge one photo
within its region. ``before_sending``: of an eye in a camera's frame the phone finds the region, cuts it out and judges
it; the server judges the file that it would get. ``live_hints``: what the phone said of that frame in the viewfinder,
beside the server's verdict on the same file. The last line is one JSON object.
"""

import argparse
import io
import json
import math
import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import BEST_AUROC, LEVELS_G_L, SEED, in_bad_conditions
from benchmarks.report import finish, progress
from deploy.web import WEB, find_node
from pallor.image.decode import OPAQUE_FROM, Photo, decode, encode
from pallor.image.eye import Frame, look
from pallor.image.population import signal_for_auroc
from pallor.image.quality import judge
from pallor.image.synthetic import Draw, draw, render

WELL_DRAWN_EVERY = 4  # the others are drawn in bad conditions: of good photos there is little to refuse
NO_LID = 0.02  # thickness and sag of an eyelid that nobody everted, as shares of its length

BATCH = 25

Figures = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What the phone made of one frame.

    Attributes:
        passed: by its own gate, before sending.
        hints: what it said in the viewfinder.
        found: whether it saw an eyelid.
        overlap: of its region with the drawn one, in both as a share of in either.
    """

    passed: bool
    hints: tuple[str, ...]
    found: bool
    overlap: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phone_quality", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=200, metavar="N", help="how many (default 200)")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    rng = np.random.default_rng(SEED)
    draws = [a_draw(rng, row) for row in range(asked.photos)]
    frames = [a_frame(rng) for _ in draws]
    with progress() as bar, tempfile.TemporaryDirectory() as folder:
        phone = built_in(Path(folder))
        photos = [render(chance) for chance in bar.track(draws, description="photos")]
        both = list(zip(draws, frames, strict=True))
        eyes = (look(*one) for one in bar.track(both, description="eyes in a frame"))
        closed = (look(without_lid(chance), frame) for chance, frame in both[::8])
        figures = {
            "photos": asked.photos,
            "same_pixels": same_pixels(phone, photos),
            **through_the_camera(phone, eyes),
            "lid_seen_where_none_is": share([seen.found for seen, _ in looked(phone, closed)]),
        }
    for name, value in figures.items():
        print(f"{name:34} {value}")
    finish("phone_quality", figures, asked.out)


def a_draw(rng: np.random.Generator, row: int) -> Draw:
    level = LEVELS_G_L[row // WELL_DRAWN_EVERY % len(LEVELS_G_L)]
    chance = draw(rng, level, signal=signal_for_auroc(BEST_AUROC))
    return in_bad_conditions(rng, chance) if row % WELL_DRAWN_EVERY else chance


def a_frame(rng: np.random.Generator) -> Frame:
    """As a live frame comes, the eyelid near the guide but not in it."""
    return Frame(540, 720, length=rng.uniform(0.4, 0.75), right=rng.uniform(0.44, 0.56), down=rng.uniform(0.44, 0.56))


def without_lid(chance: Draw) -> Draw:
    return replace(chance, thickness_px=NO_LID * chance.length_px, sag_px=NO_LID * chance.length_px)


def built_in(folder: Path) -> Path:
    """The phone's half, as one file for Node."""
    how = ["--logLevel", "error", "--outDir", str(folder), "--emptyOutDir"]
    vite = [*find_node(), "node_modules/vite/bin/vite.js", "build", "--ssr", "tests/phone_quality.ts"]
    subprocess.run([*vite, *how], cwd=WEB, check=True)
    return folder / "phone_quality.js"


def same_pixels(phone: Path, photos: Sequence[Photo]) -> Figures:
    told = answers(phone, "region", photos)
    verdicts = [(judge(photo), answer["verdict"]) for photo, (answer, _) in zip(photos, told, strict=True)]
    measures = ("red_level", "clipped_share", "glare_share", "sharpness", "detail")
    apart = {name: max(abs(getattr(ours, name) - theirs[name]) for ours, theirs in verdicts) for name in measures}
    return {
        **agreement([ours.passed for ours, _ in verdicts], [not theirs["reasons"] for _, theirs in verdicts]),
        "other_reasons": sum(list(ours.reasons) != theirs["reasons"] for ours, theirs in verdicts),
        "largest_difference": {name: float(f"{value:.1e}") for name, value in apart.items()},
    }


def through_the_camera(phone: Path, eyes: Iterable[Photo]) -> Figures:
    looks, server = [], []
    for seen, sent in looked(phone, eyes):
        looks.append(seen)
        server.append(judge(decode(encode(sent))).passed)
    passed = [seen for seen, good in zip(looks, server, strict=True) if good]
    overlaps = [seen.overlap for seen in passed]
    return {
        "before_sending": agreement(server, [seen.passed for seen in looks]),
        "live_hints": agreement(server, [not seen.hints for seen in looks]),
        "hints_where_the_server_passes": dict(Counter(hint for seen in passed for hint in seen.hints)),
        "lid_seen": share([seen.found for seen in looks]),
        "overlap_where_the_server_passes": {
            "median": round(float(np.median(overlaps)), 3),
            "worst_tenth": round(float(np.quantile(overlaps, 0.1)), 3),
        },
    }


def agreement(server: Sequence[bool], phone: Sequence[bool]) -> Figures:
    """Two lists of who passed what, against each other."""
    pairs = list(zip(server, phone, strict=True))
    return {
        "server_refuses": server.count(False),
        "of_these_the_phone_passes": pairs.count((False, True)),
        "server_passes": server.count(True),
        "of_these_the_phone_refuses": pairs.count((True, False)),
    }


def looked(phone: Path, eyes: Iterable[Photo]) -> Iterator[tuple[Look, Photo]]:
    """What the phone made of each frame, and what it would send."""
    for answer, sent in answers(phone, "frame", eyes):
        seen = Look(
            passed=not answer["verdict"]["reasons"],
            hints=tuple(answer["hints"]),
            found=answer["found"],
            overlap=answer["overlap"],
        )
        yield seen, Photo(sent[..., :3], sent[..., 3] >= OPAQUE_FROM)


def answers(phone: Path, kind: str, photos: Iterable[Photo]) -> Iterator[tuple[dict[str, Any], NDArray[np.uint8]]]:
    """What the phone says of each, and the RGBA that it sent along (empty for a region)."""
    coming = iter(photos)
    while pictures := b"".join(picture(photo) for photo in islice(coming, BATCH)):
        said = io.BytesIO(
            subprocess.run([*find_node(), phone, kind], input=pictures, stdout=subprocess.PIPE, check=True).stdout
        )
        while line := said.readline():
            answer = json.loads(line)
            shape = answer.get("height", 0), answer.get("width", 0), 4
            yield answer, np.frombuffer(said.read(math.prod(shape)), np.uint8).reshape(shape)


def picture(photo: Photo) -> bytes:
    height, width = photo.mask.shape
    alpha = photo.mask[..., None] * np.uint8(255)
    return struct.pack(">II", width, height) + np.concatenate([photo.rgb, alpha], axis=2).tobytes()


def share(hits: Sequence[bool]) -> float:
    return round(float(np.mean(hits)), 3)


if __name__ == "__main__":
    main()
