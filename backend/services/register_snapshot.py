"""A snapshot for training was taken: which cases it holds, so that an erasure can name it and what learned from it."""

from collections.abc import Iterable

from sqlalchemy import select, update

from backend.db.engine import Database
from backend.db.tables import snapshot_cases, snapshots, tombstones
from pallor.clock import Clock


def register_snapshot(database: Database, clock: Clock, digest: str, case_ids: Iterable[str]) -> bool:
    """Note what a snapshot holds; True when it is new. One that holds a case erased meanwhile is incomplete at once."""
    with database.write() as tx:
        if not database.insert_once(tx, snapshots, {"digest": digest, "made_at": clock.now()}):
            return False
        held = [{"snapshot_digest": digest, "case_id": case_id} for case_id in sorted(set(case_ids))]
        if held:
            tx.execute(snapshot_cases.insert(), held)
        erased = (
            select(tombstones.c.case_id)
            .join(snapshot_cases, snapshot_cases.c.case_id == tombstones.c.case_id)
            .where(snapshot_cases.c.snapshot_digest == digest)
        )
        if tx.execute(erased).first():
            tx.execute(update(snapshots).where(snapshots.c.digest == digest).values(incomplete_since=clock.now()))
        return True
