"""Whether the newest photos look unlike those before them, in the eyes of a release.

Hotelling's test of two means within sites, in the directions in which photos of one site differ most; looked at after
every ten cases, for the newest 20, 40 and 80 (of several sites together: so many for each). Tests, not bets: a camera's
colour moves many directions a little, and that shows in their sum long before it shows in any of them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincc

from backend.record.counted import Floats, Words

NEWEST, STEP, LEAST_BEFORE = (20, 40, 80), 10, 30
MOST_SITES = 6  # beyond, a line would have to be longer than it is kept
MOST_DIRECTIONS, _FREEDOM_EACH, _NOTHING = 30, 5, 1e-9
CHANCE = 1e-5


@dataclass(frozen=True)
class Space:
    """The directions, scaled so that photos of one site scatter by 1 in each.

    ``axes``: (d, k). ``freedom``: how many cases the scatter was measured on, less one for each site.
    """

    axes: Floats
    freedom: int

    @classmethod
    def of(cls, embedding: Floats, site: Words) -> "Space | None":
        """None where there are too few cases to know how photos differ."""
        inside = embedding.copy()
        names = np.unique(site)
        for name in names:
            inside[site == name] -= inside[site == name].mean(axis=0)
        freedom = len(inside) - len(names)
        scatter, axes = np.linalg.eigh(inside.T @ inside)  # rising
        kept = scatter > _NOTHING * scatter[-1]
        most = min(MOST_DIRECTIONS, freedom // _FREEDOM_EACH)
        axes, scatter = axes[:, kept][:, -most:], scatter[kept][-most:]
        return cls(axes / np.sqrt(scatter), freedom) if most > 0 and len(scatter) else None


@dataclass(frozen=True)
class Apart:
    """The newest cases, from row ``start`` on, against those before.

    ``chance``: of so great a difference where nothing moved. ``distance``: between the means, in standard deviations.
    ``way``: (d,), the direction of the move.
    """

    start: int
    chance: float
    distance: float
    way: Floats


def apart(space: Space, embedding: Floats, site: Words) -> Apart | None:
    """How far apart the newest of these cases are, if any look along the line would have alarmed."""
    seen = _Seen(space, embedding @ space.axes, site)
    times = max(1, min(MOST_SITES, len(np.unique(site))))
    before = times * LEAST_BEFORE
    ends = range(before + times * NEWEST[0], len(site) + 1, times * STEP)
    looks = [(end - times * newest, end) for end in ends for newest in NEWEST if end - times * newest >= before]
    if not any(seen.chance(start, end)[0] < CHANCE for start, end in looks):
        return None
    end = len(site)
    starts = range(before, end - STEP + 1)
    start = min(starts, key=lambda at: seen.chance(at, end)[0])  # since when, by all that is known now
    chance, distance, step = seen.chance(start, end)
    return Apart(start, chance, distance, space.axes @ step)


class _Seen:
    """The cases along a line in the space; sums are kept for each site, so that a look costs little."""

    def __init__(self, space: Space, points: Floats, site: Words) -> None:
        self._space, self._points = space, points
        _, self._site = np.unique(site, return_inverse=True)
        self._sites = int(self._site.max()) + 1 if len(site) else 0

    def chance(self, start: int, end: int) -> tuple[float, float, Floats]:
        """Of the rows ``start:end`` against those before: the chance, the distance, the step from old to new (k,)."""
        (old_n, old), (new_n, new) = self._sums(0, start), self._sums(start, end)
        both = (old_n > 0) & (new_n > 0)
        old_n, new_n = old_n[both], new_n[both]
        if not both.any():
            return 1.0, 0.0, np.zeros(self._points.shape[1])
        worth = old_n * new_n / (old_n + new_n)  # of a site, for the difference
        steps = new[both] / new_n[:, None] - old[both] / old_n[:, None]
        step = (worth @ steps) / worth.sum()
        explained = min(1.0, float(worth.sum() * step @ step))  # of all scatter along the step
        k, freedom = len(step), self._space.freedom
        chance = float(betaincc(k / 2, max(1, freedom - k) / 2, explained))
        length = max(0.0, freedom * float(step @ step) - k / float(worth.sum()))  # less what chance alone adds
        return chance, float(np.sqrt(length)), step

    def _sums(self, start: int, end: int) -> tuple[Floats, Floats]:
        site, points = self._site[start:end], self._points[start:end]
        if self._sites == 1:
            return np.array([float(end - start)]), points.sum(axis=0)[None]
        sums = np.zeros((self._sites, points.shape[1]))
        np.add.at(sums, site, points)
        return np.bincount(site, minlength=self._sites).astype(float), sums
