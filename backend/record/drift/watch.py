"""What has moved, line by line, in words that somebody at an office can act on."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime

import numpy as np

from backend.record.counted import Flags, Floats
from backend.record.drift.cases import Move, Place, Watched, What, Where, lines_of
from backend.record.drift.embeddings import Space, apart
from backend.record.drift.martingales import ODDS, TOLERANCE, odds_of_calibration, odds_of_scores

Line = tuple[What, Place]
_FEWEST = 10  # on either side of a move


def moves_in(
    watched: Watched, *, settled: Mapping[Line, datetime] | None = None, alarming: Collection[Line] = ()
) -> Iterator[Move]:
    """Everything that has moved along any line.

    A wider line is watched without the sites that alarm by themselves: one site's camera is not everybody's.

    Args:
        settled: until when a line's last alarm reached; what came after is its new beginning.
        alarming: lines whose alarm is open: they need no second one.
    """
    settled, silent = settled or {}, set(alarming)
    seen = _seen(watched)
    space = Space.of(seen.embedding, seen.site) if seen.embedding.size else None
    looks: dict[What, Callable[[Watched, Place], Move | None]] = {
        What.EMBEDDING: lambda line, place: _embedding(space, line, place) if space else None,
        What.SCORE: _score,
        What.CALIBRATION: _calibration,
    }
    for place, line in lines_of(watched):
        for what, look in looks.items():
            if (what, place) in silent:
                continue
            fresh = line.where(_usual(line, what, place, settled, silent))
            if move := look(fresh, place):
                silent.add((what, place))
                yield move


def _usual(
    line: Watched, what: What, place: Place, settled: Mapping[Line, datetime], silent: Collection[Line]
) -> Flags:
    """The cases of a line but for those before its last alarm, and those of a site that alarms or did so later."""
    rows = np.ones(len(line), bool)
    if (what, place) in settled:
        rows &= line.captured_at > settled[what, place]
    if place.where is Where.SITE:
        return rows
    for name in np.unique(line.site):
        of_site = (what, Place(Where.SITE, str(name)))
        there = line.site == name
        if of_site in silent:
            rows &= ~there
        elif of_site in settled:
            rows &= ~there | (line.captured_at > settled[of_site])
    return rows


def _embedding(space: Space, line: Watched, place: Place) -> Move | None:
    line = _seen(line)
    found = apart(space, line.embedding, line.site)
    if found is None:
        return None
    with_scores = float(np.corrcoef(line.embedding @ found.way, line.probability)[0, 1]) if _varies(line) else 0.0
    way = (
        "across the scores" if abs(with_scores) < 0.2 else f"towards {'higher' if with_scores > 0 else 'lower'} scores"
    )
    said = (
        f"photos look unlike those before: {found.distance:.1f} standard deviations apart, {way} "
        f"(correlation {with_scores:+.2f})"
    )
    return _move(What.EMBEDDING, place, line, found.start, 0.0, found.distance, said)


def _seen(line: Watched) -> Watched:
    """The cases whose embedding is one: of a broken worker's NaN nothing is known, and it must hide no other."""
    return line.where(np.asarray(np.isfinite(line.embedding).all(axis=1)))


def _score(line: Watched, place: Place) -> Move | None:
    if len(line) < 2 * _FEWEST or odds_of_scores(line.probability, line.site) < ODDS:
        return None
    start = _split(_within(line))
    old, new = float(line.probability[:start].mean()), float(line.probability[start:].mean())
    return _move(What.SCORE, place, line, start, old, new, f"the mean score went from {old:.2f} to {new:.2f}")


def _calibration(line: Watched, place: Place) -> Move | None:
    line = line.where(~np.isnan(line.anaemic))
    order = np.argsort(line.known_at, kind="stable")
    if odds_of_calibration(line.probability[order], line.anaemic[order]) < ODDS:
        return None
    residual = line.anaemic - line.probability
    sign = 1.0 if residual.mean() > 0 else -1.0
    start = _beginning(sign * residual - TOLERANCE)
    old, new = float(line.probability[start:].mean()), float(line.anaemic[start:].mean())
    said = f"said {old:.2f}, observed {new:.2f}: {int(line.anaemic[start:].sum())} of {len(line) - start} anaemic"
    return _move(What.CALIBRATION, place, line, start, old, new, said)


def _move(what: What, place: Place, line: Watched, start: int, old: float, new: float, said: str) -> Move:
    return Move(what, place, line.captured_at[start], line.captured_at[-1], len(line) - start, start, old, new, said)


def _within(line: Watched) -> Floats:
    """Scores less their site's mean."""
    inside = line.probability.copy()
    for site in np.unique(line.site):
        inside[line.site == site] -= inside[line.site == site].mean()
    return inside


def _split(values: Floats) -> int:
    """Where values before and after differ most, in standard errors."""
    n, sums = len(values), np.cumsum(values)
    at = np.arange(_FEWEST, n - _FEWEST + 1)
    difference = (sums[-1] - sums[at - 1]) / (n - at) - sums[at - 1] / at
    return int(at[np.argmax(np.abs(difference) * np.sqrt(at * (n - at) / n))])


def _beginning(excess: Floats) -> int:
    """Where the end of a line begins that holds most of the excess."""
    tails = np.cumsum(excess[::-1])[::-1]
    return int(np.argmax(tails))


def _varies(line: Watched) -> bool:
    return bool(np.ptp(line.probability) > 0)
