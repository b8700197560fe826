"""The laboratory's word: a haemoglobin for a case, recorded once, from which the label follows.

A wrong result is corrected by another that supersedes it; both stay on record.
"""

from datetime import datetime

from sqlalchemy import Connection, select, update

from backend.db.engine import Database
from backend.db.tables import lab_reports, lab_results
from backend.services.alerts import raise_alert
from backend.services.audit import write_audit
from backend.services.derive_label import derive_label
from backend.services.records import case_of, case_row, note_change, put_once
from pallor.clock import Clock, utc_text
from pallor.digest import digest_of
from pallor.errors import Refused
from pallor.lab import LabResult, Performer
from pallor.reported import MAX_GAP


class SpecimenOfAnotherVisit(Refused):
    """The blood was drawn months before or after the visit."""


class CannotSupersede(Refused):
    """What should be corrected is not a result of this case, or was corrected already."""


def submit_lab_result(
    database: Database, clock: Clock, result: LabResult, table: str, *, within: frozenset[str] | None, by: str
) -> bool:
    """Record a result; True when it is new, False when it was here already with the same content.

    Args:
        within: the sites of whoever posts it, None: every site.

    Raises:
        NotFound, CaseErased: no such case at these sites.
        ContentDiffers: the id is on record with another content.
        SpecimenOfAnotherVisit, CannotSupersede
    """
    with database.write() as tx:
        case_row(tx, result.case_id, within=within)
        return record_result(database, tx, clock, result, table, by=by)


def record_result(database: Database, tx: Connection, clock: Clock, result: LabResult, table: str, *, by: str) -> bool:
    """Record a result of a case that is there, and derive the label; True when it is new.

    Raises:
        ContentDiffers, SpecimenOfAnotherVisit, CannotSupersede
    """
    content = {
        "case_id": result.case_id,
        "value": result.hb.value,
        "unit": result.hb.unit,
        "taken_at": result.taken_at,
        "specimen": result.specimen.value,
        "loinc": result.loinc,
        "method": result.method,
        "supersedes": result.supersedes,
    }
    # What was posted before a result could say these keeps its digest.
    content |= {} if result.resulted_at is None else {"resulted_at": result.resulted_at}
    content |= {} if result.device is None else {"device": result.device}
    content |= {} if result.performer is Performer.UNKNOWN else {"performer": result.performer.value}
    content |= {} if result.reason is None else {"reason": result.reason}
    said = {name: utc_text(value) if isinstance(value, datetime) else value for name, value in content.items()}
    row = {
        **content,
        "id": result.id,
        "digest": digest_of(said),
        "g_per_l": str(result.hb.g_per_l),
        "received_at": clock.now(),
        "received_by": by,
    }
    case = case_of(case_row(tx, result.case_id))
    if abs(result.taken_at - case.visited_at) > MAX_GAP:
        raise SpecimenOfAnotherVisit(
            f"the visit was on {case.visited_at:%Y-%m-%d}, more than {MAX_GAP.days} days apart",
            field="taken_at", value=utc_text(result.taken_at),
            remedy="Check the date the blood was drawn, and that this is the right case.",
        )  # fmt: skip
    if tx.execute(select(lab_results.c.id).where(lab_results.c.id == result.id)).first() is None:
        _check_superseded(tx, result)
    if not put_once(database, tx, lab_results, row, "result_id"):
        return False
    if result.supersedes is not None:
        # Where a person corrected what a line of a report had said, what that line says next is of the corrected value.
        of_it = (lab_reports.c.result_id == result.supersedes) & (lab_reports.c.state == "recorded")
        tx.execute(update(lab_reports).where(of_it).values(result_id=result.id))
    note_change(tx, clock, "lab-result", result.id, result.case_id)
    write_audit(tx, clock, by, "lab-result.submit", result.id, case_id=result.case_id, new=said, reason=result.reason)
    raise_alert(tx, clock, result.case_id, result.id, result.hb.g_per_l, by=by)
    derive_label(tx, clock, result.case_id, table, by=by)
    return True


def _check_superseded(tx: Connection, result: LabResult) -> None:
    if result.supersedes is None:
        return
    old = tx.execute(select(lab_results.c.case_id).where(lab_results.c.id == result.supersedes)).scalar()
    taken = tx.execute(select(lab_results.c.id).where(lab_results.c.supersedes == result.supersedes)).scalar()
    if old != result.case_id or taken is not None:
        known = old == result.case_id and taken is not None
        why = f"it is corrected already, by {taken}" if known else "there is no such result of this case"
        raise CannotSupersede(
            why, field="supersedes", value=result.supersedes,
            remedy="Name the newest result of the case, or none.",
        )  # fmt: skip
