"""Objects go when nothing refers to them any more: noted with what was erased, taken away by the sweeper."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath

from sqlalchemy import Connection, delete, select

from backend.db.engine import Database
from backend.db.tables import labels, object_deletions, photos
from pallor.store.port import ObjectStore

_BATCH = 500


def ask_to_take_away(database: Database, tx: Connection, now: datetime, keys: Iterable[str]) -> None:
    """Note that these objects may have lost their last reference."""
    for key in sorted(set(keys)):
        database.insert_once(tx, object_deletions, {"key": key, "asked_at": now})


def take_away_objects(database: Database, store: ObjectStore) -> int:
    """Take away what was asked for and nothing refers to; how many questions were settled.

    Raises:
        StoreUnavailable: the rest is tried again in the next round.
    """
    oldest = select(object_deletions.c.key).order_by(object_deletions.c.asked_at, object_deletions.c.key).limit(_BATCH)
    with database.read() as connection:
        keys = list(connection.execute(oldest).scalars())
    for key in keys:
        store.has(key)  # a store that is away shows here, where nobody waits for this transaction
        # One transaction around both: a photo that claims the same object does so before this, and then the object
        # stays, or after it, and then stores it anew.
        with database.write() as tx:
            if not _referred_to(tx, key):
                store.delete(key)
            tx.execute(delete(object_deletions).where(object_deletions.c.key == key))
    return len(keys)


def _referred_to(tx: Connection, key: str) -> bool:
    name = PurePosixPath(key).stem
    if key.startswith("images/"):
        return tx.execute(select(photos.c.id).where(photos.c.stored_sha256 == f"sha256:{name}")).first() is not None
    return tx.execute(select(labels.c.id).where(labels.c.id == name)).first() is not None
