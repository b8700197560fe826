"""Who is judged by a model that never saw their photograph.

``grouped`` and ``leave_one_site_out`` never let one photograph stand on both sides. ``published`` does, as the
literature's random split does: it exists to show by how much that lies, and no other figure may come from it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from trainer.data.photos import Photos

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    """Row numbers to learn from and to be judged on."""

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def grouped(photos: Photos, seed: int) -> Iterator[Fold]:
    """Five folds; a group is in exactly one of them."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    yield from _numbered(folds.split(photos.anaemic, photos.anaemic, photos.groups))


def leave_one_site_out(photos: Photos, seed: int) -> Iterator[Fold]:
    """One fold a site; a training row whose photograph also lies in the test site is left out."""
    del seed  # nothing is drawn: the sites are the folds
    for site in np.unique(photos.sites):
        inside = photos.sites == site
        known = np.isin(photos.groups, photos.groups[inside])
        yield Fold(str(site), np.flatnonzero(~known), np.flatnonzero(inside))


def published(photos: Photos, seed: int) -> Iterator[Fold]:
    """The published protocol: rows dealt at random, twins on both sides. Leaks by construction."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    yield from _numbered(folds.split(photos.anaemic, photos.anaemic))


Protocol = Callable[[Photos, int], Iterator[Fold]]
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {"grouped_by_photo": grouped, "leave_one_site_out": leave_one_site_out, "published_protocol": published}
)


def _numbered(pairs: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Iterator[Fold]:
    for number, (train, test) in enumerate(pairs):
        yield Fold(str(number), train, test)
