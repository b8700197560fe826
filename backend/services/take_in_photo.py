"""A photo whose bytes are all here is checked, judged, re-encoded without metadata, stored, and sent to be scored."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from backend.db.engine import Database
from backend.db.tables import photos
from backend.queue import Send
from backend.services.audit import Entry, write_audits
from backend.services.derive_label import derive_label
from backend.services.keep_pieces import PHOTO_PIECES, ChecksumMismatch
from backend.services.records import note_changes
from backend.services.same_photo import warn_of_same_photo
from backend.services.take_away import ask_to_take_away, begin_claims, end_claims
from pallor.clock import Clock
from pallor.digest import sha256_of
from pallor.errors import Refused
from pallor.image.decode import Limits, decode, encode
from pallor.image.fingerprint import bands, perceptual_hash
from pallor.image.quality import Quality, judge
from pallor.messages import PredictCase
from pallor.photo import PhotoRole
from pallor.store.port import ObjectStore, image_key

_PHOTOS_AT_ONCE = 2


@dataclass(frozen=True)
class Declaration:
    """What the phone says of a photo before its bytes: enough to know a repeat, and a whole, when it sees one.

    ``bytes``: of the whole photo; None for a piece that does not say, then what was said before counts.
    """

    case_id: str
    photo_id: str
    uploaded_sha256: str
    bytes: int | None
    media_type: str
    captured_at: datetime
    eye: str | None
    role: PhotoRole = PhotoRole.ROI
    of: str | None = None
    capture: dict[str, Any] | None = None

    def to_row(self, size: int) -> dict[str, Any]:
        """What it says, as ``photos`` has it; ``size``: where ``bytes`` is not said."""
        return {
            "case_id": self.case_id,
            "uploaded_sha256": self.uploaded_sha256,
            "bytes": size if self.bytes is None else self.bytes,
            "media_type": self.media_type,
            "captured_at": self.captured_at,
            "eye": self.eye,
            "role": self.role.value,
            "of": self.of,
            "capture": self.capture,
        }


@dataclass(frozen=True)
class Seen:
    """A photo that was decoded: as it is stored, and what was made of it.

    ``quality``: None for a photo that is not to be scored. ``perceptual``: None where nothing is to be seen.
    """

    stored: bytes = field(repr=False)
    stored_sha256: str
    quality: Quality | None
    perceptual: str | None

    @property
    def to_be_scored(self) -> bool:
        return self.quality is not None and self.quality.passed

    @property
    def became(self) -> str:
        """The state that the photo is in when it was taken in."""
        if self.quality is None:
            return "kept"
        return "waiting" if self.quality.passed else "refused"

    @property
    def refusal(self) -> str | None:
        return "photo-quality" if self.became == "refused" else None


@dataclass(frozen=True)
class Intake:
    """The parts a photo passes on its way in."""

    database: Database
    store: ObjectStore
    clock: Clock
    send: Send
    limits: Limits
    label_table: str
    # Decoding a hostile photo can take hundreds of megabytes: a process does a few at a time, the rest wait their turn.
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_PHOTOS_AT_ONCE))


def take_in(intake: Intake, photo: Declaration, *, by: str) -> bool:
    """Take in a photo whose bytes are all on record; False when another request has just done so.

    Raises:
        ChecksumMismatch, or a ``Photo...`` reason of ``pallor.image.decode``: nothing of the photo is kept.
        StoreUnavailable: its bytes are kept, to be taken in later.
    """
    with intake.database.read() as connection:
        if _state(connection, photo.photo_id) != "uploading":
            return False
        data = PHOTO_PIECES.joined(connection, photo.photo_id)
    try:
        seen = look_at(intake, photo, data)
    except Refused:
        _forget(intake.database, photo.photo_id)
        raise
    with intake.database.write() as tx:
        claims = claim(intake, tx, photo.photo_id, seen)
    return claims is not None and store(intake, photo, seen, claims, by=by)


def look_at(intake: Intake, photo: Declaration, data: bytes) -> Seen:
    """Check and decode a photo, and judge it if it is to be scored.

    Raises:
        ChecksumMismatch, or a ``Photo...`` reason of ``pallor.image.decode``.
    """
    _check_digest(photo, data)
    with intake.turns:
        image = decode(data, declared_type=photo.media_type, limits=intake.limits)
        stored = encode(image)
        quality = judge(image) if photo.role is PhotoRole.ROI else None
        # A photo that shows next to nothing looks like every other such photo: it has no fingerprint.
        perceptual = perceptual_hash(image) if quality is not None and quality.passed else None
    return Seen(stored, sha256_of(stored), quality, perceptual)


def claim(intake: Intake, tx: Connection, photo_id: str, seen: Seen) -> list[str] | None:
    """Say before it is stored which object the photo will refer to; None when it is no longer uploading.

    From then on nobody takes that object away (``take_away``) while this photo is there, and whoever erases this photo
    knows which object to take away, and that it may be yet to come, however this process ends.
    """
    if tx.execute(_UNSEEN, {"photo": photo_id, "stored_sha256": seen.stored_sha256}).rowcount == 0:
        return None
    return begin_claims(tx, intake.clock.now(), image_key(seen.stored_sha256))


def store(intake: Intake, photo: Declaration, seen: Seen, claims: list[str], *, by: str) -> bool:
    """Store a photo that is claimed, write down what became of it, and send it to be scored; False when another request
    was first. Raises ``StoreUnavailable``.
    """
    key = image_key(seen.stored_sha256)
    intake.store.put(key, seen.stored)
    with intake.database.write() as tx:
        end_claims(tx, claims)
        if not record_photo(intake, tx, photo, seen):
            # Erased meanwhile, or another request was first: what was stored goes unless a photo refers to it.
            ask_to_take_away(intake.database, tx, intake.clock.now(), [key])
            return False
        tell_of_photos(intake, tx, [(photo, seen)], by=by)
    if seen.to_be_scored:
        intake.send(message_for(photo.case_id, photo.photo_id, seen.stored_sha256))
    return True


def message_for(case_id: str, photo_id: str, stored_sha256: str) -> PredictCase:
    return PredictCase(case_id, photo_id, stored_sha256, image_key(stored_sha256))


def _state(connection: Connection, photo_id: str) -> str | None:
    return connection.execute(select(photos.c.state).where(photos.c.id == photo_id)).scalar()


def _check_digest(photo: Declaration, data: bytes) -> None:
    found = sha256_of(data)
    if found != photo.uploaded_sha256:
        raise ChecksumMismatch(
            f"the {len(data)} bytes that arrived have the digest {found}", field="Repr-Digest",
            value=photo.uploaded_sha256,
            remedy="Send the photo again from byte 0; a first piece must name the whole size in Upload-Length.",
        )  # fmt: skip


def record_photo(intake: Intake, tx: Connection, photo: Declaration, seen: Seen) -> bool:
    """Write down what became of a photo that was declared; False when another request was first."""
    if tx.execute(_UNSEEN, {"photo": photo.photo_id} | _facts(intake, seen)).rowcount == 0:
        return False
    PHOTO_PIECES.drop(tx, photo.photo_id)
    return True


def record_whole_photo(
    intake: Intake, tx: Connection, photo: Declaration, seen: Seen, size: int, *, by: str
) -> bool:  # fmt: skip
    """``record_photo`` for one that nothing is known of yet; False when something is."""
    stamp = {"id": photo.photo_id, "declared_at": intake.clock.now(), "declared_by": by}
    return intake.database.insert_once(tx, photos, photo.to_row(size) | stamp | _facts(intake, seen))


def tell_of_photos(
    intake: Intake,
    tx: Connection,
    taken_in: Sequence[tuple[Declaration, Seen]],
    *,
    by: str,
    came_with: Entry | None = None,
) -> None:
    """Tell the feed and the trail of photos that were written down, and whose photographs they are, too; derive the
    labels that follow.

    Args:
        came_with: what the trail is to hold of a new case that these are of; it has no results yet, and so no label.
    """
    news = [] if came_with is None else [("case", came_with.entity_id, came_with.entity_id)]
    news += [("photo", photo.photo_id, photo.case_id) for photo, _ in taken_in]
    note_changes(tx, intake.clock, news)
    entries = [] if came_with is None else [came_with]
    write_audits(tx, intake.clock, by, entries + [_entry(photo, seen) for photo, seen in taken_in])
    followed = set() if came_with is not None else {photo.case_id for photo, _ in taken_in}
    for photo, seen in taken_in:
        if seen.perceptual is None:
            continue
        warned = warn_of_same_photo(intake.database, tx, intake.clock, photo.case_id, photo.photo_id, seen.perceptual)
        # Each hears of its own photo: this one may be of a site that it cannot see.
        note_changes(tx, intake.clock, [("photo", photo_id, case_id) for case_id, photo_id in warned])
        followed |= {case_id for case_id, _ in warned}
    for case_id in sorted(followed):
        derive_label(tx, intake.clock, case_id, intake.label_table, by=by)


def _entry(photo: Declaration, seen: Seen) -> Entry:
    said = {
        "uploaded_sha256": photo.uploaded_sha256,
        "stored_sha256": seen.stored_sha256,
        "refusal": seen.refusal,
    }
    return Entry("photo.receive", photo.photo_id, photo.case_id, new=said)


def _facts(intake: Intake, seen: Seen) -> dict[str, Any]:
    now = intake.clock.now()
    return {
        "state": seen.became,
        "refusal": seen.refusal,
        "quality": seen.quality.to_json() if seen.quality else None,
        "stored_sha256": seen.stored_sha256,
        "perceptual_hash": seen.perceptual,
        "received_at": now,
        "sent_at": now if seen.to_be_scored else None,
        **{f"band{i}": band for i, band in enumerate(bands(seen.perceptual) if seen.perceptual else ())},
    }


def _forget(database: Database, photo_id: str) -> None:
    """Drop a photo that cannot be used, so that its id is free for the next try."""
    with database.write() as tx:
        PHOTO_PIECES.drop(tx, photo_id)
        tx.execute(delete(photos).where(photos.c.id == photo_id, photos.c.state == "uploading"))


_UNSEEN = update(photos).where(photos.c.id == bindparam("photo"), photos.c.state == "uploading")
