"""A snapshot for training was taken: which cases it holds, so that an erasure can name it and what learned from it."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import snapshot_cases, snapshots, tombstones
from backend.services.drift_alarms import learn_of_drift
from pallor.clock import Clock


def register_snapshot(
    database: Database, tx: Connection, clock: Clock, digest: str, case_ids: Iterable[str], photos: int,
    *, label_of: Mapping[str, str] | None = None, by: str,
) -> bool:  # fmt: skip
    """Note what a snapshot holds; True when it is new. One that holds a case erased meanwhile is incomplete at once.

    Args:
        label_of: of each case the label that is in it, so that a correction can name who learned from what was wrong.
    """
    label_of = label_of or {}
    held = [
        {"snapshot_digest": digest, "case_id": case_id, "label_id": label_of.get(case_id)}
        for case_id in sorted(set(case_ids))
    ]
    row = {"digest": digest, "photos": photos, "cases": len(held), "made_at": clock.now(), "made_by": by}
    if not database.insert_once(tx, snapshots, row):
        return False
    if held:
        tx.execute(snapshot_cases.insert(), held)
        learn_of_drift(tx, clock, digest, by=by)
    erased = (
        select(tombstones.c.case_id)
        .join(snapshot_cases, snapshot_cases.c.case_id == tombstones.c.case_id)
        .where(snapshot_cases.c.snapshot_digest == digest)
    )
    if tx.execute(erased).first():
        tx.execute(update(snapshots).where(snapshots.c.digest == digest).values(incomplete_since=clock.now()))
    return True


def is_incomplete(tx: Connection, digest: str) -> bool:
    """Whether somebody in a registered snapshot was erased."""
    return tx.execute(select(snapshots.c.incomplete_since).where(snapshots.c.digest == digest)).scalar() is not None


def show_snapshot(database: Database, digest: str) -> Row[Any]:
    """A snapshot that is on record."""
    with database.read() as connection:
        return connection.execute(select(snapshots).where(snapshots.c.digest == digest)).one()


def list_snapshots(database: Database, limit: int, after: tuple[Any, str] | None) -> list[Row[Any]]:
    """Snapshots, newest first, from the one after ``after`` (its moment and digest) on."""
    key = (snapshots.c.made_at, snapshots.c.digest)
    query = select(snapshots).order_by(*(column.desc() for column in key)).limit(limit)
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        return list(connection.execute(query))
