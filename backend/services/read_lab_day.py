"""A laboratory's day: what was entered, corrected, taken back and asked for again, in its order, and by whom."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from backend.access.actor import parts_of
from backend.db.engine import Database
from backend.db.tables import cases, lab_reports, lab_results, lab_retractions
from backend.services.receive_report import OPEN
from backend.services.whereabouts import report_is_at
from pallor.reported import ReportStatus

MOST_ENTRIES = 2000
Kind = Literal["result", "correction", "retraction", "recollect", "waiting"]


@dataclass(frozen=True)
class Entry:
    """``result``: its row, or that of what was taken back. ``said``: value and unit of a line that waits.
    ``reason``: in somebody's words, or as a code.
    """

    kind: Kind
    at: datetime
    by: str
    id: str
    case: Row[Any] | None = None
    result: Row[Any] | None = None
    corrects: Row[Any] | None = None
    said: tuple[str, str] | None = None
    barcode: str | None = None
    reason: str | None = None
    retracted: str | None = None
    superseded: bool = False


def read_lab_day(database: Database, day: date, zone: tzinfo, *, within: frozenset[str] | None) -> list[Entry]:
    """What happened on a day at these sites (None: all), the first first; at most ``MOST_ENTRIES`` of each kind."""
    start = datetime.combine(day, time(), zone)
    until = datetime.combine(day + timedelta(days=1), time(), zone)
    here: list[ColumnElement[bool]] = [] if within is None else [cases.c.site.in_(within)]
    with database.read() as connection:
        entries = [
            *_results(connection, start, until, here),
            *_retractions(connection, start, until, here),
            *_recollected(connection, start, until, here),
            *_waiting(connection, start, until, within),
        ]
    return sorted(entries, key=lambda entry: (entry.at, entry.id))


def _results(connection: Connection, start: Any, until: Any, here: list[ColumnElement[bool]]) -> Iterator[Entry]:
    query = select(lab_results).join(cases, cases.c.id == lab_results.c.case_id)
    rows = _of_day(connection, query.where(*here), lab_results.c.received_at, start, until)
    case_of = _by_id(connection, cases, {row.case_id for row in rows})
    old = _by_id(connection, lab_results, {row.supersedes for row in rows if row.supersedes})
    ids = [row.id for row in rows]
    gone = select(lab_retractions.c.result_id, lab_retractions.c.kind).where(lab_retractions.c.result_id.in_(ids))
    retracted = {row.result_id: row.kind for row in connection.execute(gone)}
    later = set(connection.execute(select(lab_results.c.supersedes).where(lab_results.c.supersedes.in_(ids))).scalars())
    for row in rows:
        yield Entry(
            "correction" if row.supersedes else "result", row.received_at, who(row.received_by), row.id,
            case=case_of[row.case_id], result=row, corrects=old.get(row.supersedes), reason=row.reason,
            retracted=retracted.get(row.id), superseded=row.id in later,
        )  # fmt: skip


def _retractions(connection: Connection, start: Any, until: Any, here: list[ColumnElement[bool]]) -> Iterator[Entry]:
    query = select(lab_retractions).join(cases, cases.c.id == lab_retractions.c.case_id)
    rows = _of_day(connection, query.where(*here), lab_retractions.c.made_at, start, until)
    case_of = _by_id(connection, cases, {row.case_id for row in rows})
    result_of = _by_id(connection, lab_results, {row.result_id for row in rows})
    for row in rows:
        yield Entry(
            "retraction", row.made_at, who(row.made_by), row.id, case=case_of[row.case_id],
            result=result_of[row.result_id], reason=row.reason, retracted=row.kind,
        )  # fmt: skip


def _recollected(connection: Connection, start: Any, until: Any, here: list[ColumnElement[bool]]) -> Iterator[Entry]:
    query = select(lab_reports).join(cases, cases.c.id == lab_reports.c.case_id).where(*here)
    query = query.where(lab_reports.c.state == "noted", lab_reports.c.status == ReportStatus.SPECIMEN_REJECTED)
    rows = _of_day(connection, query, lab_reports.c.received_at, start, until)
    case_of = _by_id(connection, cases, {row.case_id for row in rows})
    for row in rows:
        case = case_of[row.case_id]
        yield Entry("recollect", row.received_at, who(row.received_by), row.id, case=case, reason=row.rejection)


def _waiting(connection: Connection, start: Any, until: Any, within: frozenset[str] | None) -> Iterator[Entry]:
    query = select(lab_reports).where(lab_reports.c.state.in_(OPEN))
    if within is not None:
        query = query.where(report_is_at(within))
    for row in _of_day(connection, query, lab_reports.c.received_at, start, until):
        hb = (row.content or {}).get("hb")
        yield Entry(
            "waiting", row.received_at, who(row.received_by), row.id, reason=row.reason, barcode=row.barcode,
            said=(hb["value"], hb["unit"]) if hb else None,
        )  # fmt: skip


def who(actor: str) -> str:
    """Whoever entered it, without which browser that was."""
    person, device, _ = parts_of(actor)
    return person or device


def _of_day(connection: Connection, query: Select[Any], moment: Any, start: Any, until: Any) -> list[Row[Any]]:
    found = query.where(moment >= start, moment < until).order_by(moment).limit(MOST_ENTRIES)
    return list(connection.execute(found))


def _by_id(connection: Connection, table: Any, ids: set[str]) -> dict[str, Row[Any]]:
    return {row.id: row for row in connection.execute(select(table).where(table.c.id.in_(ids)))}
