"""At which site the thing lies that a request names in its path."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, select

from backend.db.engine import Database
from backend.db.tables import cases, lab_report_sites, lab_reports, lab_results, lab_sent_back_sites
from backend.services.receive_sealed import sealed_row
from backend.services.records import case_row, not_found


def check_within(database: Database, path: Mapping[str, Any], sites: frozenset[str] | None) -> None:
    """Raise ``NotFound`` unless what ``path`` names (a case, a result, a submission, ...) lies at one of ``sites``.

    None: every site.

    Whoever asks for what lies elsewhere is told what they would be told of what does not exist.

    Raises:
        NotFound, CaseErased
    """
    with database.read() as connection:
        if "submission_id" in path:
            if sites is not None and sealed_row(connection, path["submission_id"]).site not in sites:
                raise not_found("submission_id", path["submission_id"], "submission")
        elif "result_id" in path and "case_id" not in path:
            query = select(cases.c.site).join(lab_results).where(lab_results.c.id == path["result_id"])
            site = connection.execute(query).scalar()
            if site is None or (sites is not None and site not in sites):
                raise not_found("result_id", path["result_id"], "laboratory result")
        elif "report_id" in path:
            here = select(lab_reports.c.id).where(lab_reports.c.id == path["report_id"])
            here = here if sites is None else here.where(report_is_at(sites))
            if connection.execute(here.limit(1)).first() is None:
                raise not_found("report_id", path["report_id"], "line of a report")
        elif "sent_back_id" in path:
            there = select(lab_sent_back_sites.c.sent_back_id)
            there = there.where(lab_sent_back_sites.c.sent_back_id == path["sent_back_id"])
            here = there if sites is None else there.where(lab_sent_back_sites.c.site.in_(sites))
            if connection.execute(here.limit(1)).first() is None:
                raise not_found("sent_back_id", path["sent_back_id"], "line that was sent back")
        else:
            case_row(connection, path["case_id"], within=sites)


def report_is_at(sites: Collection[str]) -> ColumnElement[bool]:
    """That a line of ``lab_reports`` is for these sites to see: its case lies there, or its sender has cases there."""
    its_case = select(cases.c.id).where(cases.c.site.in_(sites))
    its_senders = select(lab_report_sites.c.report_id).where(lab_report_sites.c.site.in_(sites))
    unknown = lab_reports.c.case_id.is_(None) & lab_reports.c.id.in_(its_senders)
    return unknown | lab_reports.c.case_id.in_(its_case)
