"""What is watched: a release's answers, column by column, and the lines of cases in which a move would show."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from backend.record.counted import Flags, Floats, Words

BLOCK = 500  # a line begins anew at every other block, so that it stays as cheap however many cases there are


class What(StrEnum):
    """``EMBEDDING``: what photos look like. ``SCORE``: what is said. ``CALIBRATION``: how far that was true."""

    EMBEDDING = "embedding"
    SCORE = "score"
    CALIBRATION = "calibration"


class Where(StrEnum):
    EVERYWHERE = "everywhere"
    SITE = "site"
    PHONE = "phone"


@dataclass(frozen=True)
class Place:
    """``name``: of the site or the phone's model; empty everywhere."""

    where: Where
    name: str = ""

    def __str__(self) -> str:
        return self.where.value if self.where is Where.EVERYWHERE else f"{self.where.value} {self.name}"


@dataclass(frozen=True)
class Watched:
    """One row a case, in the order in which the photos were taken; every array is (n,) unless said otherwise.

    Attributes:
        captured_at: aware datetimes.
        phone: the phone's model, empty where nobody told.
        embedding: (n, d).
        anaemic: 0.0 or 1.0 by the newest label, NaN where there is no value.
        known_at: when that value became known, seconds; NaN where there is none.
    """

    captured_at: Words
    site: Words
    phone: Words
    probability: Floats
    embedding: Floats
    anaemic: Floats
    known_at: Floats

    def __len__(self) -> int:
        return len(self.probability)

    def where(self, chosen: Flags) -> "Watched":
        """The rows that are chosen."""
        return Watched(
            self.captured_at[chosen], self.site[chosen], self.phone[chosen], self.probability[chosen],
            self.embedding[chosen], self.anaemic[chosen], self.known_at[chosen],
        )  # fmt: skip


@dataclass(frozen=True)
class Move:
    """That something moved, and how it was told.

    Attributes:
        since: when the first photo was taken that belongs to what is new.
        until: when the newest was taken that was looked at.
        cases: how many belong to what is new. ``before``: how many they were held against.
        old, new: the mean score, or what was said and what was found; of embeddings 0 and the distance, in standard
            deviations.
        said: in words.
    """

    what: What
    place: Place
    since: datetime
    until: datetime
    cases: int
    before: int
    old: float
    new: float
    said: str


def lines_of(watched: Watched) -> Iterator[tuple[Place, Watched]]:
    """Every line that is watched, with its newest 500 to 999 cases; none twice under two names."""
    sites, phones = np.unique(watched.site), [name for name in np.unique(watched.phone) if name]
    for site in sites:
        yield Place(Where.SITE, str(site)), _newest(watched.where(watched.site == site))
    for phone in phones:
        rows = watched.phone == phone
        there = np.unique(watched.site[rows])
        if len(there) > 1 or not rows[watched.site == there[0]].all():
            yield Place(Where.PHONE, str(phone)), _newest(watched.where(rows))
    if len(sites) > 1:
        yield Place(Where.EVERYWHERE), _newest(watched)


def _newest(line: Watched) -> Watched:
    start = max(0, len(line) // BLOCK - 1) * BLOCK
    return line.where(np.arange(len(line)) >= start)
