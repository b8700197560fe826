"""Something sealed arrives, in one piece or in many: every byte that came is kept, and what became of it remembered.

A blob that comes whole is opened first, and goes on record with what became of it; only of a part is every byte kept.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from backend.db.engine import Database
from backend.db.tables import sealed
from backend.services.keep_pieces import SEALED_PIECES, ChecksumMismatch
from backend.services.records import ContentDiffers, IdTaken, not_found
from backend.services.submit_case import check_own_site
from pallor.clock import Clock
from pallor.digest import sha256_of
from pallor.errors import Refused

OPEN = ("uploading", "put-aside")  # states of what may still be taken in


class SealedTypeMismatch(Refused):
    """The door takes what was sealed, and nothing else."""


class SealedTooLarge(Refused):
    """More bytes than a submission may have."""


@dataclass(frozen=True)
class Announced:
    """What is known of a blob before its bytes. ``bytes``: of the whole; None for a piece that does not say."""

    submission_id: str
    site: str
    sealed_sha256: str
    bytes: int | None


@dataclass(frozen=True)
class Arrived:
    """A blob of which every byte is here, be it in hand alone.

    ``within``: the sites of whoever sends it, None: every site. ``by``: in whose name.
    """

    submission_id: str
    site: str
    sealed_sha256: str
    data: bytes = field(repr=False)
    within: frozenset[str] | None
    by: str


def receive_sealed(
    database: Database,
    clock: Clock,
    blob: Announced,
    offset: int,
    data: bytes,
    *,
    within: frozenset[str] | None,
    by: str,
    whole: bool = True,
) -> Arrived | None:
    """Take one piece of a blob; the blob, when every byte of it is here and nothing has become of it yet.

    Args:
        offset: where in it ``data`` begins.
        within: the sites of whoever sends it.
        whole: False when the connection broke off inside this piece.

    Raises:
        SiteNotYours, IdTaken, ContentDiffers, OffsetMismatch, PieceTooLong
        ChecksumMismatch: it is not what was announced; nothing of it is kept.
    """
    if whole and offset == 0 and len(data) == blob.bytes and _is_new(database, blob, within):
        _check_digest(blob.sealed_sha256, data)
        return Arrived(blob.submission_id, blob.site, blob.sealed_sha256, data, within, by)
    with database.write() as tx:
        check_own_site(tx, blob.site, within)
        state, size = _declared(database, tx, clock, blob, offset + len(data), within, by)
        if state != "uploading" or not SEALED_PIECES.add(tx, blob.submission_id, size, offset, data, whole=whole):
            return None
    return read_blob(database, blob.submission_id, by=by)


def put_on_record(database: Database, tx: Connection, clock: Clock, blob: Arrived, *, keep: bool = False) -> bool:
    """See that a blob is on record; False when something has become of it meanwhile.

    Args:
        keep: its bytes, too.

    Raises:
        IdTaken, ContentDiffers
    """
    announced = Announced(blob.submission_id, blob.site, blob.sealed_sha256, len(blob.data))
    state, size = _declared(database, tx, clock, announced, len(blob.data), blob.within, blob.by)
    if state in OPEN and keep:
        SEALED_PIECES.add(tx, blob.submission_id, size, 0, blob.data)
    return state in OPEN


def show_sealed(database: Database, submission_id: str) -> tuple[Row[Any], int]:
    """A submission's row, and how many of its bytes are here; raises ``NotFound``."""
    with database.read() as connection:
        row = sealed_row(connection, submission_id)
        return row, SEALED_PIECES.held(connection, submission_id) if row.state == "uploading" else row.bytes


def sealed_row(connection: Connection, submission_id: str) -> Row[Any]:
    """A submission's row; raises ``NotFound``."""
    row = connection.execute(_SEALED, {"submission_id": submission_id}).first()
    if row is None:
        raise not_found("submission_id", submission_id, "submission")
    return row


def read_blob(database: Database, submission_id: str, *, by: str | None = None) -> Arrived | None:
    """A blob as it is on record; None when something has become of it.

    Args:
        by: in whose name it is taken in; None: of whoever sent its first piece.

    Raises:
        NotFound
        ChecksumMismatch: it is not what was announced; nothing of it is kept.
    """
    with database.read() as connection:
        row = sealed_row(connection, submission_id)
        if row.state not in OPEN:
            return None
        data = SEALED_PIECES.joined(connection, submission_id)
    if row.state == "uploading":
        try:
            _check_digest(row.sealed_sha256, data)
        except ChecksumMismatch:
            with database.write() as tx:
                forget(tx, submission_id)
            raise
    return Arrived(row.id, row.site, row.sealed_sha256, data, None, by or row.declared_by)


def discard_stale_sealed(database: Database, older_than: datetime) -> int:
    """Forget submissions whose bytes never all came; how many they were."""
    stale = select(sealed.c.id).where(sealed.c.state == "uploading", sealed.c.declared_at < older_than)
    with database.write() as tx:
        found = list(tx.execute(stale).scalars())
        for submission_id in found:
            forget(tx, submission_id)
        return len(found)


def forget(tx: Connection, submission_id: str) -> None:
    """Drop a submission, so that its id is free for the next try."""
    SEALED_PIECES.drop(tx, submission_id)
    tx.execute(delete(sealed).where(sealed.c.id == submission_id))


def settle(tx: Connection, clock: Clock, submission_id: str, before: tuple[str, ...], state: str, **facts: Any) -> bool:
    """Move a submission from one of these states into another; False when another request was first."""
    which = {"submission_id": submission_id, "before": before}
    moved = tx.execute(_SETTLE, which | {"state": state, "settled_at": clock.now()} | facts).rowcount
    if moved and state != "put-aside":
        SEALED_PIECES.drop(tx, submission_id)
    return bool(moved)


def _is_new(database: Database, blob: Announced, within: frozenset[str] | None) -> bool:
    """Whether nothing is on record of it; raises ``SiteNotYours``."""
    with database.read() as connection:
        check_own_site(connection, blob.site, within)
        return connection.execute(_SEALED, {"submission_id": blob.submission_id}).first() is None


def _check_digest(announced: str, data: bytes) -> None:
    if (found := sha256_of(data)) != announced:
        raise ChecksumMismatch(
            f"the {len(data)} bytes that arrived have the digest {found}", field="Repr-Digest", value=announced,
            remedy="Send it again from byte 0; a first piece must name the whole size in Upload-Length.",
        )  # fmt: skip


def _declared(
    database: Database,
    tx: Connection,
    clock: Clock,
    blob: Announced,
    end: int,
    within: frozenset[str] | None,
    by: str,
) -> tuple[str, int]:
    """State and size of the submission on record; put there now if this is its first piece, which ends at ``end``."""
    said: dict[str, Any] = {"site": blob.site, "sealed_sha256": blob.sealed_sha256, "bytes": blob.bytes or end}
    stamp = {"id": blob.submission_id, "state": "uploading", "declared_at": clock.now(), "declared_by": by}
    if database.insert_once(tx, sealed, said | stamp):
        return "uploading", said["bytes"]
    row = sealed_row(tx, blob.submission_id)
    if within is not None and row.site not in within:
        raise IdTaken("submission_id", row.id)
    if blob.bytes is None:
        del said["bytes"]
    if differing := [name for name, value in said.items() if row._mapping[name] != value]:
        raise ContentDiffers("submission_id", row.id, differing)
    return row.state, row.bytes


# Built once: every submission asks these.
_SEALED = select(sealed).where(sealed.c.id == bindparam("submission_id"))
_SETTLE = update(sealed).where(
    sealed.c.id == bindparam("submission_id"), sealed.c.state.in_(bindparam("before", expanding=True))
)
