"""Does the trainer find the photos that show the same photograph, and only those?

    python -m benchmarks.same_photo [--data DIR] [--synthetic N] [--cache DIR] [--out FILE]

``--data``: CP-AnemiC as published, with ``same_photo_groups.csv`` beside its sheet: what was found against what eyes
saw, over all pairs of rows but those that only ``suspected_group`` joins. ``--synthetic``: drawn people, each of whose
photos is also cropped, turned, mirrored, scaled, marked and saved anew. ``--cache``: where the features of each photo
stay, so that a run goes on where it was killed; without it everything is timed from the beginning. The last line is
one JSON object.
"""

import argparse
import csv
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from benchmarks.report import finish
from pallor import cp_anemic
from pallor.image.decode import Photo, encode
from pallor.image.synthetic import Draw, draw, render
from trainer.data.same_photo import LEVELS, Rule, SamePhotos, find_same_photos
from trainer.progress import bars_on

SEED = 20_261_122
COPIES = 2
VARIED: Mapping[str, Sequence[Any]] = {
    "points": (5, 6, 8, 10, 15),
    "overlap": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "likeness": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    "colour_difference": (2, 3, 4, 5, 6, 8, 10, 255),
}

Figures = dict[str, Any]
Find = Callable[[Mapping[str, Path], Path], SamePhotos]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_photo", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder of CP-AnemiC")
    parser.add_argument("--synthetic", type=int, default=30, metavar="N", help="drawn people (default 30)")
    parser.add_argument("--cache", type=Path, help="keep the features of each photo here")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: cores")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        find = partial(find_same_photos, processes=asked.processes, bars=bars_on(Console(stderr=True)))
        if asked.data is not None:
            figures |= on_real_photos(asked.data, asked.cache or Path(scratch) / "real", find)
        figures["synthetic"] = on_drawn_photos(asked.synthetic, Path(scratch), find)
    for line in table(figures):
        print(line)
    finish("same_photo", figures, asked.out)


def on_real_photos(folder: Path, cache: Path, find: Find) -> Figures:
    rows = cp_anemic.read(folder)
    described_before = len(list(cache.glob("*.npz")))
    began, worked = time.perf_counter(), cpu_seconds()
    found = find({row.image_id: row.photo for row in rows}, cache)
    seconds, worked = time.perf_counter() - began, cpu_seconds() - worked
    truth = Truth(folder, found.image_ids)
    halves = {"all": None, "first_half": True, "the_rest": False}
    return {
        "photos": len(rows),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(worked, 1),
        "photos_described_before": described_before,
        "rule": asdict(Rule()),
        **truth.compare(found, "same_photo"),
        "groups_found": len(set(found.groups("same_photo").values())),
        "groups_true": truth.groups,
        "by_level": {level: truth.compare(found, level) for level in LEVELS},
        "first_half": truth.compare(found, "same_photo", True),
        "the_rest": truth.compare(found, "same_photo", False),
        "varied": {
            name: {
                str(value): {
                    half: truth.compare(found.judged_by(replace(Rule(), **{name: value})), "same_photo", which)
                    for half, which in halves.items()
                }
                for value in values
            }
            for name, values in VARIED.items()
        },
    }


class Truth:
    """``same_photo_groups.csv``, as pairs; in two halves by the hash of the group, to see what a threshold hangs on."""

    def __init__(self, folder: Path, image_ids: Sequence[str]) -> None:
        with (folder / "same_photo_groups.csv").open(encoding="utf-8-sig", newline="") as file:
            lines = {line["IMAGE_ID"]: line for line in csv.DictReader(file)}
        suspected = [lines[i]["suspected_group"] for i in image_ids]
        self.groups = len({lines[i]["same_photo_group"] for i in image_ids})
        self._same = alike([lines[i]["same_photo_group"] for i in image_ids])
        self._doubtful = alike(suspected) & ~self._same
        first = np.array([hashlib.sha256(group.encode()).digest()[0] % 2 == 0 for group in suspected])
        self._first_half = np.logical_and.outer(first, first)

    def compare(self, found: SamePhotos, level: str, first_half: bool | None = None) -> Figures:
        """Over all pairs of rows that are not doubtful, or those within the first half, or all but those."""
        groups = found.groups(level)
        joined = alike([str(groups[i]) for i in found.image_ids])
        counted = np.triu(~self._doubtful, 1)
        if first_half is not None:
            counted &= self._first_half == first_half
        right, said, true = (int((p & counted).sum()) for p in (joined & self._same, joined, self._same))
        return {"precision": share(right, said), "recall": share(right, true), "pairs": true, "pairs_found": said}


def on_drawn_photos(people: int, scratch: Path, find: Find) -> Figures:
    """Different people never join; a photo changed in every way at once does, unless little is left of it."""
    folder = scratch / "drawn"
    folder.mkdir()
    rng = np.random.default_rng(SEED)
    photos: dict[str, Path] = {}
    pixels: list[int] = []
    for person in range(people):
        chance = draw(rng, float(rng.uniform(60, 140)), signal=1.0)
        for copy in range(COPIES + 1):
            photo = taken_again(rng, chance) if copy else render(chance)
            photos[f"{person}-{copy}"] = folder / f"{person}-{copy}.png"
            photos[f"{person}-{copy}"].write_bytes(encode(photo))
            pixels.append(int(photo.mask.sum()))
    found = find(photos, scratch / "drawn-features")
    same = alike([name.partition("-")[0] for name in photos])
    pairs = np.triu(np.ones_like(same), 1)
    smaller = np.minimum.outer(pixels, pixels)
    figures: Figures = {"people": people, "copies_of_each": COPIES, "pairs_of_people": int((pairs & ~same).sum())}
    for level in ("same_photo", "suspected"):
        groups = found.groups(level)
        joined = alike([str(groups[name]) for name in photos])
        figures[level] = {
            "different_people_joined": int((pairs & ~same & joined).sum()),
            "recall": recall(joined, pairs & same),
            "recall_from_2000_pixels": recall(joined, pairs & same & (smaller >= 2000)),
            "recall_below_2000_pixels": recall(joined, pairs & same & (smaller < 2000)),
        }
    return figures


def taken_again(rng: np.random.Generator, chance: Draw) -> Photo:
    """The same photograph, marked anew, cut, mirrored, turned, scaled and saved as JPEG."""
    photo = render(replace(chance, slack=rng.uniform(-0.25, 0.0)))  # the slack moves the mark and no pixel
    columns = np.flatnonzero(photo.mask.any(axis=0))
    cut = rng.uniform(0, 0.25) * len(columns)
    mask = photo.mask.copy()
    mask[:, : columns[0] + int(cut)] = False
    rgba = Image.fromarray(np.dstack([photo.rgb, mask * np.uint8(255)]))
    if rng.random() < 0.5:
        rgba = rgba.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    rgba = rgba.rotate(rng.uniform(0, 360), Image.Resampling.BICUBIC, expand=True)
    scale = 2 ** rng.uniform(-0.7, 0.7)
    rgba = rgba.resize((round(rgba.width * scale), round(rgba.height * scale)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    rgba.convert("RGB").save(file, "JPEG", quality=int(rng.integers(70, 96)))
    with Image.open(file) as saved:
        return Photo(np.array(saved), np.asarray(rgba)[..., 3] > 250)


def alike(labels: Sequence[str]) -> NDArray[np.bool_]:
    """(n, n): whether two have the same label."""
    each = np.array(labels)
    return np.asarray(each[:, None] == each[None])


def recall(joined: NDArray[np.bool_], pairs: NDArray[np.bool_]) -> float | None:
    return share(int((joined & pairs).sum()), int(pairs.sum()))


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def table(figures: Figures) -> Iterator[str]:
    for name, value in figures.items():
        if name != "varied":
            yield f"{name:34} {value}"
    for name, values in figures.get("varied", {}).items():
        for value, halves in values.items():
            told = (f"{half}: P {of['precision']}, R {of['recall']}" for half, of in halves.items())
            yield f"{name} {value:10} {'   '.join(told)}"


if __name__ == "__main__":
    main()
