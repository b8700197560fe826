"""Something sealed arrives, in one piece or in many: every byte that came is kept, and what became of it remembered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from backend.db.engine import Database
from backend.db.tables import sealed
from backend.services.keep_pieces import SEALED_PIECES, ChecksumMismatch
from backend.services.records import ContentDiffers, IdTaken, not_found
from backend.services.submit_case import check_own_site
from pallor.clock import Clock
from pallor.digest import sha256_of
from pallor.errors import Refused


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
) -> bool:
    """Keep one piece of a blob; True when it is here in full and waits to be opened.

    Args:
        offset: where in it ``data`` begins.
        within: the sites of whoever sends it.
        whole: False when the connection broke off inside this piece.

    Raises:
        SiteNotYours, IdTaken, ContentDiffers, OffsetMismatch, PieceTooLong
    """
    with database.write() as tx:
        check_own_site(tx, blob.site, within)
        row = _declared(database, tx, clock, blob, offset + len(data), within, by)
        if row.state != "uploading":
            return False
        return SEALED_PIECES.add(tx, row.id, row.bytes, offset, data, whole=whole)


def show_sealed(database: Database, submission_id: str) -> tuple[Row[Any], int]:
    """A submission's row, and how many of its bytes are here; raises ``NotFound``."""
    with database.read() as connection:
        row = sealed_row(connection, submission_id)
        return row, SEALED_PIECES.held(connection, submission_id) if row.state == "uploading" else row.bytes


def sealed_row(connection: Connection, submission_id: str) -> Row[Any]:
    """A submission's row; raises ``NotFound``."""
    row = connection.execute(select(sealed).where(sealed.c.id == submission_id)).first()
    if row is None:
        raise not_found("submission_id", submission_id, "submission")
    return row


def read_blob(database: Database, submission_id: str) -> tuple[Row[Any], bytes]:
    """A submission's row, and its blob as far as it is here.

    Raises:
        NotFound
        ChecksumMismatch: it is not what was announced; nothing of it is kept.
    """
    with database.read() as connection:
        row = sealed_row(connection, submission_id)
        blob = SEALED_PIECES.joined(connection, submission_id)
    if row.state != "uploading" or (found := sha256_of(blob)) == row.sealed_sha256:
        return row, blob
    with database.write() as tx:
        forget(tx, submission_id)
    raise ChecksumMismatch(
        f"the {len(blob)} bytes that arrived have the digest {found}", field="Repr-Digest", value=row.sealed_sha256,
        remedy="Send it again from byte 0; a first piece must name the whole size in Upload-Length.",
    )  # fmt: skip


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
    here = (sealed.c.id == submission_id) & sealed.c.state.in_(before)
    moved = tx.execute(update(sealed).where(here).values(state=state, settled_at=clock.now(), **facts)).rowcount
    if moved and state != "put-aside":
        SEALED_PIECES.drop(tx, submission_id)
    return bool(moved)


def _declared(
    database: Database,
    tx: Connection,
    clock: Clock,
    blob: Announced,
    end: int,
    within: frozenset[str] | None,
    by: str,
) -> Row[Any]:
    """The submission's row; made now if this is its first piece, which ends at byte ``end``."""
    said: dict[str, Any] = {"site": blob.site, "sealed_sha256": blob.sealed_sha256, "bytes": blob.bytes or end}
    stamp = {"id": blob.submission_id, "state": "uploading", "declared_at": clock.now(), "declared_by": by}
    database.insert_once(tx, sealed, said | stamp)
    row = tx.execute(select(sealed).where(sealed.c.id == blob.submission_id)).one()
    if within is not None and row.site not in within:
        raise IdTaken("submission_id", row.id)
    if blob.bytes is None:
        del said["bytes"]
    if differing := [name for name, value in said.items() if row._mapping[name] != value]:
        raise ContentDiffers("submission_id", row.id, differing)
    return row
