"""Workers say how the golden photos went; from that the backend knows whether anyone can score."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import workers
from pallor.clock import Clock
from pallor.messages import ReportWorker


@dataclass(frozen=True)
class Readiness:
    """``faults``: why nobody can score now, empty when someone can."""

    workers: tuple[ReportWorker, ...]
    faults: tuple[str, ...]


def report_worker(database: Database, report: ReportWorker) -> None:
    """Keep a worker's newest report; an older one that arrives late changes nothing."""
    row = {
        "worker": report.worker,
        "release_id": report.release_id,
        "engine_flavour": report.engine_flavour,
        "max_difference": report.max_difference,
        "fault": report.fault,
        "reported_at": report.reported_at,
    }
    with database.write() as tx:
        if not database.insert_once(tx, workers, row):
            older = (workers.c.worker == report.worker) & (workers.c.reported_at < report.reported_at)
            tx.execute(workers.update().where(older).values(row))


def readiness(database: Database, clock: Clock, active_release: str | None, fresh_seconds: float) -> Readiness:
    """Whether a worker answered the golden photos with the active release lately.

    Args:
        active_release: the one this machine's shelf names; None where the backend shares no shelf with its workers, and
            then any release counts.
    """
    since = clock.now() - timedelta(seconds=fresh_seconds)
    with database.read() as connection:
        rows = connection.execute(
            select(workers).where(workers.c.reported_at >= since).order_by(workers.c.worker)
        ).all()
    reports = tuple(ReportWorker(**row._mapping) for row in rows)
    if any(r.fault is None and active_release in (None, r.release_id) for r in reports):
        return Readiness(reports, ())
    if not reports:
        return Readiness(reports, (f"no worker has reported for {fresh_seconds:g} s",))
    return Readiness(
        reports,
        tuple(
            f"{r.worker}: {r.fault or f'serves {r.release_id}, the active release is {active_release}'}"
            for r in reports
        ),
    )
