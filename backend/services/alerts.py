"""A haemoglobin so low that somebody must say that they have seen it; a value that was corrected alarms no more."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import alerts, cases, lab_results
from backend.services.audit import write_audit
from backend.services.records import note_change, stands
from pallor.clock import Clock
from pallor.label import CRITICAL_G_PER_L


class AlertState(StrEnum):
    """``ESCALATED``: nobody had acknowledged it in time, and nobody has since."""

    OPEN = "open"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"


def raise_alert(tx: Connection, clock: Clock, case_id: str, result_id: str, g_per_l: Decimal, *, by: str) -> None:
    """Raise an alert for a result that has just come, if its value, as it was measured, is critical."""
    if g_per_l >= CRITICAL_G_PER_L:
        return
    tx.execute(alerts.insert().values(result_id=result_id, case_id=case_id, since=clock.now()))
    note_change(tx, clock, "alert", result_id, case_id)
    write_audit(tx, clock, by, "alert.raise", result_id, case_id=case_id)


def is_standing() -> ColumnElement[bool]:
    """That the value of a row of ``alerts`` was neither corrected nor taken back."""
    return stands(alerts.c.result_id)


def alerts_of(connection: Connection, case_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """The alert of each case that has one that stands; of several the oldest that nobody has acknowledged."""
    query = (
        select(alerts)
        .where(alerts.c.case_id.in_(case_ids), is_standing())
        .order_by(alerts.c.acknowledged_at.is_(None), alerts.c.since.desc())
    )
    return {row.case_id: row for row in connection.execute(query)}  # of each case the last one stands


def list_alerts(
    database: Database,
    limit: int,
    after: tuple[datetime, str] | None,
    *,
    within: frozenset[str] | None,
    state: AlertState | None,
) -> list[Row[Any]]:
    """Alerts that stand at some sites (None: at all), the newest first, from the one after ``after`` on.

    Args:
        after: since when, and the result's id.
    """
    key = (alerts.c.since, alerts.c.result_id)
    query = (
        select(alerts, cases.c.site, cases.c.subject_code, lab_results.c.g_per_l)
        .join(cases, cases.c.id == alerts.c.case_id)
        .join(lab_results, lab_results.c.id == alerts.c.result_id)
        .where(is_standing())
        .order_by(*(column.desc() for column in key))
        .limit(limit)
    )
    if within is not None:
        query = query.where(cases.c.site.in_(within))
    if state is not None:
        query = query.where(_STATES[state])
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def show_alert(database: Database, result_id: str) -> Row[Any]:
    """An alert that is on record."""
    with database.read() as connection:
        return connection.execute(select(alerts).where(alerts.c.result_id == result_id)).one()


def state_of(row: Row[Any]) -> AlertState:
    if row.acknowledged_at is not None:
        return AlertState.ACKNOWLEDGED
    return AlertState.OPEN if row.escalated_at is None else AlertState.ESCALATED


_UNSEEN = alerts.c.acknowledged_at.is_(None)
_STATES: dict[AlertState, ColumnElement[bool]] = {
    AlertState.OPEN: _UNSEEN & alerts.c.escalated_at.is_(None),
    AlertState.ESCALATED: _UNSEEN & alerts.c.escalated_at.is_not(None),
    AlertState.ACKNOWLEDGED: alerts.c.acknowledged_at.is_not(None),
}
