"""A human settles what a line alone does not: which case it is, or that it is none."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, select, update

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import lab_report_sites, lab_reports
from backend.services.audit import write_audit
from backend.services.match_report import match_report, objections
from backend.services.receive_report import OPEN, Laboratory, settle_report
from backend.services.records import CaseErased, case_of, case_row, not_found
from backend.services.whereabouts import report_is_at
from pallor.case import Case
from pallor.errors import Refused
from pallor.reported import ReportedHb


class ReportSettled(Refused):
    """Nothing is open about this line."""


class CaseDisagrees(Refused):
    """What the line says of the person or the visit is not what the case says."""


def confirm_report(lab: Laboratory, report_id: str, case_id: str, *, within: frozenset[str] | None, by: str) -> None:
    """Say that a line is about a case; its result is recorded as the laboratory's word.

    Raises:
        ReportSettled: unless it is settled already with this case: then nothing is done.
        NotFound, CaseErased
        CaseDisagrees: age, sex, code, barcode or season: the case is amended first, or it is another.
    """
    with lab.database.write() as tx:
        row = tx.execute(select(lab_reports).where(lab_reports.c.id == report_id)).one()
        if row.state == "recorded" and row.case_id == case_id:
            return
        line = _open(row)
        wrong = objections(line, case_row(tx, case_id, within=within))
        if wrong:
            raise CaseDisagrees(
                f"the line and this case do not agree: {', '.join(wrong)}", field="case_id", value=case_id,
                remedy="Look at the form and the tube. Amend the case where it is wrong, or dismiss the line.",
            )  # fmt: skip
        write_audit(tx, lab.clock, by, "lab-report.confirm", report_id, case_id=case_id, old={"reason": row.reason})
        settle_report(lab, tx, row, line, case_id, by=by)


def dismiss_report(lab: Laboratory, report_id: str, reason: str, *, by: str) -> None:
    """Say that a line is about none of the cases; raises ``ReportSettled``, unless it was dismissed before."""
    with lab.database.write() as tx:
        row = tx.execute(select(lab_reports).where(lab_reports.c.id == report_id)).one()
        if row.state == "dismissed":
            return
        _open(row)
        settled = {"settled_at": lab.clock.now(), "settled_by": by}
        values = {"state": "dismissed", "reason": None, "content": None}
        tx.execute(update(lab_reports).where(lab_reports.c.id == report_id).values(values | settled))
        write_audit(
            tx, lab.clock, by, "lab-report.dismiss", report_id, case_id=row.case_id,
            old={"reason": row.reason}, reason=reason,
        )  # fmt: skip


def show_report(
    database: Database, report_id: str, *, within: frozenset[str] | None
) -> tuple[Row[Any], tuple[Case, ...]]:
    """A line, and the cases among which a human may choose; raises ``NotFound``."""
    with database.read() as connection:
        row = connection.execute(select(lab_reports).where(lab_reports.c.id == report_id)).first()
    if row is None:
        raise not_found("report_id", report_id, "line of a report")
    return row, _candidates(database, row, within)


def list_reports(
    database: Database, states: Collection[str], limit: int, after: tuple[Any, str] | None,
    *, within: frozenset[str] | None,
) -> list[tuple[Row[Any], tuple[Case, ...]]]:  # fmt: skip
    """Lines in some states whose senders belong to these sites (None: all), newest first, each with its candidates."""
    key = (lab_reports.c.received_at, lab_reports.c.id)
    query = select(lab_reports).where(lab_reports.c.state.in_(states))
    query = query.order_by(*(column.desc() for column in key)).limit(limit)
    if within is not None:
        query = query.where(report_is_at(within))
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        rows = list(connection.execute(query))
    return [(row, _candidates(database, row, within)) for row in rows]


def _candidates(database: Database, row: Row[Any], within: frozenset[str] | None) -> tuple[Case, ...]:
    if row.state not in OPEN or row.content is None:
        return ()
    query = select(lab_report_sites.c.site).where(lab_report_sites.c.report_id == row.id)
    with database.read() as connection:
        sites = [site for site in connection.execute(query).scalars() if within is None or site in within]
        try:
            if row.case_id is None:
                case_ids = match_report(connection, ReportedHb.from_json(row.content), sites).candidates
            else:
                case_ids = (row.case_id,)
            found = [case_row(connection, case_id) for case_id in case_ids]
        except CaseErased:
            return ()
    return tuple(case_of(one) for one in found if one.site in sites)


def _open(row: Row[Any]) -> ReportedHb:
    if row.state not in OPEN or row.content is None:
        raise ReportSettled(
            f"this line is {row.state} already", field="report_id", value=row.id,
            remedy="A value that was recorded is corrected, or taken back.",
        )  # fmt: skip
    return ReportedHb.from_json(row.content)
