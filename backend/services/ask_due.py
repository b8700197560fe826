"""The trainer's timer asks whether a new release is worth making; what it was told, and why, is on the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from backend.db.engine import Database
from backend.db.tables import snapshot_cases
from backend.services.audit import write_audit
from backend.services.derive_label import derive_by_table
from backend.services.drift_alarms import DriftState, list_drift_alarms
from backend.services.export_snapshot import teachable_cases
from pallor.clock import Clock, utc_text
from pallor.due import Due, is_due

_MOST_ALARMS = 20  # more are no news


@dataclass(frozen=True)
class Asked:
    """What the trainer made last, None before the first, and when it finds the next one worth its while.

    ``snapshot``: of its last run, however that ended; ``begun_at``: when that run was begun.
    """

    snapshot: str | None
    begun_at: datetime | None
    new_cases: int
    days: int


@dataclass(frozen=True)
class Told:
    """``eligible``: cases that may teach now; of them ``came`` since, and ``went``: of the last snapshot, how many may
    not teach any more. ``alarms``: in words, of drift that is open since then."""

    verdict: Due
    eligible: int
    came: int
    went: int
    alarms: Sequence[str]


def ask_due(database: Database, clock: Clock, asked: Asked, table: str, *, by: str) -> Told:
    """Whether enough new labels, or an alarm of drift, are there; the question and its answer go on the trail."""
    with database.write() as tx:
        derive_by_table(tx, clock, table, by=by)
    with database.read() as connection:
        cases, before = teachable_cases(connection), _learned_from(connection, asked.snapshot)
    alarms = open_alarms(database, since=asked.begun_at)
    verdict = is_due(
        cases, before, asked.begun_at, clock.now(), new_cases=asked.new_cases, days=asked.days, alarms=alarms
    )
    there = before or frozenset()
    told = Told(verdict, len(cases), len(cases - there), len(there - cases), alarms)
    _write_down(database, clock, asked, told, by=by)
    return told


def open_alarms(database: Database, *, since: datetime | None) -> Sequence[str]:
    """Drift that was found since a moment, and that nobody has seen and no snapshot has learned from, in words."""
    rows = list_drift_alarms(database, _MOST_ALARMS, state=DriftState.OPEN, since=since)
    return [f"{row.what} {f'{row.place_kind} {row.place}'.strip()}: {row.said}" for row in rows]


def _learned_from(connection: Connection, snapshot: str | None) -> frozenset[str] | None:
    """None where there was none, or none that this server knows."""
    query = select(snapshot_cases.c.case_id).where(snapshot_cases.c.snapshot_digest == snapshot)
    return frozenset(connection.execute(query).scalars()) or None


def _write_down(database: Database, clock: Clock, asked: Asked, told: Told, *, by: str) -> None:
    said = {
        "due": told.verdict.due,
        "eligible": told.eligible,
        "came": told.came,
        "went": told.went,
        "alarms": list(told.alarms),
        "enough": asked.new_cases,
        "days": asked.days,
        "begun_at": utc_text(asked.begun_at) if asked.begun_at else None,
    }
    with database.write() as tx:
        write_audit(tx, clock, by, "training.ask", asked.snapshot or "none", new=said, reason=told.verdict.said)
