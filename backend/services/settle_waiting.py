"""Early results find their case when it arrives; those whose case never comes are let go."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, func, or_, select

from backend.db.tables import cases, lab_report_sites, lab_reports
from backend.services.receive_report import FINAL_TWICE, OPEN, Laboratory, Received, place_report
from backend.services.records import CaseErased
from pallor.reported import MAX_GAP, ReportedHb

_BATCH = 200
_PATIENCE = MAX_GAP + timedelta(days=1)  # no case that comes later could still be the one


def settle_waiting(lab: Laboratory, case_id: str | None = None) -> int:
    """Match what waits for cases that are here by now; how many lines were settled.

    Args:
        case_id: of a case that has just come or changed: also what a human was asked about it is looked at again. None:
            what waits for a case by its id or its tube, a batch of it.
    """
    with lab.database.read() as connection:
        query, asked = (_FOR_ANY, {}) if case_id is None else (_FOR_ONE, {"case_id": case_id})
        found = [str(report_id) for report_id in connection.execute(query, asked).scalars()]
    return sum(_look_again(lab, report_id) for report_id in found)


def forget_unmatched(lab: Laboratory) -> int:
    """Let go what has waited in vain; how many lines."""
    old = (
        select(lab_reports.c.id)
        .where(lab_reports.c.state.in_(("waiting", "worklist", "dismissed", "overtaken", "noted")))
        .where(lab_reports.c.case_id.is_(None), lab_reports.c.received_at < lab.clock.now() - _PATIENCE)
        .limit(_BATCH)
    )
    with lab.database.read() as connection:
        found = list(connection.execute(old).scalars())
    if found:
        with lab.database.write() as tx:
            delete_reports(tx, found)
    return len(found)


def delete_reports(tx: Connection, report_ids: list[str]) -> None:
    """Delete lines of reports, with all that was kept of them."""
    tx.execute(delete(lab_report_sites).where(lab_report_sites.c.report_id.in_(report_ids)))
    tx.execute(delete(lab_reports).where(lab_reports.c.id.in_(report_ids)))


def _waiting_for(*named: ColumnElement[bool], states: tuple[str, ...]) -> Select[tuple[str]]:
    """The lines that name a case which is here by now; ``named``: by what they may, besides its id and its tube."""
    tube = lab_reports.c.barcode
    in_groups = func.substr(tube, 1, 4) + "-" + func.substr(tube, 5, 3) + "-" + func.substr(tube, 8, 3)
    by_tube = (cases.c.specimen_barcode == one for one in (tube, in_groups))
    return (
        select(lab_reports.c.id)
        .join(cases, or_(lab_reports.c.named_case_id == cases.c.id, *by_tube, *named))
        .join(lab_report_sites, lab_report_sites.c.report_id == lab_reports.c.id)
        .where(lab_reports.c.state.in_(states), lab_report_sites.c.site == cases.c.site)
        .group_by(lab_reports.c.id, lab_reports.c.received_at)
        .order_by(lab_reports.c.received_at, lab_reports.c.id)
        .limit(_BATCH)
    )


def _look_again(lab: Laboratory, report_id: str) -> bool:
    """Whether a line that was kept is settled now."""
    with lab.database.write() as tx:
        row = tx.execute(select(lab_reports).where(lab_reports.c.id == report_id)).first()
        if row is None or row.state not in OPEN or row.reason == FINAL_TWICE:
            return False
        try:
            done = _place(lab, tx, row)
        except CaseErased:
            delete_reports(tx, [report_id])
            return True
        return done.state not in OPEN


def _place(lab: Laboratory, tx: Connection, row: Row[Any]) -> Received:
    sites = frozenset(
        tx.execute(select(lab_report_sites.c.site).where(lab_report_sites.c.report_id == row.id)).scalars()
    )
    return place_report(lab, tx, row, ReportedHb.from_json(row.content), sites)


# Built once: every case that arrives asks the second.
_FOR_ANY = _waiting_for(states=("waiting",))
_FOR_ONE = _waiting_for(lab_reports.c.subject_code == cases.c.subject_code, states=OPEN).where(
    cases.c.id == bindparam("case_id")
)
