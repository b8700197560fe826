"""Which photos show the same photograph: found in the pixels, in four levels, the strictest first.

``exact``: the same bytes. ``pixel``: the same pixels after a tight crop, flips and quarter turns. ``same_photo``:
rotated, cropped, marked or scaled anew, mirrored; the aligned pixels agree in detail and colour. ``suspected``: so many
points agree that it is the same eye, but not the colours: another light, or a second shot. What belongs together at a
strict level does at every looser one. Groups are the closure of pairs, each of which carries its evidence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from pallor.digest import sha256_of, sha256_of_file
from pallor.errors import PallorError
from pallor.image.decode import Photo, PhotoTooLarge, decode, read_file
from pallor.image.preprocess import tight
from trainer.data.alignment import FEWEST_POINTS, Alignment, Gallery
from trainer.data.local_features import SETTINGS, describe, is_kept, load, save
from trainer.pool import pool_of
from trainer.progress import Bars, no_bars

LEVELS = ("exact", "pixel", "same_photo", "suspected")
Result = TypeVar("Result")
_SETTINGS = SETTINGS.removeprefix("sha256:")[:12]


@dataclass(frozen=True)
class Rule:
    """When an alignment means the same photograph. docs/adr/0009 says how wide the margins are.

    Attributes:
        points: fewest points that agree.
        overlap: least share of the smaller region.
        likeness: least correlation of the fine detail.
        colour_difference: largest mean difference, in levels of 255.
        suspected_points: fewest points that raise a suspicion whatever the colours are.
    """

    points: int = FEWEST_POINTS
    overlap: float = 0.2
    likeness: float = 0.5
    colour_difference: float = 5.0
    suspected_points: int = 10

    def level(self, found: Alignment) -> str | None:
        """``same_photo``, ``suspected`` or neither."""
        if found.overlap < self.overlap or found.likeness < self.likeness or found.points < self.points:
            return None
        if found.colour_difference <= self.colour_difference:
            return "same_photo"
        return "suspected" if found.points >= self.suspected_points else None


@dataclass(frozen=True)
class Link:
    """Two photos that belong together; ``alignment`` where pixels had to be aligned to know it."""

    one: str
    two: str
    level: str
    alignment: Alignment | None = None


@dataclass(frozen=True)
class SamePhotos:
    """What was found.

    Attributes:
        image_ids: in the order they were given.
        links: between photos, strictest level first; a copy is linked to the first of its kind.
        unreadable: what is wrong with a photo that cannot be read; it is its own group, but for equal bytes.
        candidates: every alignment that was judged, between the first of each kind: to try other rules on.
    """

    image_ids: tuple[str, ...]
    links: tuple[Link, ...]
    unreadable: Mapping[str, str]
    candidates: tuple[tuple[str, str, Alignment], ...]

    def judged_by(self, rule: Rule) -> "SamePhotos":
        """The same photos under another rule; nothing is compared again."""
        copies = [link for link in self.links if link.alignment is None]
        aligned = [Link(one, two, level, a) for one, two, a in self.candidates if (level := rule.level(a))]
        links = sorted([*copies, *aligned], key=lambda link: LEVELS.index(link.level))
        return replace(self, links=tuple(links))

    def groups(self, level: str) -> dict[str, int]:
        """The group of each image, numbered from 1 in their order, by links of this level and the stricter ones."""
        enough = LEVELS[: LEVELS.index(level) + 1]
        return closure(self.image_ids, ((link.one, link.two) for link in self.links if link.level in enough))


def find_same_photos(
    photos: Mapping[str, Path],
    cache: Path,
    rule: Rule = Rule(),
    *,
    processes: int = 1,
    bars: Bars = no_bars,
) -> SamePhotos:
    """Compare all photos with each other: time grows with the square of their number.

    Args:
        photos: image id to file.
        cache: folder for the features of each photo, by digest: a killed run does not describe a photo twice.
        bars: opens a progress bar of so many steps under a name.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _pool(processes) as pool:
        with bars("reading photos", len(photos)) as stepped:
            work = [partial(_look, path) for path in photos.values()]
            seen = dict(zip(photos, _done(pool, work, stepped), strict=True))
        exact = _copies("exact", {image_id: look.digest for image_id, look in seen.items()})
        copies = {link.two for link in exact}
        pixel = _copies("pixel", {i: look.pixels for i, look in seen.items() if look.pixels and i not in copies})
        copies |= {link.two for link in pixel}
        firsts = [image_id for image_id, look in seen.items() if look.pixels and image_id not in copies]
        kept = tuple(cache / f"{seen[i].digest.removeprefix('sha256:')}-{_SETTINGS}.npz" for i in firsts)
        with bars("describing photos", len(firsts)) as stepped:
            _done(pool, [partial(_describe, photos[i], path) for i, path in zip(firsts, kept, strict=True)], stepped)
        with bars("comparing pairs", len(firsts) * (len(firsts) - 1) // 2) as stepped:
            work_on_pairs = [partial(_compare, kept, at) for at in range(len(firsts))]
            found = _done(pool, work_on_pairs, stepped, lambda at: len(firsts) - 1 - at)
    candidates = tuple((firsts[at], firsts[other], a) for at, row in enumerate(found) for other, a in row)
    unreadable = {i: look.problem for i, look in seen.items() if look.problem}
    return SamePhotos(tuple(photos), (*exact, *pixel), unreadable, candidates).judged_by(rule)


def closure(image_ids: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Groups such that every pair lies in one, numbered from 1 in the order of the images."""
    parent = {image_id: image_id for image_id in image_ids}

    def root(image_id: str) -> str:
        while parent[image_id] != image_id:
            parent[image_id] = image_id = parent[parent[image_id]]
        return image_id

    for one, two in pairs:
        parent[root(two)] = root(one)
    number: dict[str, int] = {}
    return {image_id: number.setdefault(root(image_id), len(number) + 1) for image_id in image_ids}


@dataclass(frozen=True)
class _Look:
    """Digest of the bytes; of the pixels, the same in all eight positions, or what is wrong with them."""

    digest: str
    pixels: str = ""
    problem: str = ""


def _look(path: Path) -> _Look:
    try:
        data = read_file(path)
    except OSError as error:
        return _Look(f"{path}", problem=f"it cannot be opened: {error.strerror}")
    except PhotoTooLarge as error:
        return _Look(sha256_of_file(path), problem=error.reason)
    try:
        return _Look(sha256_of(data), pixels=_digest_in_any_position(decode(data)))
    except PallorError as error:
        return _Look(sha256_of(data), problem=str(error))


def _digest_in_any_position(photo: Photo) -> str:
    region = tight(photo)
    pixels = np.dstack([region.rgb * region.mask[..., None], region.mask])
    positions = (np.rot90(side, turns) for side in (pixels, pixels[:, ::-1]) for turns in range(4))
    return min(sha256_of(repr(p.shape).encode() + p.tobytes()) for p in positions)


def _describe(path: Path, kept: Path) -> None:
    if not is_kept(kept):
        save(describe(decode(read_file(path))), kept)


def _compare(kept: tuple[Path, ...], at: int) -> list[tuple[int, Alignment]]:
    with threadpool_limits(1):  # the cores are taken by processes
        return list(_gallery(kept).alignments(at))


@lru_cache(maxsize=1)
def _gallery(kept: tuple[Path, ...]) -> Gallery:
    return Gallery([load(path) for path in kept])


def _copies(level: str, digests: Mapping[str, str]) -> list[Link]:
    """A link from the first image of each digest to every other."""
    first: dict[str, str] = {}
    pairs = ((first.setdefault(digest, image_id), image_id) for image_id, digest in digests.items())
    return [Link(one, two, level) for one, two in pairs if one != two]


def _pool(processes: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    if processes == 1:
        return nullcontext()
    return pool_of(processes, cv2.setNumThreads, 1)


def _done(
    pool: ProcessPoolExecutor | None,
    work: Sequence[Callable[[], Result]],
    stepped: Callable[[int], None],
    steps: Callable[[int], int] = lambda _at: 1,
) -> list[Result]:
    """The result of each piece of work, in order; ``stepped`` is told as they are done."""
    results: dict[int, Result] = {}
    if pool is None:
        for at, piece in enumerate(work):
            results[at] = piece()
            stepped(steps(at))
    else:
        waiting = {pool.submit(piece): at for at, piece in enumerate(work)}
        for future in as_completed(waiting):
            results[waiting[future]] = future.result()
            stepped(steps(waiting[future]))
    return [results[at] for at in range(len(work))]
