"""The confirmed cases whose photos a release holds to be most like this one: what it may have thought of.

Confirmed is what could also teach a model: a haemoglobin stands, the label counts, the photo was taken near it. So no
case of a practice site is one, none whose consent was withdrawn, and none whose photograph another subject has as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, select

from backend.db.engine import Database
from backend.db.tables import cases, labels, photos, predictions
from backend.services.answer_to_explain import answer_to_explain
from backend.services.derive_label import USABLE, is_newest
from backend.services.same_photo import photos_alike
from pallor.clock import parse_utc
from pallor.eligibility import is_near
from pallor.image.fingerprint import NEAR_BITS, hamming

_LOOKED_UP_AT_ONCE = 100


@dataclass(frozen=True)
class Neighbour:
    """A confirmed case by its nearest photo. ``distance``: 1 less the cosine of the two embeddings, 0..2."""

    case_id: str
    photo_id: str
    hb_g_per_l: str
    severity: str
    distance: float


@dataclass(frozen=True)
class Nearest:
    """``release_id``: whose embeddings were compared. ``compared``: how many confirmed photos there were."""

    release_id: str
    compared: int
    neighbours: tuple[Neighbour, ...]


def find_nearest_cases(
    database: Database,
    case_id: str,
    photo_id: str,
    release_id: str | None,
    limit: int,
    *,
    within: frozenset[str] | None,
    blind: bool,
) -> Nearest:
    """At most ``limit`` confirmed cases, the nearest first; raises what ``answer_to_explain`` raises.

    Args:
        within: the sites of whoever asks; None: every site.
    """
    with database.read() as connection:
        answer = answer_to_explain(connection, case_id, photo_id, release_id, blind=blind)
        rows = [
            row
            for row in connection.execute(_confirmed(answer.release_id, case_id, within))
            if len(row.embedding) == len(answer.embedding)
        ]
        distances = _distances(answer.embedding, [row.embedding for row in rows])
        nearest_first = [(rows[at].photo_id, float(distances[at])) for at in np.argsort(distances, kind="stable")]
        found: dict[str, Neighbour] = {}
        for one in _described(connection, photo_id, nearest_first):
            found.setdefault(one.case_id, one)
            if len(found) == limit:
                break
    return Nearest(answer.release_id, len(rows), tuple(found.values()))


def _confirmed(release_id: str, but: str, within: frozenset[str] | None) -> Select[Any]:
    """Photo and embedding of every photo, scored by this release, of other cases whose newest label counts."""
    query = (
        select(predictions.c.photo_id, predictions.c.embedding)
        .join(photos, photos.c.id == predictions.c.photo_id)
        .join(labels, labels.c.case_id == photos.c.case_id)
        .where(predictions.c.release_id == release_id, labels.c.eligible, is_newest())
        .where(photos.c.state.in_(USABLE), photos.c.case_id != but)
    )
    if within is None:
        return query
    return query.join(cases, cases.c.id == photos.c.case_id).where(cases.c.site.in_(within))


def _distances(mine: bytes, others: Sequence[bytes]) -> NDArray[np.float32]:
    """(len(others),): 1 less the cosine."""
    me = np.frombuffer(mine, "<f4")
    matrix = np.frombuffer(b"".join(others), "<f4").reshape(len(others), len(me))
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(me)
    distances: NDArray[np.float32] = np.maximum(0, 1 - matrix @ me / np.maximum(lengths, 1e-12))  # rounding goes below
    return distances


def _described(
    connection: Connection, photo_id: str, nearest_first: Sequence[tuple[str, float]]
) -> Iterator[Neighbour]:
    """The same as neighbours, looked up a few at a time, less the twins of ``photo_id`` and what is far from its value.

    Twins of one and the same person, sent at two visits, withhold no label; they would only say that it is that person.
    """
    alike = photos_alike([photo_id])
    twins = set(connection.execute(select(alike.c.other_photo_id)).scalars())
    mine = connection.execute(select(photos.c.perceptual_hash).where(photos.c.id == photo_id)).scalar()
    for at in range(0, len(nearest_first), _LOOKED_UP_AT_ONCE):
        some = nearest_first[at : at + _LOOKED_UP_AT_ONCE]
        rows = _by_photo(connection, [other_id for other_id, _ in some])
        for other_id, distance in some:
            row = rows[other_id]
            twin = other_id in twins or (
                mine and row.perceptual_hash and hamming(mine, row.perceptual_hash) <= NEAR_BITS
            )
            if not twin and is_near(row.captured_at, parse_utc(row.record["taken_at"])):
                hb = row.record["hb"]["g_per_l"]
                yield Neighbour(row.case_id, other_id, hb, row.record["severity"], distance)


def _by_photo(connection: Connection, photo_ids: Sequence[str]) -> dict[str, Row[Any]]:
    query: Select[Any] = (
        select(photos.c.id, photos.c.case_id, photos.c.captured_at, photos.c.perceptual_hash, labels.c.record)
        .join(labels, labels.c.case_id == photos.c.case_id)
        .where(photos.c.id.in_(photo_ids), is_newest())
    )
    return {row.id: row for row in connection.execute(query)}
