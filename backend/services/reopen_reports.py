"""A case has another tube than was thought: what the laboratory said of the old one is not its, and looks for its own.

The value is taken back and its line waits again, as on the day it came; of what it had said of age and sex nothing was
kept.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.db.tables import lab_reports, lab_results
from backend.services.audit import write_audit
from backend.services.retract_result import retract_result
from backend.services.specimen_barcode import plain
from pallor.clock import Clock
from pallor.lab import Performer, Specimen, read_hb
from pallor.reported import ReportedHb, ReportStatus

_WHY = "the case has another specimen"


def reopen_reports(tx: Connection, clock: Clock, case_id: str, barcode: str | None, table: str, *, by: str) -> None:
    """Let go of every value that came with another tube than ``barcode``, which is the case's from now on."""
    query = select(lab_reports).where(
        lab_reports.c.case_id == case_id, lab_reports.c.state == "recorded", lab_reports.c.barcode.is_not(None)
    )
    for row in tx.execute(query).all():
        if barcode is None or row.barcode != plain(barcode):
            _reopen(tx, clock, row, table, by=by)


def _reopen(tx: Connection, clock: Clock, row: Row[Any], table: str, *, by: str) -> None:
    result = tx.execute(select(lab_results).where(lab_results.c.id == row.result_id)).one()
    retract_result(tx, clock, result.id, "entered-in-error", _WHY, table, by=by)
    again = {"state": "waiting", "reason": "case-not-here", "content": _line(row, result).to_json()}
    nowhere: dict[str, datetime | str | None] = dict.fromkeys(("case_id", "result_id", "settled_at", "settled_by"))
    tx.execute(update(lab_reports).where(lab_reports.c.id == row.id).values(again | nowhere))
    old = {"state": row.state, "case_id": row.case_id}
    write_audit(tx, clock, by, "lab-report.reopen", row.id, case_id=row.case_id, old=old, reason=_WHY)


def _line(row: Row[Any], result: Row[Any]) -> ReportedHb:
    return ReportedHb(
        business_id="",
        status=ReportStatus(row.status),
        hb=read_hb(result.value, result.unit, result.loinc),
        taken_at=result.taken_at,
        resulted_at=result.resulted_at,
        loinc=result.loinc,
        specimen=Specimen(result.specimen),
        method=result.method,
        device=result.device,
        performer=Performer(result.performer or Performer.UNKNOWN),
        barcode=row.barcode,
        case_id=row.named_case_id,
        subject_code=row.subject_code,
    )
