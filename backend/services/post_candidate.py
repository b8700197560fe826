"""A candidate is made known: a release that training made, with its figures and what the gate says of it."""

from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import candidates, releases, snapshots
from backend.services.audit import write_audit
from backend.services.register_release import ReleaseIdTaken, check_world
from pallor.candidate import CandidateReport
from pallor.clock import Clock

# A snapshot that was not exported here may have been imported, a public data set say; an incomplete one has lost
# somebody who was erased. Neither is refused: whoever releases a candidate sees it.
SnapshotState = Literal["complete", "incomplete", "unknown"]


def post_candidate(database: Database, clock: Clock, report: CandidateReport, world: str, *, by: str) -> bool:
    """Put a candidate on record; True when it is new, False when the same is there already.

    Raises:
        WorldMismatch
        ReleaseIdTaken: the id stands for another candidate, or for a release with another manifest.
    """
    check_world(world, report.world, report.release_id)
    row = {
        "release_id": report.release_id,
        "digest": report.digest(),
        "report": report.to_json(),
        "snapshot_digest": report.snapshot_digest,
        "posted_at": clock.now(),
        "posted_by": by,
    }
    with database.write() as tx:
        _check_release(tx, report)
        if not database.insert_once(tx, candidates, row):
            _check_same(tx, report)
            return False
        said = {"manifest_digest": report.manifest_digest, "passed": report.gate.passed}
        write_audit(tx, clock, by, "candidate.post", report.release_id, new=said | {"digest": row["digest"]})
        return True


def show_candidate(database: Database, release_id: str) -> tuple[Row[Any], SnapshotState]:
    """A candidate on record, and what is known of its snapshot."""
    return _found(database, select(candidates).where(candidates.c.release_id == release_id))[0]


def list_candidates(
    database: Database, limit: int, after: tuple[Any, str] | None
) -> list[tuple[Row[Any], SnapshotState]]:
    """Candidates, newest first, from the one after ``after`` (its moment and release id) on."""
    key = (candidates.c.posted_at, candidates.c.release_id)
    query = select(candidates).order_by(*(column.desc() for column in key)).limit(limit)
    if after is not None:
        query = query.where(past_falling(key, after))
    return _found(database, query)


def _found(database: Database, query: Any) -> list[tuple[Row[Any], SnapshotState]]:
    with database.read() as connection:
        rows = connection.execute(query).all()
        digests = {row.snapshot_digest for row in rows}
        known = select(snapshots.c.digest, snapshots.c.incomplete_since).where(snapshots.c.digest.in_(digests))
        since = {row.digest: row.incomplete_since for row in connection.execute(known)}
    return [(row, _state(row.snapshot_digest, since)) for row in rows]


def _state(digest: str, since: dict[str, Any]) -> SnapshotState:
    if digest not in since:
        return "unknown"
    return "complete" if since[digest] is None else "incomplete"


def _check_release(tx: Connection, report: CandidateReport) -> None:
    there = tx.execute(select(releases.c.digest).where(releases.c.release_id == report.release_id)).scalar()
    if there is not None and there != report.manifest_digest:
        raise _taken(f"this release id is on record with the manifest {there}", report.manifest_digest)


def _check_same(tx: Connection, report: CandidateReport) -> None:
    there = tx.execute(select(candidates.c.digest).where(candidates.c.release_id == report.release_id)).scalar_one()
    if there != report.digest():
        raise _taken("this release id is on record as a candidate with other content", report.digest())


def _taken(reason: str, value: str) -> ReleaseIdTaken:
    return ReleaseIdTaken(reason, field="release_id", value=value, remedy="Give the candidate an id of its own.")
