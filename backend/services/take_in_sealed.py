"""What was sealed is taken in: a case with all its photos or a later word about one, in whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from backend.db.tables import photos
from backend.services.audit import write_audit
from backend.services.receive_photo import declare
from backend.services.receive_sealed import settle
from backend.services.records import case_row
from backend.services.standing_consents import standing_consents
from backend.services.take_away import ask_to_take_away, begin_claim, end_claim
from backend.services.take_in_photo import Declaration, Intake, Seen, look_at, message_for, record_photo
from pallor.clock import utc_text
from pallor.consent import Purpose
from pallor.errors import Refused
from pallor.photo import PhotoRole
from pallor.store.port import image_key

_OPEN = ("uploading", "put-aside")


@dataclass(frozen=True)
class Opened:
    """What lay in a blob.

    ``record``: writes the word itself down (the case, the amendment, ...), as the open route of its kind does.
    ``subject_code``: where the word names it.
    """

    kind: str
    case_id: str
    subject_code: str | None
    record: Callable[[Connection], object]
    photos: Sequence[tuple[Declaration, bytes]] = field(default=(), repr=False)


def take_in_sealed(intake: Intake, row: Row[Any], opened: Opened, *, by: str) -> bool:
    """Record everything that lay in a blob, in one transaction; False when another request has just done so.

    Raises:
        Refused: as the open routes do. Nothing of it is recorded.
        StoreUnavailable: its bytes are kept, to be taken in later.
    """
    seen = [(photo, look_at(intake, photo, data)) for photo, data in opened.photos]
    keys = [image_key(one.stored_sha256) for _, one in seen]
    begun = intake.clock.now()
    with intake.database.write() as tx:
        claims = [begin_claim(tx, begun, key) for key in keys]
    for key, (_, one) in zip(keys, seen, strict=True):
        intake.store.put(key, one.stored)
    try:
        with intake.database.write() as tx:
            _end(tx, claims)
            receipt = _record(intake, tx, row, opened, seen, by)
            ask_to_take_away(intake.database, tx, begun, _not_kept(receipt, seen))
    except Refused:
        with intake.database.write() as tx:
            _end(tx, claims)
            ask_to_take_away(intake.database, tx, begun, keys)
        raise
    for photo, one in seen:
        if receipt is not None and _state(receipt, photo.photo_id) == "waiting":
            intake.send(message_for(photo.case_id, photo.photo_id, one.stored_sha256))
    return receipt is not None


def put_aside(intake: Intake, row: Row[Any], problem: dict[str, Any], about: dict[str, Any], *, keep: bool) -> None:
    """Remember why a blob was refused, and keep it for an administrator to look at.

    Args:
        about: kind, case and subject, as far as they could be read: whoever is erased is found by them.
        keep: False for what nobody may keep any more: then the reason alone is.
    """
    state, said = ("put-aside", about) if keep else ("discarded", dict.fromkeys(about))
    with intake.database.write() as tx:
        if settle(tx, intake.clock, row.id, _OPEN, state, problem=problem, **said):
            new = {"state": state, "code": problem["code"], "site": row.site, "sealed_sha256": row.sealed_sha256}
            write_audit(tx, intake.clock, row.declared_by, "sealed.refuse", row.id, case_id=said["case_id"], new=new)


def _record(
    intake: Intake, tx: Connection, row: Row[Any], opened: Opened, seen: list[tuple[Declaration, Seen]], by: str
) -> dict[str, Any] | None:
    """Write it all down; the receipt, None when another request was first, with the same."""
    here = frozenset({row.site})
    if opened.kind != "case":
        case_row(tx, opened.case_id, within=here)
    opened.record(tx)
    training = standing_consents(tx, [opened.case_id])[opened.case_id][Purpose.TRAINING].given
    became = []
    for photo, one in seen:
        if photo.role is PhotoRole.CONTEXT and not training:
            became.append({"photo_id": photo.photo_id, "state": "not-kept", "refusal": "no-consent-to-training"})
            continue
        if declare(intake, tx, photo, photo.bytes or 0, by=by).state == "uploading":
            record_photo(intake, tx, photo, one, by=by)
        now = tx.execute(select(photos.c.state, photos.c.refusal).where(photos.c.id == photo.photo_id)).one()
        became.append({"photo_id": photo.photo_id, "state": now.state, "refusal": now.refusal})
    receipt = {
        "received_at": utc_text(intake.clock.now()),
        "digests": {photo.photo_id: photo.uploaded_sha256 for photo, _ in seen},
        "photos": became,
    }
    about = {"kind": opened.kind, "case_id": opened.case_id, "subject_code": opened.subject_code}
    first = settle(tx, intake.clock, row.id, _OPEN, "received", receipt=receipt, problem=None, **about)
    return receipt if first else None


def _end(tx: Connection, claims: list[str]) -> None:
    for claim_id in claims:
        end_claim(tx, claim_id)


def _not_kept(receipt: dict[str, Any] | None, seen: list[tuple[Declaration, Seen]]) -> list[str]:
    """Objects that were stored and that nothing may refer to."""
    dropped = [one for photo, one in seen if receipt is None or _state(receipt, photo.photo_id) == "not-kept"]
    return [image_key(one.stored_sha256) for one in dropped]


def _state(receipt: dict[str, Any], photo_id: str) -> str:
    return next(str(photo["state"]) for photo in receipt["photos"] if photo["photo_id"] == photo_id)
