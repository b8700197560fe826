"""A photo arrives, in one piece or in many, over a network that cuts: every byte that came is kept.

Bytes wait in the database until the last one is there and the checksum matches; then the photo is judged, re-encoded
without metadata, laid in the object store, and only then called received.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from backend.db.engine import Database
from backend.db.tables import cases, photos, same_photo_warnings, upload_pieces
from backend.queue import Send
from backend.services.audit import write_audit
from backend.services.derive_label import derive_label
from backend.services.records import ContentDiffers, case_row, not_found, note_change
from pallor.clock import Clock
from pallor.digest import hex_of, sha256_of
from pallor.errors import Refused
from pallor.image.decode import Limits, decode, encode
from pallor.image.fingerprint import NEAR_BITS, bands, hamming, perceptual_hash
from pallor.image.quality import judge
from pallor.messages import PredictCase
from pallor.store.port import ObjectStore


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


class ChecksumMismatch(Refused):
    """All bytes are there, but they are not the ones that were promised."""


class PieceTooLong(Refused):
    """More bytes than the photo was said to have."""


class PieceChecksumMismatch(Refused):
    """This piece was changed on the way."""


@dataclass(frozen=True)
class Declaration:
    """What the phone says of a photo before its bytes: enough to know a repeat, and a whole, when it sees one."""

    case_id: str
    photo_id: str
    uploaded_sha256: str
    bytes: int
    media_type: str
    captured_at: datetime
    eye: str | None


@dataclass(frozen=True)
class Intake:
    """The parts a photo passes on its way in."""

    database: Database
    store: ObjectStore
    clock: Clock
    send: Send
    limits: Limits
    label_table: str


def receive_piece(intake: Intake, photo: Declaration, offset: int, data: bytes, *, by: str, whole: bool = True) -> bool:
    """Keep one piece; when it was the last, take the photo in. True when the photo is complete for the first time.

    Args:
        offset: where in the photo ``data`` begins.
        whole: False when the connection broke off inside this piece: the bytes are kept, nothing else is done.

    Raises:
        NotFound, ContentDiffers, OffsetMismatch, PieceTooLong, ChecksumMismatch; a ``Photo...`` reason of
        ``pallor.image.decode`` when the bytes are no photo we can use; ``StoreUnavailable``, and then sending an empty
        piece at the end tries again.
    """
    with intake.database.write() as tx:
        row = _declared(intake, tx, photo, by)
        if row.state != "uploading":
            return False
        held = _held_bytes(tx, photo.photo_id)
        _keep(tx, photo, held, offset, data)
        complete = whole and held + len(data) == photo.bytes
    if complete:
        _take_in(intake, photo, by)
    return complete


def photo_state(database: Database, case_id: str, photo_id: str) -> tuple[Row[Any], int, list[str]]:
    """A photo's row, how many of its bytes are here, and the cases of other subjects that hold the same photograph.

    Raises:
        NotFound: no such photo of this case.
    """
    with database.read() as connection:
        row = connection.execute(select(photos).where(photos.c.id == photo_id, photos.c.case_id == case_id)).first()
        if row is None:
            raise not_found("photo_id", photo_id, "photo")
        held = _held_bytes(connection, photo_id) if row.state == "uploading" else row.bytes
        return row, held, same_photo_cases(connection, [photo_id])


def same_photo_cases(connection: Connection, photo_ids: Iterable[str]) -> list[str]:
    """The cases of other subjects that hold the same photograph as one of these photos."""
    other = photos.alias()
    query = (
        select(other.c.case_id)
        .join(same_photo_warnings, same_photo_warnings.c.other_photo_id == other.c.id)
        .where(same_photo_warnings.c.photo_id.in_(list(photo_ids)))
        .distinct()
    )
    return sorted(connection.execute(query).scalars())


def discard_stale_uploads(database: Database, older_than: datetime) -> int:
    """Forget photos whose bytes never all came; how many they were."""
    stale = select(photos.c.id).where(photos.c.state == "uploading", photos.c.declared_at < older_than)
    with database.write() as tx:
        tx.execute(delete(upload_pieces).where(upload_pieces.c.photo_id.in_(stale)))
        return tx.execute(delete(photos).where(photos.c.id.in_(stale))).rowcount


def _declared(intake: Intake, tx: Connection, photo: Declaration, by: str) -> Row[Any]:
    """The photo's row; made now if this is its first piece."""
    case_row(tx, photo.case_id)
    declared: dict[str, Any] = {
        "case_id": photo.case_id,
        "uploaded_sha256": photo.uploaded_sha256,
        "bytes": photo.bytes,
        "media_type": photo.media_type,
        "captured_at": photo.captured_at,
        "eye": photo.eye,
    }
    stamp = {"id": photo.photo_id, "state": "uploading", "declared_at": intake.clock.now(), "declared_by": by}
    intake.database.insert_once(tx, photos, declared | stamp)
    row = tx.execute(select(photos).where(photos.c.id == photo.photo_id)).one()
    differing = [name for name, value in declared.items() if row._mapping[name] != value]
    if differing:
        raise ContentDiffers("photo_id", photo.photo_id, differing)
    return row


def _held_bytes(tx: Connection, photo_id: str) -> int:
    length = func.coalesce(func.sum(func.length(upload_pieces.c.data)), 0)
    return int(tx.execute(select(length).where(upload_pieces.c.photo_id == photo_id)).scalar_one())


def _keep(tx: Connection, photo: Declaration, held: int, offset: int, data: bytes) -> None:
    if offset != held:
        raise OffsetMismatch(held, offset)
    if held + len(data) > photo.bytes:
        raise PieceTooLong(
            f"the photo was said to have {photo.bytes} bytes", field="Upload-Length", value=held + len(data),
            remedy="Send Upload-Length as the size of the whole photo, and no byte beyond it.",
        )  # fmt: skip
    if data:
        tx.execute(upload_pieces.insert().values(photo_id=photo.photo_id, offset=offset, data=data))


def _take_in(intake: Intake, photo: Declaration, by: str) -> None:
    """Check, judge, re-encode and store a photo that is complete, record it, and send it to be scored."""
    data = _assembled(intake.database, photo.photo_id)
    try:
        found = sha256_of(data)
        if found != photo.uploaded_sha256:
            raise ChecksumMismatch(
                f"the {len(data)} bytes that arrived have the digest {found}", field="Repr-Digest",
                value=photo.uploaded_sha256,
                remedy="Send the photo again from byte 0; if this repeats, the digest is of other bytes.",
            )  # fmt: skip
        image = decode(data, declared_type=photo.media_type, limits=intake.limits)
        quality = judge(image)
    except Refused:
        _forget(intake.database, photo.photo_id)
        raise
    stored = encode(image)
    stored_sha256, print_ = sha256_of(stored), perceptual_hash(image)
    intake.store.put(image_key(stored_sha256), stored)
    parts = dict(zip(("band0", "band1", "band2", "band3"), bands(print_), strict=True))
    now = intake.clock.now()
    facts = {
        "state": "waiting" if quality.passed else "refused",
        "refusal": None if quality.passed else "photo-quality",
        "quality": quality.to_json(),
        "stored_sha256": stored_sha256,
        "perceptual_hash": print_,
        "received_at": now,
        "sent_at": now if quality.passed else None,
        **parts,
    }
    with intake.database.write() as tx:
        unseen = (photos.c.id == photo.photo_id) & (photos.c.state == "uploading")
        if tx.execute(update(photos).where(unseen).values(facts)).rowcount == 0:
            return  # two requests brought the last piece; the other one has recorded it
        tx.execute(delete(upload_pieces).where(upload_pieces.c.photo_id == photo.photo_id))
        note_change(tx, intake.clock, "photo", photo.photo_id, photo.case_id)
        for case_id in _warn_of_same_photo(intake, tx, photo, print_):
            note_change(tx, intake.clock, "photo", photo.photo_id, case_id)
            derive_label(tx, intake.clock, case_id, intake.label_table, by=by)
        said = {"uploaded_sha256": photo.uploaded_sha256, "stored_sha256": stored_sha256, "refusal": facts["refusal"]}
        write_audit(tx, intake.clock, by, "photo.receive", photo.photo_id, case_id=photo.case_id, new=said)
        derive_label(tx, intake.clock, photo.case_id, intake.label_table, by=by)
    if quality.passed:
        intake.send(message_for(photo.case_id, photo.photo_id, stored_sha256))


def image_key(stored_sha256: str) -> str:
    """Where a stored photo lies: ``images/<aa>/<sha256>.png``."""
    bare = hex_of(stored_sha256)
    return f"images/{bare[:2]}/{bare}.png"


def message_for(case_id: str, photo_id: str, stored_sha256: str) -> PredictCase:
    return PredictCase(case_id, photo_id, stored_sha256, image_key(stored_sha256))


def _assembled(database: Database, photo_id: str) -> bytes:
    query = select(upload_pieces.c.data).where(upload_pieces.c.photo_id == photo_id).order_by(upload_pieces.c.offset)
    with database.read() as connection:
        return b"".join(connection.execute(query).scalars())


def _forget(database: Database, photo_id: str) -> None:
    """Drop a photo that cannot be used, so that its id is free for the next try."""
    with database.write() as tx:
        tx.execute(delete(upload_pieces).where(upload_pieces.c.photo_id == photo_id))
        tx.execute(delete(photos).where(photos.c.id == photo_id, photos.c.state == "uploading"))


def _warn_of_same_photo(intake: Intake, tx: Connection, photo: Declaration, print_: str) -> list[str]:
    """Note every photo of another subject that is the same photograph; the cases that hold one."""
    mine = case_row(tx, photo.case_id)
    alike = [photos.c[f"band{i}"] == part for i, part in enumerate(bands(print_))]
    someone_else = (cases.c.site != mine.site) | (cases.c.subject_code != mine.subject_code)
    query = (
        select(photos.c.id, photos.c.case_id, photos.c.perceptual_hash)
        .join(cases, cases.c.id == photos.c.case_id)
        .where(alike[0] | alike[1] | alike[2] | alike[3], photos.c.id != photo.photo_id, someone_else)
    )
    found = [
        (row.id, row.case_id, apart)
        for row in tx.execute(query)
        if (apart := hamming(print_, row.perceptual_hash)) <= NEAR_BITS
    ]
    for other_id, _, apart in found:
        for one, two in ((photo.photo_id, other_id), (other_id, photo.photo_id)):
            row = {"photo_id": one, "other_photo_id": two, "bits_apart": apart, "noticed_at": intake.clock.now()}
            intake.database.insert_once(tx, same_photo_warnings, row)
    return sorted({case_id for _, case_id, _ in found})
