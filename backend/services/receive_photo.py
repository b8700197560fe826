"""A photo arrives, in one piece or in many, over a network that cuts: every byte that came is kept.

Bytes wait in the database until the last one is there; then the photo is taken in, and only then called received. A
photo that comes whole is looked at first, and waits there only while the store is away.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, select

from backend.db.engine import Database
from backend.db.tables import photos
from backend.services.audit import write_audit
from backend.services.keep_pieces import PHOTO_PIECES
from backend.services.records import ContentDiffers, IdTaken, case_row, not_found
from backend.services.same_photo import same_photo_cases
from backend.services.standing_consents import check_care
from backend.services.take_away import ask_to_take_away
from backend.services.take_in_photo import Declaration, Intake, claim, look_at, store, take_in
from pallor.clock import Clock
from pallor.photo import PhotoRole
from pallor.store.port import StoreUnavailable, image_key


def receive_piece(intake: Intake, photo: Declaration, offset: int, data: bytes, *, by: str, whole: bool = True) -> bool:
    """Take in a photo that comes whole; of another keep this piece, and take it in when that was the last.

    True when the photo is complete for the first time.

    Args:
        offset: where in the photo ``data`` begins.
        whole: False when the connection broke off inside this piece: the bytes are kept, nothing else is done.

    Raises:
        NotFound, CaseErased, ConsentWithdrawn, ContentDiffers, OffsetMismatch, PieceTooLong, ChecksumMismatch; a
        ``Photo...`` reason of ``pallor.image.decode`` when the bytes are no photo we can use; ``StoreUnavailable``, and
        then sending an empty piece at the end tries again.
    """
    if whole and offset == 0 and len(data) == photo.bytes and _is_new(intake.database, photo):
        return _take_in_at_once(intake, photo, data, by=by)
    with intake.database.write() as tx:
        state, size = declare(intake, tx, photo, offset + len(data), by=by)
        if state != "uploading":
            return False
        complete = PHOTO_PIECES.add(tx, photo.photo_id, size, offset, data, whole=whole)
    return complete and take_in(intake, photo, by=by)


def photo_state(database: Database, case_id: str, photo_id: str) -> tuple[Row[Any], int, list[tuple[str, str]]]:
    """A photo's row, how many of its bytes are here, and the cases of other subjects that hold the same photograph,
    each with its site.

    Raises:
        NotFound: no such photo of this case.
    """
    with database.read() as connection:
        row = connection.execute(_PHOTO, {"photo_id": photo_id}).first()
        if row is None or row.case_id != case_id:
            raise not_found("photo_id", photo_id, "photo")
        held = PHOTO_PIECES.held(connection, photo_id) if row.state == "uploading" else row.bytes
        return row, held, same_photo_cases(connection, [photo_id])[photo_id]


def _is_new(database: Database, photo: Declaration) -> bool:
    """Whether nothing is known of the photo yet; raises as ``declare`` does."""
    with database.read() as connection:
        if connection.execute(_PHOTO, {"photo_id": photo.photo_id}).first() is not None:
            return False
        case_row(connection, photo.case_id)
        check_care(connection, photo.case_id)
    return True


def _take_in_at_once(intake: Intake, photo: Declaration, data: bytes, *, by: str) -> bool:
    """Look at a photo before anything of it is on record: one that is refused leaves nothing."""
    seen = look_at(intake, photo, data)
    with intake.database.write() as tx:
        state, _ = declare(intake, tx, photo, len(data), by=by)
        claims = claim(intake, tx, photo.photo_id, seen) if state == "uploading" else None
    if claims is None:
        return False
    try:
        return store(intake, photo, seen, claims, by=by)
    except StoreUnavailable:
        _keep(intake.database, photo, data)
        raise


def _keep(database: Database, photo: Declaration, data: bytes) -> None:
    """Let a photo that cannot be stored now wait in the database, unless it was erased or taken in meanwhile."""
    with database.write() as tx:
        row = tx.execute(_PHOTO, {"photo_id": photo.photo_id}).first()
        if row is not None and row.state == "uploading":
            PHOTO_PIECES.add(tx, photo.photo_id, row.bytes, 0, data)


def discard_stale_uploads(database: Database, clock: Clock, older_than: datetime) -> int:
    """Forget photos whose bytes never all came; how many they were."""
    with database.write() as tx:
        return discard_uploads(database, tx, clock, photos.c.declared_at < older_than)


def discard_uploads(database: Database, tx: Connection, clock: Clock, which: ColumnElement[bool]) -> int:
    """Forget photos that have not fully arrived, and every byte of them; how many they were."""
    unfinished = (photos.c.state == "uploading") & which
    found = tx.execute(select(photos.c.id, photos.c.stored_sha256).where(unfinished)).all()
    for photo in found:
        PHOTO_PIECES.drop(tx, photo.id)
        tx.execute(delete(photos).where(photos.c.id == photo.id))
    ask_to_take_away(database, tx, clock.now(), [image_key(p.stored_sha256) for p in found if p.stored_sha256])
    return len(found)


def discard_context(database: Database, tx: Connection, clock: Clock, case_id: str, *, by: str) -> None:
    """Let go of a case's context photos: they are kept only while training is consented to."""
    kept = (photos.c.case_id == case_id) & (photos.c.role == PhotoRole.CONTEXT.value)
    for row in tx.execute(select(photos).where(kept)).all():
        PHOTO_PIECES.drop(tx, row.id)
        tx.execute(delete(photos).where(photos.c.id == row.id))
        ask_to_take_away(database, tx, clock.now(), [image_key(row.stored_sha256)] if row.stored_sha256 else [])
        write_audit(tx, clock, by, "photo.discard", row.id, case_id=case_id, reason="no consent to training")


def declare(intake: Intake, tx: Connection, photo: Declaration, end: int, *, by: str) -> tuple[str, int]:
    """State and size of the photo on record; put there now if this is its first piece, which ends at byte ``end``.

    Raises:
        NotFound, CaseErased, ConsentWithdrawn, ContentDiffers, IdTaken
    """
    case_row(tx, photo.case_id)
    declared = photo.to_row(end)
    stamp = {"id": photo.photo_id, "state": "uploading", "declared_at": intake.clock.now(), "declared_by": by}
    state, size = "uploading", declared["bytes"]
    if not intake.database.insert_once(tx, photos, declared | stamp):
        state, size = _there(tx, photo, declared)
    if state == "uploading":  # what had arrived before is known by its phone to be here
        check_care(tx, photo.case_id)
    return state, size


def _there(tx: Connection, photo: Declaration, declared: dict[str, Any]) -> tuple[str, int]:
    """State and size of a photo that was declared before; raises unless it was declared so."""
    row = tx.execute(_PHOTO, {"photo_id": photo.photo_id}).one()
    if row.case_id != photo.case_id:
        raise IdTaken("photo_id", photo.photo_id)
    said = {name: value for name, value in declared.items() if name != "bytes" or photo.bytes is not None}
    if differing := [name for name, value in said.items() if row._mapping[name] != value]:
        raise ContentDiffers("photo_id", photo.photo_id, differing)
    return row.state, row.bytes


_PHOTO = select(photos).where(photos.c.id == bindparam("photo_id"))  # built once: every photo asks it
