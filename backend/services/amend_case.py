"""A fact of a case was wrong: it is corrected with a reason, what it was stays on record, the label follows."""

from typing import Any

from sqlalchemy import Connection, select, update

from backend.db.engine import Database
from backend.db.tables import amendments, cases
from backend.services.audit import write_audit
from backend.services.derive_label import derive_label
from backend.services.records import case_of, case_row, note_change, put_once
from backend.services.reopen_reports import reopen_reports
from pallor.case import amended
from pallor.clock import Clock
from pallor.digest import digest_of


def amend_case(
    database: Database,
    clock: Clock,
    case_id: str,
    amendment_id: str,
    changes: dict[str, Any],
    reason: str,
    table: str,
    *,
    by: str,
) -> bool:
    """Correct a case; True when the amendment is new, False when it was here already.

    Args:
        changes: by the names of ``Case.to_json``.

    Raises:
        NotFound, ContentDiffers, AmendmentEmpty; ``Refused`` when the corrected facts cannot all be true.
    """
    with database.write() as tx:
        return record_amendment(database, tx, clock, case_id, amendment_id, changes, reason, table, by=by)


def record_amendment(
    database: Database,
    tx: Connection,
    clock: Clock,
    case_id: str,
    amendment_id: str,
    changes: dict[str, Any],
    reason: str,
    table: str,
    *,
    by: str,
) -> bool:
    """``amend_case`` in a transaction that records more."""
    digest = digest_of({"case_id": case_id, "changes": changes, "reason": reason})
    row = case_row(tx, case_id)
    there = tx.execute(select(amendments).where(amendments.c.id == amendment_id)).first()
    # A repeat is recognised before it is applied: applied twice it would change nothing, and be refused for that.
    before = there.before if there else row.facts
    after = there.after if there else amended(case_of(row), changes).to_json()
    new = {
        "id": amendment_id,
        "case_id": case_id,
        "digest": digest,
        "changes": changes,
        "before": before,
        "after": after,
        "reason": reason,
        "made_at": clock.now(),
        "made_by": by,
    }
    if not put_once(database, tx, amendments, new, "amendment_id"):
        return False
    tx.execute(
        update(cases).where(cases.c.id == case_id).values(facts=after, specimen_barcode=after.get("specimen_barcode"))
    )
    note_change(tx, clock, "amendment", amendment_id, case_id)
    write_audit(
        tx, clock, by, "case.amend", amendment_id, case_id=case_id, old=before, new=after, reason=reason
    )  # fmt: skip
    if before.get("specimen_barcode") != after.get("specimen_barcode"):
        reopen_reports(tx, clock, case_id, after.get("specimen_barcode"), table, by=by)
    derive_label(tx, clock, case_id, table, by=by)
    return True
