"""Alarms that something has moved: open until somebody has seen them, or until a snapshot holds what is new."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, literal, select, true, update

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import cases, drift_alarms, photos, snapshot_cases
from backend.record.counted import Counted
from backend.record.drift.cases import Where
from backend.services.audit import write_audit
from backend.services.records import not_found
from pallor.clock import Clock


class DriftState(StrEnum):
    """``LEARNED``: a snapshot holds cases of what is new, and nobody had to say anything."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    LEARNED = "learned"


def list_drift_alarms(
    database: Database,
    limit: int,
    after: tuple[datetime, str] | None = None,
    *,
    release_id: str | None = None,
    state: DriftState | None = None,
    since: datetime | None = None,
) -> list[Row[Any]]:
    """Alarms, the newest first, from the one after ``after`` (when it was raised, its id) on.

    Args:
        since: only what was raised then or later.
    """
    key = (drift_alarms.c.raised_at, drift_alarms.c.id)
    query = select(drift_alarms).order_by(*(column.desc() for column in key)).limit(limit)
    if release_id is not None:
        query = query.where(drift_alarms.c.release_id == release_id)
    if state is not None:
        query = query.where(_STATES[state])
    if since is not None:
        query = query.where(drift_alarms.c.raised_at >= since)
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def drift_of(tx: Connection, release_id: str) -> Sequence[Row[Any]]:
    """Every alarm of a release, the oldest first."""
    query = select(drift_alarms).where(drift_alarms.c.release_id == release_id)
    return tx.execute(query.order_by(drift_alarms.c.raised_at, drift_alarms.c.id)).all()


def moved_cases(counted: Counted, alarms: Sequence[Row[Any]]) -> list[str]:
    """Of each case what had moved where and when its photo was taken, in a word or several; empty for most."""
    words: list[list[str]] = [[] for _ in range(len(counted))]
    for row in alarms:
        rows = counted.captured_at >= row.since
        if row.place_kind != Where.EVERYWHERE:
            rows &= counted.by["site" if row.place_kind == Where.SITE else "phone-model"] == row.place
        for at in np.flatnonzero(rows):
            words[at].append(row.what)
    return [" ".join(sorted(set(some))) for some in words]


def show_drift_alarm(database: Database, alarm_id: str) -> Row[Any]:
    """One that is on record."""
    with database.read() as connection:
        return connection.execute(select(drift_alarms).where(drift_alarms.c.id == alarm_id)).one()


def acknowledge_drift(database: Database, clock: Clock, alarm_id: str, note: str, *, by: str) -> bool:
    """Say that an alarm was seen, and what came of it; True when this was the first to say so.

    Raises:
        NotFound
    """
    this = drift_alarms.c.id == alarm_id
    with database.write() as tx:
        row = tx.execute(select(drift_alarms).where(this)).first()
        if row is None:
            raise not_found("alarm_id", alarm_id, "alarm")
        if row.acknowledged_at is not None:
            return False
        said = {"acknowledged_at": clock.now(), "acknowledged_by": by, "note": note}
        tx.execute(update(drift_alarms).where(this).values(said))
        write_audit(tx, clock, by, "drift.acknowledge", alarm_id, reason=note)
        return True


def learn_of_drift(tx: Connection, clock: Clock, digest: str, *, by: str) -> None:
    """Close the open alarms of which a snapshot holds what is new: what is made of it has seen how things are now."""
    for row in tx.execute(select(drift_alarms).where(_OPEN)).all():
        held = (
            select(photos.c.id)
            .join(cases, cases.c.id == photos.c.case_id)
            .join(snapshot_cases, snapshot_cases.c.case_id == cases.c.id)
            .where(snapshot_cases.c.snapshot_digest == digest, photos.c.captured_at >= row.since, _there(row))
            .limit(1)
        )
        if tx.execute(held).first() is None:
            continue
        said = {"learned_at": clock.now(), "learned_in": digest}
        tx.execute(update(drift_alarms).where(drift_alarms.c.id == row.id).values(said))
        write_audit(tx, clock, by, "drift.learn", row.id, new={"snapshot": digest})


def is_open(row: Row[Any]) -> bool:
    return state_of(row) is DriftState.OPEN


def state_of(row: Row[Any]) -> DriftState:
    if row.acknowledged_at is not None:
        return DriftState.ACKNOWLEDGED
    return DriftState.OPEN if row.learned_at is None else DriftState.LEARNED


def _there(row: Row[Any]) -> ColumnElement[bool]:
    if row.place_kind == Where.SITE:
        return cases.c.site == literal(row.place)
    if row.place_kind == Where.PHONE:
        found: ColumnElement[bool] = photos.c.capture["phone_model"].as_string() == literal(row.place)
        return found
    return true()


_OPEN = drift_alarms.c.acknowledged_at.is_(None) & drift_alarms.c.learned_at.is_(None)
_STATES: dict[DriftState, ColumnElement[bool]] = {
    DriftState.OPEN: _OPEN,
    DriftState.ACKNOWLEDGED: drift_alarms.c.acknowledged_at.is_not(None),
    DriftState.LEARNED: drift_alarms.c.acknowledged_at.is_(None) & drift_alarms.c.learned_at.is_not(None),
}
