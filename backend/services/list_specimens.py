"""Specimens as a laboratory sees them: whose tube it is and what stands of it; of what a model made of it nothing.

Where a photo's answer lies is told once a value is in: nobody's reading of an analyser is to lean towards a score.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import cases, lab_results, photos, predictions
from backend.services.records import case_of, standing_results, stands
from backend.services.specimen_barcode import grouped, plain
from backend.services.specimens_to_collect import specimens_to_collect
from pallor.case import Case
from pallor.clock import Clock
from pallor.reported import MAX_GAP, Rejection


@dataclass(frozen=True)
class Expected:
    """One case with its tube.

    ``results``: rows of what stands, in the order they came in. ``recollect``: why blood was asked for again, and when.
    ``scored_photos``: ids, none before a value is in.
    """

    case: Case
    received_at: datetime
    results: tuple[Row[Any], ...]
    recollect: tuple[Rejection, datetime] | None
    scored_photos: tuple[str, ...]


def list_expected(
    database: Database, clock: Clock, limit: int, after: tuple[datetime, str] | None,
    *, only_tubes: bool, within: frozenset[str] | None,
) -> list[Expected]:  # fmt: skip
    """Cases without a value whose blood may still come, the newest first.

    Args:
        only_tubes: leave out those of whom no tube was scanned.
    """
    key = (cases.c.received_at, cases.c.id)
    standing = select(lab_results.c.id).where(lab_results.c.case_id == cases.c.id, stands(lab_results.c.id))
    query = select(cases).where(~standing.correlate(cases).exists(), cases.c.received_at > clock.now() - MAX_GAP)
    query = query.order_by(*(column.desc() for column in key)).limit(limit)
    if only_tubes:
        query = query.where(cases.c.specimen_barcode.is_not(None))
    if after is not None:
        query = query.where(past_falling(key, after))
    return _read(database, query, within)


def find_specimens(database: Database, number: str, *, within: frozenset[str] | None) -> list[Expected]:
    """The cases that have this number: a tube's, or the case's own id."""
    tube = plain(number)
    named = or_(cases.c.id == number.strip().lower(), cases.c.specimen_barcode.in_((tube, grouped(tube))))
    return _read(database, select(cases).where(named).order_by(cases.c.received_at, cases.c.id), within)


def _read(database: Database, query: Select[Any], within: frozenset[str] | None) -> list[Expected]:
    if within is not None:
        query = query.where(cases.c.site.in_(within))
    with database.read() as connection:
        rows = connection.execute(query).all()
        ids = [row.id for row in rows]
        results: dict[str, list[Row[Any]]] = defaultdict(list)
        for result in standing_results(connection, ids):
            results[result.case_id].append(result)
        asked, scored = specimens_to_collect(connection, ids), _scored(connection, list(results))
    return [
        Expected(case_of(row), row.received_at, tuple(results[row.id]), asked.get(row.id), tuple(scored[row.id]))
        for row in rows
    ]


def _scored(connection: Connection, case_ids: Sequence[str]) -> dict[str, list[str]]:
    query = (
        select(photos.c.case_id, photos.c.id)
        .join(predictions, predictions.c.photo_id == photos.c.id)
        .where(photos.c.case_id.in_(case_ids), predictions.c.shown)
        .order_by(photos.c.declared_at, photos.c.id)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for case_id, photo_id in connection.execute(query):
        found[case_id].append(photo_id)
    return found
