"""Somebody says that they have seen a critical value: the first to say so stands. If nobody does, it escalates."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from backend.db.engine import Database
from backend.db.tables import alerts
from backend.services.alerts import is_standing
from backend.services.audit import write_audit
from backend.services.records import case_row, not_found, note_change
from pallor.clock import Clock, utc_text

_ACTOR = "sweeper"
_BATCH = 200


def acknowledge_alert(tx: Connection, clock: Clock, case_id: str, result_id: str, at: datetime, *, by: str) -> bool:
    """Record that an alert was seen; True when this was the first to say so.

    Args:
        at: when it was seen, by the phone's clock.

    Raises:
        NotFound, CaseErased
    """
    case_row(tx, case_id)
    here = (alerts.c.result_id == result_id) & (alerts.c.case_id == case_id)
    row = tx.execute(select(alerts).where(here)).first()
    if row is None:
        raise not_found("result_id", result_id, "alert")
    if row.acknowledged_at is not None:
        return False
    tx.execute(update(alerts).where(here).values(acknowledged_at=at, acknowledged_by=by))
    note_change(tx, clock, "alert", result_id, case_id)
    write_audit(tx, clock, by, "alert.acknowledge", result_id, case_id=case_id, new={"at": utc_text(at)})
    return True


def escalate_alerts(database: Database, clock: Clock, hours: float) -> int:
    """Mark alerts that nobody has acknowledged for so long; how many they were."""
    now = clock.now()
    overdue = (
        select(alerts.c.result_id, alerts.c.case_id)
        .where(alerts.c.acknowledged_at.is_(None), alerts.c.escalated_at.is_(None), is_standing())
        .where(alerts.c.since < now - timedelta(hours=hours))
        .limit(_BATCH)
    )
    with database.read() as connection:
        if connection.execute(overdue).first() is None:
            return 0
    with database.write() as tx:
        found = tx.execute(overdue).all()
        for row in found:
            tx.execute(update(alerts).where(alerts.c.result_id == row.result_id).values(escalated_at=now))
            note_change(tx, clock, "alert", row.result_id, row.case_id)
            write_audit(tx, clock, _ACTOR, "alert.escalate", row.result_id, case_id=row.case_id)
        return len(found)
