"""A laboratory reports: the one verb behind every way in. Once, however often it is sent; matched, or kept to be.

What a line says is kept until it is settled and no longer: then the result itself is on record, or nothing is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.db.engine import Database
from backend.db.tables import lab_report_sites, lab_reports
from backend.services.audit import write_audit
from backend.services.match_report import Match, match_report, objections
from backend.services.records import case_row, note_change
from backend.services.retract_result import retract_result
from backend.services.submit_lab_result import record_result
from pallor.clock import Clock
from pallor.ids import new_id
from pallor.lab import LabResult
from pallor.reported import Fate, ReportedHb, ReportStatus, Word, fate_of

OPEN = ("waiting", "worklist")
FINAL_TWICE = "final-twice"
_LIVE = ("recorded", "noted", "retracted", *OPEN)  # states of lines that have a say


@dataclass(frozen=True)
class Laboratory:
    """What every report needs. ``table``: which labels follow."""

    database: Database
    clock: Clock
    table: str


@dataclass(frozen=True)
class Sender:
    """``name``: in whose numbers business ids are. ``sites``: where its cases may lie. ``by``: for the audit trail."""

    name: str
    sites: frozenset[str]
    by: str


@dataclass(frozen=True)
class Received:
    """What became of a line. ``repeated``: it had come before, and this is what became of it then, or since."""

    report_id: str
    state: str
    reason: str | None
    case_id: str | None
    result_id: str | None
    repeated: bool = False


def receive_report(lab: Laboratory, line: ReportedHb, sender: Sender) -> Received:
    """Take in one line, in a transaction of its own.

    Raises:
        CaseErased: it names a case that was erased.
    """
    with lab.database.write() as tx:
        return receive_in(lab, tx, line, sender)


def receive_in(lab: Laboratory, tx: Connection, line: ReportedHb, sender: Sender) -> Received:
    """Take in one line in somebody's transaction; raises as ``receive_report`` does."""
    there, live = _before(tx, line, sender)
    if there is not None:
        return _received(there, repeated=True)
    fate, recorded = _fate(line, live), _recorded(live)
    row = _note(lab, tx, line, sender)
    if fate is Fate.OVERTAKEN:
        return _settle(lab, tx, row, "overtaken", by=sender.by)
    if fate is Fate.DISPUTED:
        return _keep(lab, tx, row, Weighed("worklist", FINAL_TWICE, recorded.case_id if recorded else None))
    for other in live:
        if other.state in OPEN:
            _settle(lab, tx, other, "overtaken", by=sender.by)
    return place_report(lab, tx, row, line, sender.sites)


def foresee_report(connection: Connection, line: ReportedHb, sender: Sender) -> Received:
    """What ``receive_report`` would do with a line now; nothing is done. ``report_id``: empty, for a new one."""
    there, live = _before(connection, line, sender)
    if there is not None:
        return _received(there, repeated=True)
    fate, recorded = _fate(line, live), _recorded(live)
    if fate is Fate.OVERTAKEN:
        return Received("", "overtaken", None, None, None)
    if fate is Fate.DISPUTED:
        return Received("", "worklist", FINAL_TWICE, recorded.case_id if recorded else None, None)
    weighed = _weigh(connection, line, recorded, sender.sites)
    return Received("", weighed.state, weighed.why, weighed.case_id, None)


def place_report(lab: Laboratory, tx: Connection, row: Row[Any], line: ReportedHb, sites: frozenset[str]) -> Received:
    """Settle a line that is on record as far as it can be by now: match it, or say why it cannot be."""
    weighed = _weigh(tx, line, recorded_before(tx, row), sites)
    if weighed.state in OPEN:
        return _keep(lab, tx, row, weighed)
    return settle_report(lab, tx, row, line, weighed.case_id, by=row.received_by)


def settle_report(
    lab: Laboratory, tx: Connection, row: Row[Any], line: ReportedHb, case_id: str | None, *, by: str
) -> Received:
    """Let a line have its effect on a case: a result is recorded, superseded or taken back, or blood is asked for."""
    recorded = recorded_before(tx, row)
    supersedes = None
    if recorded is not None and line.status.has_value and recorded.case_id == case_id:
        supersedes = recorded.result_id
        tx.execute(update(lab_reports).where(lab_reports.c.id == recorded.id).values(state="superseded"))
    elif recorded is not None:
        kind = "entered-in-error" if line.status.has_value else line.status.value
        retract_result(tx, lab.clock, recorded.result_id, kind, None, lab.table, by=by)
    if line.measured is None or case_id is None:
        if case_id is not None and line.status is ReportStatus.SPECIMEN_REJECTED:
            note_change(tx, lab.clock, "recollect", row.id, case_id)
        return _settle(lab, tx, row, "noted", case_id, by=by)
    hb, taken_at = line.measured
    result = LabResult(
        id=new_id(), case_id=case_id, hb=hb, taken_at=taken_at, specimen=line.specimen, loinc=line.loinc,
        method=line.method, supersedes=supersedes, resulted_at=line.resulted_at, device=line.device,
        performer=line.performer,
    )  # fmt: skip
    record_result(lab.database, tx, lab.clock, result, lab.table, by=row.received_by)
    return _settle(lab, tx, row, "recorded", case_id, result.id, by=by)


def recorded_before(tx: Connection, row: Row[Any]) -> Row[Any] | None:
    """The line about the same measurement whose value is on record."""
    query = select(lab_reports).where(lab_reports.c.key == row.key, lab_reports.c.state == "recorded")
    return tx.execute(query).first()


@dataclass(frozen=True)
class Weighed:
    """What is to become of a line that takes its place among the others about its measurement."""

    state: str
    why: str | None
    case_id: str | None


def _before(tx: Connection, line: ReportedHb, sender: Sender) -> tuple[Row[Any] | None, Sequence[Row[Any]]]:
    """The same line if it came before, and every line about the same measurement that has a say."""
    same = select(lab_reports).where(lab_reports.c.key == line.key_of(sender.name))
    there = tx.execute(same.where(lab_reports.c.digest == line.digest())).first()
    return there, tx.execute(same.where(lab_reports.c.state.in_(_LIVE))).all()


def _fate(line: ReportedHb, live: Sequence[Row[Any]]) -> Fate:
    fates = {fate_of(line.word, _word(one)) for one in live}
    return next((fate for fate in (Fate.OVERTAKEN, Fate.DISPUTED) if fate in fates), Fate.REPLACES)


def _word(row: Row[Any]) -> Word:
    return Word(ReportStatus(row.status), row.resulted_at, row.g_per_l, row.barcode, row.named_case_id)


def _recorded(live: Sequence[Row[Any]]) -> Row[Any] | None:
    return next((one for one in live if one.state == "recorded"), None)


def _weigh(tx: Connection, line: ReportedHb, recorded: Row[Any] | None, sites: frozenset[str]) -> Weighed:
    if not line.status.has_value and line.status is not ReportStatus.SPECIMEN_REJECTED:
        return Weighed("noted", None, recorded.case_id if recorded else None)
    match = match_report(tx, line, sites) if recorded is None else _same_case(tx, line, recorded)
    if match.case_id is None:
        return Weighed("waiting" if match.waits else "worklist", match.why, None)
    return Weighed("recorded" if line.status.has_value else "noted", None, match.case_id)


def _same_case(tx: Connection, line: ReportedHb, recorded: Row[Any]) -> Match:
    """A correction is of the case that the first word was matched with, if it does not name another."""
    wrong = objections(line, case_row(tx, recorded.case_id))
    if not wrong:
        return Match(recorded.case_id)
    return Match(None, "case-differs-from-first", (recorded.case_id,))


def _note(lab: Laboratory, tx: Connection, line: ReportedHb, sender: Sender) -> Row[Any]:
    """Put a line on record, unsettled; its row."""
    row = {
        "id": new_id(),
        "sender": sender.name,
        "key": line.key_of(sender.name),
        "digest": line.digest(),
        "status": line.status.value,
        "resulted_at": line.resulted_at,
        "g_per_l": line.word.g_per_l,
        "state": "waiting",
        "rejection": line.rejection.value if line.rejection else None,
        "named_case_id": line.case_id,
        "barcode": line.barcode,
        "subject_code": line.subject_code,
        "content": line.to_json(),
        "received_at": lab.clock.now(),
        "received_by": sender.by,
    }
    tx.execute(lab_reports.insert().values(row))
    tx.execute(lab_report_sites.insert(), [{"report_id": row["id"], "site": site} for site in sorted(sender.sites)])
    return tx.execute(select(lab_reports).where(lab_reports.c.id == row["id"])).one()


def _keep(lab: Laboratory, tx: Connection, row: Row[Any], weighed: Weighed) -> Received:
    """Keep a line for later, or for a human; the trail says that, and nothing of a person that nobody knows yet."""
    state, why, case_id = weighed.state, weighed.why, weighed.case_id
    if (row.state, row.reason) != (state, why):
        values = {"state": state, "reason": why, "case_id": case_id}
        tx.execute(update(lab_reports).where(lab_reports.c.id == row.id).values(values))
        said = {"status": row.status, "state": state, "reason": why}
        write_audit(tx, lab.clock, row.received_by, "lab-report.keep", row.id, case_id=case_id, new=said)
    return Received(row.id, state, why, case_id, None)


def _settle(
    lab: Laboratory, tx: Connection, row: Row[Any], state: str, case_id: str | None = None,
    result_id: str | None = None, *, by: str,
) -> Received:  # fmt: skip
    """Nothing more is to be done about a line: what it said goes."""
    values = {"state": state, "reason": None, "case_id": case_id, "result_id": result_id, "content": None}
    settled = {"settled_at": lab.clock.now(), "settled_by": by}
    tx.execute(update(lab_reports).where(lab_reports.c.id == row.id).values(values | settled))
    said = {"status": row.status, "state": state}
    write_audit(tx, lab.clock, by, "lab-report.settle", row.id, case_id=case_id, new=said)
    return Received(row.id, state, None, case_id, result_id)


def _received(row: Row[Any], *, repeated: bool) -> Received:
    return Received(row.id, row.state, row.reason, row.case_id, row.result_id, repeated)
