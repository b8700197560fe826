"""Workers say how the golden photos went; from that the backend knows whether anyone can score."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import releases, workers
from pallor.clock import Clock
from pallor.messages import ReportWorker


@dataclass(frozen=True)
class Readiness:
    """``faults``: why nobody can score now, empty when someone can."""

    workers: tuple[ReportWorker, ...]
    faults: tuple[str, ...]


def report_worker(database: Database, clock: Clock, report: ReportWorker) -> None:
    """Keep a worker's newest report, at the time it came: a board without a clock battery may believe in any year."""
    row = {
        "worker": report.worker,
        "release_id": report.release_id,
        "engine_flavour": report.engine_flavour,
        "max_difference": report.max_difference,
        "fault": report.fault,
        "reported_at": clock.now(),
    }
    with database.write() as tx:
        if not database.insert_once(tx, workers, row):
            tx.execute(workers.update().where(workers.c.worker == report.worker).values(row))


def readiness(database: Database, clock: Clock, active_release: str | None, fresh_seconds: float) -> Readiness:
    """Whether a worker answered the golden photos with the active release lately.

    Args:
        active_release: the one this machine's shelf names; None where the backend shares no shelf with its workers, and
            then any release counts.
    """
    since = clock.now() - timedelta(seconds=fresh_seconds)
    fresh = select(workers).where(workers.c.reported_at >= since).order_by(workers.c.worker)
    with database.read() as connection:
        reports = tuple(ReportWorker(**row._mapping) for row in connection.execute(fresh))
        known = set(connection.execute(select(releases.c.release_id)).scalars())
    faults = {r.worker: _fault(r, active_release, known) for r in reports}
    if any(fault is None for fault in faults.values()):
        return Readiness(reports, ())
    told = tuple(f"{worker}: {fault}" for worker, fault in faults.items())
    return Readiness(reports, told or (f"no worker has reported for {fresh_seconds:g} s",))


def _fault(report: ReportWorker, active_release: str | None, known: set[str]) -> str | None:
    """Why this worker cannot be counted on, None when it can."""
    if report.fault is not None:
        return report.fault
    if active_release not in (None, report.release_id):
        return f"serves {report.release_id}, the active release is {active_release}"
    if report.release_id not in known:
        return f"serves {report.release_id}, which is not registered here: run pallor-backend release-add"
    return None
