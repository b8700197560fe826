"""Cases whose specimen the laboratory could not use, and for which no value has come since."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from backend.db.tables import lab_reports
from backend.services.records import standing_results
from pallor.reported import Rejection, ReportStatus


def specimens_to_collect(connection: Connection, case_ids: Sequence[str]) -> dict[str, tuple[Rejection, datetime]]:
    """For each of these cases that waits for blood: why the laboratory asked for it, and when it last did."""
    query = (
        select(lab_reports.c.case_id, lab_reports.c.rejection, lab_reports.c.received_at)
        .where(lab_reports.c.case_id.in_(case_ids), lab_reports.c.state == "noted")
        .where(lab_reports.c.status == ReportStatus.SPECIMEN_REJECTED)
        .order_by(lab_reports.c.received_at)
    )
    asked = {row.case_id: (Rejection(row.rejection), row.received_at) for row in connection.execute(query)}
    for result in standing_results(connection, list(asked)):
        if result.case_id in asked and result.received_at >= asked[result.case_id][1]:
            del asked[result.case_id]
    return asked
