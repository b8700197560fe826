"""A result is taken back: it stays on record and counts no more, and the label follows.

Whoever posted it may take it back for a while without a word; later it is entered in error, and somebody says why.
"""

from datetime import timedelta

from sqlalchemy import Connection, select, update

from backend.access.actor import parts_of
from backend.db.engine import Database
from backend.db.tables import lab_reports, lab_results, lab_retractions
from backend.services.audit import write_audit
from backend.services.derive_label import derive_label
from backend.services.records import note_change
from pallor.clock import Clock, utc_text
from pallor.errors import Refused
from pallor.ids import new_id

TAKEN_BACK = "taken-back"


class TakeBackOver(Refused):
    """The while is over in which a result is taken back without a word, or it is another's."""


class RetractedAlready(Refused):
    """Corrected or taken back already: nothing of it counts."""


def take_back(
    database: Database, clock: Clock, result_id: str, kind: str, reason: str | None, table: str,
    *, grace_minutes: float, by: str,
) -> bool:  # fmt: skip
    """Take a result back; True when this did it, False when it was taken back in the same way before.

    Args:
        kind: ``taken-back``, by whoever posted it and within ``grace_minutes``; or ``entered-in-error``.

    Raises:
        TakeBackOver, RetractedAlready
    """
    with database.write() as tx:
        row = tx.execute(select(lab_results).where(lab_results.c.id == result_id)).one()
        there = tx.execute(select(lab_retractions).where(lab_retractions.c.result_id == result_id)).first()
        if there is not None and there.kind == kind:
            return False
        later = tx.execute(select(lab_results.c.id).where(lab_results.c.supersedes == result_id)).scalar()
        if there is not None or later is not None:
            raise RetractedAlready(
                "this result does not count any more", field="result_id", value=result_id,
                remedy="Take back the one that corrected it." if later else "Nothing is left to be done.",
            )  # fmt: skip
        until = row.received_at + timedelta(minutes=grace_minutes)
        if kind == TAKEN_BACK and (clock.now() > until or not _same(row.received_by, by)):
            raise TakeBackOver(
                f"only whoever posted it takes it back, until {utc_text(until)}", field="kind", value=kind,
                remedy="Send kind entered-in-error with a reason.",
            )  # fmt: skip
        retract_result(tx, clock, result_id, kind, reason, table, by=by)
        return True


def retract_result(
    tx: Connection, clock: Clock, result_id: str, kind: str, reason: str | None, table: str,
    *, by: str,
) -> None:  # fmt: skip
    """Let a result count no more, unless it was taken back before; what it had corrected stands again if it was undone.

    Args:
        kind: ``taken-back`` | ``entered-in-error`` | ``cancelled`` | ``specimen-rejected``.
    """
    result = tx.execute(select(lab_results).where(lab_results.c.id == result_id)).one()
    if tx.execute(select(lab_retractions.c.id).where(lab_retractions.c.result_id == result_id)).first():
        return
    row = {"id": new_id(), "case_id": result.case_id, "result_id": result_id, "kind": kind, "reason": reason}
    tx.execute(lab_retractions.insert().values(row | {"made_at": clock.now(), "made_by": by}))
    state = "dismissed" if kind == TAKEN_BACK else "retracted"
    tx.execute(update(lab_reports).where(lab_reports.c.result_id == result_id).values(state=state))
    if kind == TAKEN_BACK and result.supersedes is not None:
        # Undone, it corrects nothing: what it had corrected counts again, and another may correct that.
        tx.execute(update(lab_results).where(lab_results.c.id == result_id).values(supersedes=None))
        again = lab_reports.c.result_id == result.supersedes
        if not tx.execute(update(lab_reports).where(again).values(state="recorded")).rowcount:  # a person corrected it
            as_before = {"state": "recorded", "result_id": result.supersedes}
            tx.execute(update(lab_reports).where(lab_reports.c.result_id == result_id).values(as_before))
    note_change(tx, clock, "lab-retraction", result_id, result.case_id)
    said = {"kind": kind, "corrected": result.supersedes}
    write_audit(
        tx, clock, by, "lab-result.retract", result_id, case_id=result.case_id, new=said, reason=reason
    )  # fmt: skip
    derive_label(tx, clock, result.case_id, table, by=by)


def _same(one: str, other: str) -> bool:
    """Whether the same person, or else the same machine, stands behind two words of the trail."""
    (person, device, _), (other_person, other_device, _) = parts_of(one), parts_of(other)
    return person == other_person if person or other_person else device == other_device
