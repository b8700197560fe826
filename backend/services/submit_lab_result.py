"""The laboratory's word: a haemoglobin for a case, recorded once, from which the label follows."""

from backend.db.engine import Database
from backend.db.tables import lab_results
from backend.services.audit import write_audit
from backend.services.derive_label import derive_label
from backend.services.records import case_row, note_change, put_once
from pallor.clock import Clock, utc_text
from pallor.digest import digest_of
from pallor.lab import LabResult


def submit_lab_result(database: Database, clock: Clock, result: LabResult, table: str, *, by: str) -> bool:
    """Record a result; True when it is new, False when it was here already with the same content.

    Raises:
        NotFound: no such case.
        ContentDiffers: the id is on record with another content.
    """
    content = {
        "case_id": result.case_id,
        "value": result.hb.value,
        "unit": result.hb.unit,
        "taken_at": result.taken_at,
        "specimen": result.specimen.value,
        "loinc": result.loinc,
        "method": result.method,
    }
    said = {**content, "taken_at": utc_text(result.taken_at)}
    row = {
        **content,
        "id": result.id,
        "digest": digest_of(said),
        "g_per_l": str(result.hb.g_per_l),
        "received_at": clock.now(),
        "received_by": by,
    }
    with database.write() as tx:
        case_row(tx, result.case_id)
        if not put_once(database, tx, lab_results, row, "result_id"):
            return False
        note_change(tx, clock, "lab-result", result.id, result.case_id)
        write_audit(tx, clock, by, "lab-result.submit", result.id, case_id=result.case_id, new=said)
        derive_label(tx, clock, result.case_id, table, by=by)
        return True
