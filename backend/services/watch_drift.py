"""Look whether anything has moved for a release, and put on record what has: the rules lie in ``backend.record.drift``.

A look costs nothing while nothing has come. The libraries behind the rules are loaded once there are cases enough to
say anything, and in no other process.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, Select, Subquery, func, select, update

from backend.db.engine import Database
from backend.db.tables import cases, drift_alarms, drift_watch, labels, photos, predictions, sites
from backend.record.drift.cases import BLOCK, Place, Watched, What, Where
from backend.services.audit import write_audit
from backend.services.derive_label import is_newest
from backend.services.drift_alarms import is_open
from backend.services.known_release import known_release
from backend.services.records import NotFound
from pallor.clock import Clock, utc_text
from pallor.eligibility import UNUSABLE
from pallor.ids import new_id

if TYPE_CHECKING:
    from backend.record.drift.cases import Move
    from backend.record.drift.watch import Line

log = logging.getLogger(__name__)

_ACTOR = "sweeper"
_FEWEST = 50  # of fewer cases nothing is ever said


@dataclass(frozen=True)
class _Mark:
    """The newest answer and the newest label that were looked at."""

    answers_until: datetime | None
    labels_until: datetime | None


def watch_drift(database: Database, clock: Clock) -> int:
    """Look at every release that has answered, or been judged by the laboratory, since the last look.

    Returns:
        How many alarms were raised.
    """
    with database.read() as connection:
        before, now = _last_look(connection), _newest(connection)
        releases = [] if before == now else _with_news(connection, before)
    if before == now:
        return 0
    raised = sum(_watch(database, clock, release_id) for release_id in releases)
    with database.write() as tx:
        row = {"answers_until": now.answers_until, "labels_until": now.labels_until}
        if not tx.execute(update(drift_watch).values(row)).rowcount:
            database.insert_once(tx, drift_watch, {"id": 1, **row})
    return raised


def _watch(database: Database, clock: Clock, release_id: str) -> int:
    with database.read() as connection:
        try:
            _, since = known_release(connection, release_id)
        except NotFound:
            return 0
        watched = _watched(connection, release_id, since)
        alarms = connection.execute(select(drift_alarms).where(drift_alarms.c.release_id == release_id)).all()
    if len(watched) < _FEWEST:
        return 0
    from backend.record.drift.watch import moves_in  # pandas, scikit-learn and SciPy come with it

    alarming = {_line(row) for row in alarms if is_open(row)}
    settled: dict[Line, datetime] = {}
    for row in alarms:
        settled[_line(row)] = max(row.until, settled.get(_line(row), row.until))
    moves = list(moves_in(watched, settled=settled, alarming=alarming))
    for move in moves:
        _raise(database, clock, release_id, move)
    return len(moves)


def _raise(database: Database, clock: Clock, release_id: str, move: "Move") -> None:
    alarm_id = new_id()
    row = {
        "release_id": release_id,
        "what": move.what.value,
        "place_kind": move.place.where.value,
        "place": move.place.name,
        "since": move.since,
        "until": move.until,
        "cases": move.cases,
        "cases_before": move.before,
        "value_before": move.old,
        "value_since": move.new,
        "said": move.said,
    }
    log.error("something has moved", extra={"release_id": release_id, "code": move.what.value, "fault": move.said})
    with database.write() as tx:
        tx.execute(drift_alarms.insert().values(**row, id=alarm_id, raised_at=clock.now()))
        told = {name: utc_text(value) if isinstance(value, datetime) else value for name, value in row.items()}
        write_audit(tx, clock, _ACTOR, "drift.raise", alarm_id, new=told)


def _last_look(tx: Connection) -> _Mark:
    row = tx.execute(select(drift_watch)).first()
    return _Mark(row.answers_until, row.labels_until) if row else _Mark(None, None)


def _newest(tx: Connection) -> _Mark:
    return _Mark(
        tx.scalar(select(func.max(predictions.c.recorded_at))), tx.scalar(select(func.max(labels.c.derived_at)))
    )


def _with_news(tx: Connection, mark: _Mark) -> Sequence[str]:
    """Releases that have answered since, or whose answers have since been given a label."""
    judged = select(predictions.c.release_id).join(photos, photos.c.id == predictions.c.photo_id)
    judged = judged.join(labels, labels.c.case_id == photos.c.case_id)
    answered = select(predictions.c.release_id)
    if mark.answers_until is not None:
        answered = answered.where(predictions.c.recorded_at > mark.answers_until)
    if mark.labels_until is not None:
        judged = judged.where(labels.c.derived_at > mark.labels_until)
    return sorted(tx.execute(answered.union(judged)).scalars())


def _watched(tx: Connection, release_id: str, since: datetime) -> Watched:
    """The release's answers to the first photos of each site's newest cases, in the order in which they were taken."""
    newest = _newest_cases(release_id, since)
    labelled = (
        select(
            labels.c.case_id, labels.c.derived_at, labels.c.record["anaemic"].as_boolean().label("anaemic"),
            labels.c.record["withheld"].label("withheld"),
        )
        .where(is_newest())
        .subquery()
    )  # fmt: skip
    query: Select[Any] = (
        select(
            newest.c.site, newest.c.captured_at, photos.c.capture["phone_model"].as_string().label("phone"),
            predictions.c.probability, predictions.c.embedding, labelled.c.derived_at, labelled.c.anaemic,
            labelled.c.withheld,
        )
        .join(photos, photos.c.id == newest.c.photo_id)
        .join(predictions, (predictions.c.photo_id == newest.c.photo_id) & (predictions.c.release_id == release_id))
        .outerjoin(labelled, labelled.c.case_id == newest.c.case_id)
        .where(newest.c.place > (newest.c.total // BLOCK - 1) * BLOCK)
        .order_by(newest.c.captured_at, newest.c.case_id)
    )  # fmt: skip
    rows = tx.execute(query).all()
    width = len(rows[-1].embedding) if rows else 0
    return _columns([_values(row) for row in rows if len(row.embedding) == width])


def _newest_cases(release_id: str, since: datetime) -> Subquery:
    """Of each case the first photo that the release answered; its place among its site's, and how many those are."""
    of_case = func.row_number().over(partition_by=photos.c.case_id, order_by=(photos.c.captured_at, photos.c.id))
    first = (
        select(photos.c.id.label("photo_id"), photos.c.case_id, photos.c.captured_at, of_case.label("nth"))
        .join(predictions, predictions.c.photo_id == photos.c.id)
        .where(predictions.c.release_id == release_id, predictions.c.embedding.is_not(None))
        .where(photos.c.captured_at > since)
        .subquery()
    )
    place = func.row_number().over(partition_by=cases.c.site, order_by=(first.c.captured_at, first.c.case_id))
    total = func.count().over(partition_by=cases.c.site)
    return (
        select(first, cases.c.site, place.label("place"), total.label("total"))
        .join(cases, cases.c.id == first.c.case_id)
        .join(sites, sites.c.code == cases.c.site)
        .where(first.c.nth == 1, ~sites.c.practice)
        .subquery()
    )


def _values(row: Row[Any]) -> tuple[Any, ...]:
    usable = row.anaemic is not None and not UNUSABLE.intersection(row.withheld)
    anaemic, known_at = (float(row.anaemic), row.derived_at.timestamp()) if usable else (np.nan, np.nan)
    return row.captured_at, row.site, row.phone or "", row.probability, row.embedding, anaemic, known_at


def _columns(rows: list[tuple[Any, ...]]) -> Watched:
    captured_at, site, phone, probability, embedding, anaemic, known_at = list(zip(*rows, strict=True)) or [()] * 7
    matrix = (
        np.frombuffer(b"".join(embedding), "<f4").astype(float).reshape(len(rows), -1) if rows else np.empty((0, 0))
    )
    return Watched(
        np.array(captured_at, object), np.array(site, object), np.array(phone, object), np.array(probability, float),
        matrix, np.array(anaemic, float), np.array(known_at, float),
    )  # fmt: skip


def _line(row: Row[Any]) -> "Line":
    return What(row.what), Place(Where(row.place_kind), row.place)
