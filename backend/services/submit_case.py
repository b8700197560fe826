"""A case arrives: once, however often it is sent."""

from typing import Any

from sqlalchemy import Connection, Row, select

from backend.db.engine import Database
from backend.db.tables import amendments, cases
from backend.services.audit import write_audit
from backend.services.records import ContentDiffers, case_row, note_change
from pallor.case import Case, differences
from pallor.clock import Clock


def submit_case(database: Database, clock: Clock, case: Case, *, by: str) -> bool:
    """Record a case; True when it is new, False when it was here already with the same facts.

    Raises:
        ContentDiffers: the id is on record with other facts.
    """
    row = {
        "id": case.id,
        "site": case.site,
        "subject_code": case.subject_code,
        "facts": case.to_json(),
        "submitted_digest": case.digest(),
        "received_at": clock.now(),
        "received_by": by,
    }
    with database.write() as tx:
        if database.insert_once(tx, cases, row):
            note_change(tx, clock, "case", case.id, case.id)
            write_audit(tx, clock, by, "case.submit", case.id, case_id=case.id, new=case.to_json())
            return True
        there = case_row(tx, case.id)
        # An amended case keeps the digest of what was submitted, so the phone's late repeat is still the same case.
        if there.submitted_digest != case.digest():
            raise ContentDiffers("case_id", case.id, differences(_submitted(tx, there), case.to_json()))
        return False


def _submitted(tx: Connection, there: Row[Any]) -> dict[str, Any]:
    """The facts as they first came: those before the first amendment."""
    first = select(amendments.c.before).where(amendments.c.case_id == there.id).order_by(amendments.c.made_at).limit(1)
    facts: dict[str, Any] = tx.execute(first).scalar() or there.facts
    return facts
