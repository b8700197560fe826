"""A photo arrives, in one piece or in many, over a network that cuts: every byte that came is kept.

Bytes wait in the database until the last one is there; then the photo is taken in, and only then called received.
A photo that comes at once need not wait, unless it cannot be stored now.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select

from backend.db.engine import Database
from backend.db.tables import photos, upload_pieces
from backend.services.records import ContentDiffers, IdTaken, case_row, not_found
from backend.services.same_photo import same_photo_cases
from backend.services.standing_consents import check_care
from backend.services.take_away import ask_to_take_away
from backend.services.take_in_photo import Declaration, Intake, Seen, claim, look_at, store, take_in
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.store.port import StoreUnavailable, image_key


class OffsetMismatch(Refused):
    """The piece does not begin where the bytes on record end; ``expected`` is where it should begin."""

    def __init__(self, expected: int, offset: int) -> None:
        super().__init__(
            f"{expected} bytes are on record, this piece begins at {offset}",
            field="Upload-Offset", value=offset, remedy=f"Go on from byte {expected}.",
        )  # fmt: skip
        self.expected = expected

    def __reduce__(self) -> tuple[object, ...]:
        return OffsetMismatch, (self.expected, self.value)


class PieceTooLong(Refused):
    """More bytes than the photo was said to have."""


class PieceChecksumMismatch(Refused):
    """This piece was changed on the way."""


def receive_piece(intake: Intake, photo: Declaration, offset: int, data: bytes, *, by: str, whole: bool = True) -> bool:
    """Keep one piece; when it was the last, take the photo in. True when the photo is complete for the first time.

    Args:
        offset: where in the photo ``data`` begins.
        whole: False when the connection broke off inside this piece: the bytes are kept, nothing else is done.

    Raises:
        NotFound, CaseErased, ConsentWithdrawn, ContentDiffers, OffsetMismatch, PieceTooLong, ChecksumMismatch; a
        ``Photo...`` reason of ``pallor.image.decode`` when the bytes are no photo we can use; ``StoreUnavailable``, and
        then sending an empty piece at the end tries again.
    """
    seen = None
    if whole and offset == 0 and len(data) == photo.bytes and _is_new(intake.database, photo):
        seen = look_at(intake, photo, data)
    with intake.database.write() as tx:
        row = _declared(intake, tx, photo, offset + len(data), by)
        if row.state != "uploading":
            return False
        held = _held_bytes(tx, photo.photo_id)
        claim_id = claim(intake, tx, photo.photo_id, seen) if seen is not None and held == 0 else None
        repeated = held == row.bytes and offset + len(data) <= held  # or the end of one that was interrupted
        if claim_id is None and not repeated:
            _keep(tx, row, held, offset, data)
            held += len(data)
    if seen is not None and claim_id is not None:
        return _store_at_once(intake, photo, seen, claim_id, data, by)
    return whole and held == row.bytes and take_in(intake, photo, by=by)


def photo_state(database: Database, case_id: str, photo_id: str) -> tuple[Row[Any], int, list[tuple[str, str]]]:
    """A photo's row, how many of its bytes are here, and the cases of other subjects that hold the same photograph,
    each with its site.

    Raises:
        NotFound: no such photo of this case.
    """
    with database.read() as connection:
        row = connection.execute(select(photos).where(photos.c.id == photo_id, photos.c.case_id == case_id)).first()
        if row is None:
            raise not_found("photo_id", photo_id, "photo")
        held = _held_bytes(connection, photo_id) if row.state == "uploading" else row.bytes
        return row, held, same_photo_cases(connection, [photo_id])[photo_id]


def discard_stale_uploads(database: Database, clock: Clock, older_than: datetime) -> int:
    """Forget photos whose bytes never all came; how many they were."""
    with database.write() as tx:
        return discard_uploads(database, tx, clock, photos.c.declared_at < older_than)


def discard_uploads(database: Database, tx: Connection, clock: Clock, which: ColumnElement[bool]) -> int:
    """Forget photos that have not fully arrived, and every byte of them; how many they were."""
    unfinished = (photos.c.state == "uploading") & which
    found = tx.execute(select(photos.c.id, photos.c.stored_sha256).where(unfinished)).all()
    for photo in found:
        tx.execute(delete(upload_pieces).where(upload_pieces.c.photo_id == photo.id))
        tx.execute(delete(photos).where(photos.c.id == photo.id))
    ask_to_take_away(database, tx, clock.now(), [image_key(p.stored_sha256) for p in found if p.stored_sha256])
    return len(found)


def _declared(intake: Intake, tx: Connection, photo: Declaration, end: int, by: str) -> Row[Any]:
    """The photo's row; made now if this is its first piece, which ends at byte ``end``."""
    case_row(tx, photo.case_id)
    declared: dict[str, Any] = {
        "case_id": photo.case_id,
        "uploaded_sha256": photo.uploaded_sha256,
        "bytes": end if photo.bytes is None else photo.bytes,
        "media_type": photo.media_type,
        "captured_at": photo.captured_at,
        "eye": photo.eye,
    }
    stamp = {"id": photo.photo_id, "state": "uploading", "declared_at": intake.clock.now(), "declared_by": by}
    intake.database.insert_once(tx, photos, declared | stamp)
    row = tx.execute(select(photos).where(photos.c.id == photo.photo_id)).one()
    if row.case_id != photo.case_id:
        raise IdTaken("photo_id", photo.photo_id)
    if photo.bytes is None:
        del declared["bytes"]
    differing = [name for name, value in declared.items() if row._mapping[name] != value]
    if differing:
        raise ContentDiffers("photo_id", photo.photo_id, differing)
    if row.state == "uploading":  # what had arrived before is known by its phone to be here
        check_care(tx, photo.case_id)
    return row


def _held_bytes(tx: Connection, photo_id: str) -> int:
    length = func.coalesce(func.sum(func.length(upload_pieces.c.data)), 0)
    return int(tx.execute(select(length).where(upload_pieces.c.photo_id == photo_id)).scalar_one())


def _is_new(database: Database, photo: Declaration) -> bool:
    """Whether nothing is known of the photo yet; raises as ``_declared`` does."""
    with database.read() as connection:
        case_row(connection, photo.case_id)
        if connection.execute(select(photos.c.id).where(photos.c.id == photo.photo_id)).first() is not None:
            return False
        check_care(connection, photo.case_id)
    return True


def _store_at_once(intake: Intake, photo: Declaration, seen: Seen, claim_id: str, data: bytes, by: str) -> bool:
    try:
        return store(intake, photo, seen, claim_id, by=by)
    except StoreUnavailable:
        with intake.database.write() as tx:
            query = select(photos).where(photos.c.id == photo.photo_id, photos.c.state == "uploading")
            row = tx.execute(query).first()
            if row is not None and _held_bytes(tx, photo.photo_id) == 0:
                _keep(tx, row, 0, 0, data)
        raise


def _keep(tx: Connection, row: Row[Any], held: int, offset: int, data: bytes) -> None:
    if offset != held:
        raise OffsetMismatch(held, offset)
    if held + len(data) > row.bytes:
        raise PieceTooLong(
            f"the photo was said to have {row.bytes} bytes", field="Upload-Length", value=held + len(data),
            remedy="Send Upload-Length as the size of the whole photo, and no byte beyond it.",
        )  # fmt: skip
    if data:
        tx.execute(upload_pieces.insert(), {"photo_id": row.id, "offset": offset, "data": data})
