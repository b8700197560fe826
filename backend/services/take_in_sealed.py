"""What was sealed is taken in: a case with all its photos or a later word about one, in whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from backend.db.tables import photos
from backend.services.audit import Entry, write_audit
from backend.services.receive_photo import declare
from backend.services.receive_sealed import OPEN, Arrived, put_on_record, settle
from backend.services.records import case_row
from backend.services.standing_consents import must_stand, standing_consents
from backend.services.take_away import ask_to_take_away, begin_claims, end_claims
from backend.services.take_in_photo import (
    Declaration,
    Intake,
    Seen,
    look_at,
    message_for,
    record_photo,
    record_whole_photo,
    tell_of_photos,
)
from pallor.clock import utc_text
from pallor.consent import Purpose
from pallor.errors import Refused
from pallor.photo import PhotoRole
from pallor.store.port import image_key


@dataclass(frozen=True)
class Opened:
    """What lay in a blob.

    ``record``: writes the word itself down (the case, the amendment, ...), as the open route of its kind does; of a new
    case, what feed and trail are still to be told. ``subject_code``: where the word names it.
    """

    kind: str
    case_id: str
    subject_code: str | None
    record: Callable[[Connection], Entry | None]
    photos: Sequence[tuple[Declaration, bytes]] = field(default=(), repr=False)


def take_in_sealed(intake: Intake, blob: Arrived, opened: Opened) -> dict[str, Any] | None:
    """Record everything that lay in a blob, in one transaction; the receipt that is now on record of it, None when
    another request has just recorded it.

    Raises:
        Refused: as the open routes do. Nothing of it is recorded.
        StoreUnavailable: nothing is known yet of what becomes of it.
    """
    seen = [(photo, look_at(intake, photo, data)) for photo, data in opened.photos]
    keys = [image_key(one.stored_sha256) for _, one in seen]
    begun = intake.clock.now()
    with intake.database.write() as tx:
        if not put_on_record(intake.database, tx, intake.clock, blob):
            return None
        claims = begin_claims(tx, begun, *keys)
    for key, (_, one) in zip(keys, seen, strict=True):
        intake.store.put(key, one.stored)
    try:
        with intake.database.write() as tx:
            end_claims(tx, claims)
            receipt = _record(intake, tx, blob, opened, seen)
            ask_to_take_away(intake.database, tx, begun, _not_kept(receipt, seen))
    except Refused:
        with intake.database.write() as tx:
            end_claims(tx, claims)
            ask_to_take_away(intake.database, tx, begun, keys)
        raise
    if receipt is None:
        return None
    waiting = [(photo, one) for photo, one in seen if _state(receipt, photo.photo_id) == "waiting"]
    if waiting:
        intake.send(*(message_for(photo.case_id, photo.photo_id, one.stored_sha256) for photo, one in waiting))
    return receipt


def put_aside(intake: Intake, blob: Arrived, problem: dict[str, Any], about: dict[str, Any], *, keep: bool) -> None:
    """Remember why a blob was refused, and keep it for an administrator to look at.

    Args:
        about: kind, case and subject, as far as they could be read: whoever is erased is found by them.
        keep: False for what nobody may keep any more: then the reason alone is.
    """
    state, said = ("put-aside", about) if keep else ("discarded", dict.fromkeys(about))
    with intake.database.write() as tx:
        here = put_on_record(intake.database, tx, intake.clock, blob, keep=keep)
        if here and settle(tx, intake.clock, blob.submission_id, OPEN, state, problem=problem, **said):
            new = {"state": state, "code": problem["code"], "site": blob.site, "sealed_sha256": blob.sealed_sha256}
            refused = blob.submission_id
            write_audit(tx, intake.clock, blob.by, "sealed.refuse", refused, case_id=said["case_id"], new=new)


def keep_for_later(intake: Intake, blob: Arrived) -> None:
    """Keep the bytes of a blob of which nothing can be known now."""
    with intake.database.write() as tx:
        put_on_record(intake.database, tx, intake.clock, blob, keep=True)


def _record(
    intake: Intake, tx: Connection, blob: Arrived, opened: Opened, seen: list[tuple[Declaration, Seen]]
) -> dict[str, Any] | None:
    """Write it all down; the receipt, None when another request was first, with the same."""
    if opened.kind != "case":
        case_row(tx, opened.case_id, within=frozenset({blob.site}))
    new_case = opened.record(tx)
    became, taken_in = _record_photos(intake, tx, opened.case_id, seen, blob.by) if seen else ([], [])
    tell_of_photos(intake, tx, taken_in, by=blob.by, came_with=new_case)
    receipt = {
        "received_at": utc_text(intake.clock.now()),
        "digests": {photo.photo_id: photo.uploaded_sha256 for photo, _ in seen},
        "photos": became,
    }
    about = {"kind": opened.kind, "case_id": opened.case_id, "subject_code": opened.subject_code}
    first = settle(tx, intake.clock, blob.submission_id, OPEN, "received", receipt=receipt, problem=None, **about)
    return receipt if first else None


def _record_photos(
    intake: Intake, tx: Connection, case_id: str, seen: list[tuple[Declaration, Seen]], by: str
) -> tuple[list[dict[str, Any]], list[tuple[Declaration, Seen]]]:
    """What became of each photo, and those that are new on record."""
    standing = standing_consents(tx, [case_id])[case_id]
    became: list[dict[str, Any]] = []
    taken_in: list[tuple[Declaration, Seen]] = []
    for photo, one in seen:
        if photo.role is PhotoRole.CONTEXT and not standing[Purpose.TRAINING].given:
            became.append({"photo_id": photo.photo_id, "state": "not-kept", "refusal": "no-consent-to-training"})
            continue
        if record_whole_photo(intake, tx, photo, one, photo.bytes or 0, by=by):
            must_stand(standing, case_id)  # what had arrived before is known by its phone to be here
            state, refusal = one.became, one.refusal
            taken_in.append((photo, one))
        else:
            if declare(intake, tx, photo, photo.bytes or 0, by=by)[0] == "uploading" and record_photo(
                intake, tx, photo, one
            ):
                taken_in.append((photo, one))
            state, refusal = _as_it_is(tx, photo.photo_id)
        became.append({"photo_id": photo.photo_id, "state": state, "refusal": refusal})
    return became, taken_in


def _as_it_is(tx: Connection, photo_id: str) -> tuple[str, str | None]:
    row = tx.execute(select(photos.c.state, photos.c.refusal).where(photos.c.id == photo_id)).one()
    return row.state, row.refusal


def _not_kept(receipt: dict[str, Any] | None, seen: list[tuple[Declaration, Seen]]) -> list[str]:
    """Objects that were stored and that nothing may refer to."""
    dropped = [one for photo, one in seen if receipt is None or _state(receipt, photo.photo_id) == "not-kept"]
    return [image_key(one.stored_sha256) for one in dropped]


def _state(receipt: dict[str, Any], photo_id: str) -> str:
    return next(str(photo["state"]) for photo in receipt["photos"] if photo["photo_id"] == photo_id)
