"""Who learns, who sets the cut-offs, who judges; nobody is judged by a model that saw the same photograph or person.

Rows that share a photograph or a subject, however far along the chain, are one *cluster*, and a cluster lies on one of
five sides, which follows from the hash of its oldest member. ``published`` lets twins stand on both sides, as the
literature's random split does: it exists to show by how much that lies, and no other figure may come from it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from trainer.data.photos import Photos

SIDES = 5
SET_ASIDE = -1
_TEST, _CALIBRATION = 0, 1

Rows = NDArray[np.int64]
Link = tuple[str, int | str]


@dataclass(frozen=True, eq=False)
class Fold:
    """Row numbers to learn from, to set cut-offs with, and to be judged on."""

    name: str
    train: Rows
    calibration: Rows
    test: Rows


def fixed_sides(photos: Photos, formerly: Mapping[str, int] = MappingProxyType({})) -> Fold:
    """The one split that a release is made and judged by: test and calibration a fifth of the wheel each.

    Args:
        formerly: see ``lasting_sides``.
    """
    return _turned(lasting_sides(photos, formerly), 0, "test_side")


def lasting_sides(photos: Photos, formerly: Mapping[str, int] = MappingProxyType({})) -> Rows:
    """(n,) 0..4, or -1 for what is set aside: a side that no later photo can change.

    Time is lived through again: each photo, in the order they were taken, joins the cluster of its photograph and its
    subject, or founds one on the side of its own hash. One that joins clusters of different sides has them all set
    aside for good: some of them were learned from, some were judged by, and now they show the same person.

    That order is all that the photos themselves tell. A laboratory value that comes late, an oldest member that is
    withdrawn, a photograph that is found to link two groups: those it cannot know of, and ``formerly`` can.

    Args:
        formerly: the side of each photo's digest in all releases before. It outweighs the hash; a cluster in which two
            of them differ is set aside.
    """
    links, ids = _links(photos), photos.ids.tolist()
    joined = DisjointSet()
    side: dict[Link, int] = {}
    for row in np.lexsort((photos.ids, photos.taken)):
        met = {side[joined[link]] for link in links[row] if link in joined}
        _join(joined, links[row])
        side[joined[links[row][0]]] = _agreed(met) if met else _hash(ids[row]) % SIDES
    cluster = [joined[photograph] for photograph, _ in links]
    before: dict[Link, set[int]] = {}
    for name, photo in zip(cluster, ids, strict=True):
        if photo in formerly:
            before.setdefault(name, set()).add(formerly[photo])
    return np.array([_agreed(before[name]) if name in before else side[name] for name in cluster], np.int64)


def grouped(photos: Photos, seed: int) -> Iterator[Fold]:
    """Five folds: the wheel turned; each cluster is judged once. A seed above 1 deals the sides anew."""
    where = sides(photos, seed)
    for turn in range(SIDES):
        yield _turned(where, turn, str(turn))


def leave_one_site_out(photos: Photos, seed: int) -> Iterator[Fold]:
    """One fold a site; a row elsewhere whose photograph or subject also lies in the test site is left out.

    A fifth of the rest is for calibration. With one site, nobody is left to learn from.
    """
    where, cluster = sides(photos, seed), clusters(photos)
    for site in np.unique(photos.sites):
        inside = photos.sites == site
        rest = ~np.isin(cluster, cluster[inside])
        calibration = rest & (where == _CALIBRATION)
        yield Fold(str(site), *(np.flatnonzero(part) for part in (rest & ~calibration, calibration, inside)))


def published(photos: Photos, seed: int) -> Iterator[Fold]:
    """The published protocol: the rows of each class dealt at random, twins on both sides. Leaks by construction."""
    rng = np.random.default_rng(seed)
    where = np.empty(len(photos), np.int64)
    for rows in (np.flatnonzero(photos.anaemic), np.flatnonzero(~photos.anaemic)[::-1]):
        where[rng.permutation(rows)] = np.arange(len(rows)) % SIDES
    for turn in range(SIDES):
        yield _turned(where, turn, str(turn))


def sides(photos: Photos, seed: int) -> Rows:
    """(n,) 0..4, the side of each row's cluster: for folds that all begin anew, so that nothing has to be set aside."""
    cluster = clusters(photos)
    oldest: dict[int, tuple[str, str]] = {}
    for number, taken, photo in zip(cluster.tolist(), photos.taken.tolist(), photos.ids.tolist(), strict=True):
        oldest[number] = min(oldest.get(number, (taken, photo)), (taken, photo))
    salt = "" if seed == 1 else f"{seed}:"
    side = {number: _hash(salt + photo) % SIDES for number, (_, photo) in oldest.items()}
    return np.array([side[number] for number in cluster.tolist()], np.int64)


def clusters(photos: Photos) -> Rows:
    """(n,) equal where rows are joined by photographs and subjects, however far along the chain."""
    links = _links(photos)
    joined = DisjointSet()
    for both in links:
        _join(joined, both)
    number: dict[Link, int] = {}
    return np.array([number.setdefault(joined[photograph], len(number)) for photograph, _ in links], np.int64)


Protocol = Callable[[Photos, int], Iterator[Fold]]
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {"grouped_by_photo": grouped, "leave_one_site_out": leave_one_site_out, "published_protocol": published}
)


def _links(photos: Photos) -> list[tuple[Link, Link]]:
    """What ties each row to others: its photograph and its subject."""
    both = zip(photos.groups.tolist(), photos.subjects.tolist(), strict=True)
    return [(("photograph", group), ("subject", subject)) for group, subject in both]


def _join(joined: DisjointSet, links: tuple[Link, Link]) -> None:
    for link in links:
        joined.add(link)
    joined.merge(*links)


def _agreed(sides: set[int]) -> int:
    return next(iter(sides)) if len(sides) == 1 else SET_ASIDE


def _turned(where: Rows, turn: int, name: str) -> Fold:
    test, calibration = where == (_TEST + turn) % SIDES, where == (_CALIBRATION + turn) % SIDES
    train = ~(test | calibration) & (where != SET_ASIDE)
    return Fold(name, *(np.flatnonzero(part) for part in (train, calibration, test)))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
