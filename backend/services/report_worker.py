"""Workers say how the golden photos went; from that the backend knows whether anyone can score, and on what."""

from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, select

from backend.db.engine import Database
from backend.db.tables import releases, workers
from pallor.clock import Clock
from pallor.messages import ReportWorker
from pallor.release.shelf import CHALLENGER, CURRENT


@dataclass(frozen=True)
class Readiness:
    """``faults``: why nobody can score now, empty when someone can.

    ``warnings``: what is wrong while someone can: a worker or a challenger that may not serve, and what scores, but not
    on the engine that its machine was meant to run.
    """

    workers: tuple[ReportWorker, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def report_worker(database: Database, clock: Clock, report: ReportWorker) -> None:
    """Keep a worker's newest report, at the time it came: a board without a clock battery may believe in any year."""
    row = {**asdict(report), "reported_at": clock.now()}
    with database.write() as tx:
        if not database.insert_once(tx, workers, row):
            tx.execute(workers.update().where(workers.c.worker == report.worker).values(row))


def readiness(database: Database, clock: Clock, active_release: str | None, fresh_seconds: float) -> Readiness:
    """Whether a worker answered the golden photos with the active release lately.

    Args:
        active_release: the one this machine's shelf names; None where the backend shares no shelf with its workers, and
            then any release counts.
    """
    fresh = select(workers).where(_reported_lately(clock, fresh_seconds)).order_by(workers.c.worker)
    with database.read() as connection:
        reports = tuple(ReportWorker(**row._mapping) for row in connection.execute(fresh))
        known = set(connection.execute(select(releases.c.release_id)).scalars())
    warnings = (
        *(f"{r.worker}: {r.fault}" for r in reports if r.slot == CHALLENGER and r.fault is not None),
        *(f"{r.worker}: {r.fallback}" for r in reports if r.fallback is not None),
    )
    faults = {r.worker: _fault(r, active_release, known) for r in reports if r.slot == CURRENT}
    told = tuple(f"{worker}: {fault}" for worker, fault in faults.items() if fault is not None)
    if len(told) < len(faults):
        return Readiness(reports, (), (*told, *warnings))
    return Readiness(reports, told or (f"no worker has reported for {fresh_seconds:g} s",), warnings)


def challenger_serves(tx: Connection, clock: Clock, fresh_seconds: float) -> bool:
    """Whether a worker serves a release on trial, so that it is worth asking."""
    on_trial = workers.c.slot == CHALLENGER, workers.c.processes > 0, _reported_lately(clock, fresh_seconds)
    return tx.execute(select(workers.c.worker).where(*on_trial).limit(1)).first() is not None


def _reported_lately(clock: Clock, fresh_seconds: float) -> ColumnElement[bool]:
    return workers.c.reported_at >= clock.now() - timedelta(seconds=fresh_seconds)


def _fault(report: ReportWorker, active_release: str | None, known: set[str]) -> str | None:
    """Why this worker cannot be counted on, None when it can."""
    if report.fault is not None:
        return report.fault
    if active_release not in (None, report.release_id):
        return f"serves {report.release_id}, the active release is {active_release}"
    if report.release_id not in known:
        return f"serves {report.release_id}, which is not registered here: run pallor-backend release-add"
    return None
