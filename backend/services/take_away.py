"""Objects go when nothing refers to them any more: noted with what was erased, taken away by the sweeper.

Whoever stores a photo or a snapshot claims its object first. While a claim is open the object may be yet to come,
whoever was erased meanwhile, so it is not taken away and no erasure that waits for it is done.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from backend.db.engine import Database
from backend.db.tables import labels, object_claims, object_deletions, photos, snapshots
from pallor.clock import Clock
from pallor.ids import new_id
from pallor.store.port import ObjectStore

_BATCH = 500
_CLAIM = timedelta(minutes=15)  # a store that takes longer over one photo has given up long before


def ask_to_take_away(database: Database, tx: Connection, now: datetime, keys: Iterable[str]) -> None:
    """Note that these objects may have lost their last reference."""
    for key in sorted(set(keys)):
        database.insert_once(tx, object_deletions, {"key": key, "asked_at": now})


def begin_claims(tx: Connection, now: datetime, *keys: str) -> list[str]:
    """Say that objects are about to be stored; the claims' ids, with which they end."""
    claims: list[dict[str, Any]] = [{"id": new_id(), "key": key, "until": now + _CLAIM} for key in keys]
    if claims:
        tx.execute(_CLAIM_THEM, claims)
    return [claim["id"] for claim in claims]


def end_claims(tx: Connection, claim_ids: Sequence[str]) -> None:
    """The objects are stored, and what refers to them, if anything does, is written down in the same transaction."""
    if claim_ids:
        tx.execute(_END_CLAIM, [{"claim_id": claim_id} for claim_id in claim_ids])


def oldest_claim(connection: Connection) -> datetime | None:
    """Since when somebody has been about to store an object; None when nobody is."""
    until: datetime | None = connection.execute(select(func.min(object_claims.c.until))).scalar()
    return None if until is None else until - _CLAIM


def take_away_objects(database: Database, store: ObjectStore, clock: Clock) -> int:
    """Take away what was asked for and nothing refers to; how many questions were settled.

    Raises:
        StoreUnavailable: the rest is tried again in the next round.
    """
    _end_old_claims(database, clock.now())
    claimed = select(object_claims.c.id).where(object_claims.c.key == object_deletions.c.key).exists()
    oldest = select(object_deletions.c.key).where(~claimed).order_by(object_deletions.c.asked_at).limit(_BATCH)
    settled = 0
    with database.read() as connection:
        keys = list(connection.execute(oldest).scalars())
    for key in keys:
        store.has(key)  # a store that is away shows here, where nobody waits for this transaction
        # One transaction around it all: a photo that claims the same object does so before this, and then the object
        # stays, or after it, and then stores it anew.
        with database.write() as tx:
            if tx.execute(select(object_claims.c.id).where(object_claims.c.key == key)).first():
                continue
            if not _referred_to(tx, key):
                store.delete(key)
            tx.execute(delete(object_deletions).where(object_deletions.c.key == key))
            settled += 1
    return settled


def _end_old_claims(database: Database, now: datetime) -> None:
    """Ask about the objects of processes that ended between storing one and writing down what refers to it."""
    old = select(object_claims.c.id, object_claims.c.key).where(object_claims.c.until < now)
    with database.read() as connection:
        if connection.execute(old).first() is None:
            return
    with database.write() as tx:
        found = tx.execute(old).all()
        ask_to_take_away(database, tx, now, [row.key for row in found])
        tx.execute(delete(object_claims).where(object_claims.c.until < now))


def _referred_to(tx: Connection, key: str) -> bool:
    name = PurePosixPath(key).stem
    if key.startswith("images/"):
        return tx.execute(select(photos.c.id).where(photos.c.stored_sha256 == f"sha256:{name}")).first() is not None
    if key.startswith("snapshots/"):
        whole = select(snapshots.c.digest).where(snapshots.c.incomplete_since.is_(None))
        digest = f"sha256:{PurePosixPath(key).parent.name}"
        return tx.execute(whole.where(snapshots.c.digest == digest)).first() is not None
    return tx.execute(select(labels.c.id).where(labels.c.id == name)).first() is not None


_CLAIM_THEM = object_claims.insert()
_END_CLAIM = delete(object_claims).where(object_claims.c.id == bindparam("claim_id"))
