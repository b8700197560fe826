"""A worker's answer comes home: recorded once for each photo and release, shown once for each photo."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, select, update

from backend.db.engine import Database
from backend.db.tables import cases, photos, predictions
from backend.services.audit import Entry, write_audit, write_audits
from backend.services.derive_label import derive_label
from backend.services.records import note_change, note_changes
from backend.services.standing_consents import care_stands
from pallor.clock import Clock
from pallor.messages import RecordPrediction

log = logging.getLogger(__name__)

_ACTOR = "worker"
# Built once: every answer asks these.
_SHOWN = select(predictions.c.release_id).where(predictions.c.photo_id == photos.c.id, predictions.c.shown)
_PHOTOS = (
    select(
        photos.c.id, photos.c.state, photos.c.case_id, care_stands().label("care"), _SHOWN.exists().label("answered")
    )
    .join(cases, cases.c.id == photos.c.case_id)
    .where(photos.c.id.in_(bindparam("photos", expanding=True)))
)
_THIS = update(photos).where(photos.c.id == bindparam("photo"))

_Known = tuple[RecordPrediction, Row[Any]]  # an answer, and what is known of its photo


def record_prediction(database: Database, clock: Clock, message: RecordPrediction, table: str) -> bool:
    """Record an answer or a refusal; True when it changed anything.

    The first answer for a photo is the one that is shown; one of a later release is kept beside it, never shown, and so
    is a challenger's, whenever it comes. What comes after the photo was erased, or after consent to care was withdrawn,
    is let go.
    """
    return bool(record_predictions(database, clock, [message], table))


def record_predictions(
    database: Database, clock: Clock, messages: Sequence[RecordPrediction], table: str
) -> list[RecordPrediction]:
    """Record several, all or none; those that changed anything."""
    with database.write() as tx:
        return [changed for some in _rounds(messages) for changed in _record(database, tx, clock, some, table)]


def _rounds(messages: Sequence[RecordPrediction]) -> Iterator[list[RecordPrediction]]:
    """The messages in their order, cut wherever a photo comes again: it is looked up anew."""
    some: dict[str, RecordPrediction] = {}
    for message in messages:
        if message.photo_id in some:
            yield list(some.values())
            some = {}
        some[message.photo_id] = message
    yield list(some.values())


def _record(
    database: Database, tx: Connection, clock: Clock, messages: Sequence[RecordPrediction], table: str
) -> list[RecordPrediction]:
    """Record messages for as many photos; those that changed anything."""
    usable = _usable(tx, messages)
    changed = [
        message for message, photo in usable if message.prediction is None and _refuse(tx, clock, message, photo, table)
    ]
    answers = [known for known in usable if known[0].prediction is not None]
    return changed + _score(database, tx, clock, answers, table)


def _usable(tx: Connection, messages: Sequence[RecordPrediction]) -> list[_Known]:
    """Those that are not let go."""
    found = {photo.id: photo for photo in tx.execute(_PHOTOS, {"photos": [message.photo_id for message in messages]})}
    usable: list[_Known] = []
    for message in messages:
        photo = found.get(message.photo_id)
        about = {"photo_id": message.photo_id, "case_id": photo.case_id if photo else None}
        if photo is None or photo.state == "uploading":
            log.warning("an answer for a photo that is not here", extra=about)
        elif not photo.care:
            log.info("an answer that nobody may use any more is let go", extra=about)
        else:
            usable.append((message, photo))
    return usable


def _refuse(tx: Connection, clock: Clock, message: RecordPrediction, photo: Row[Any], table: str) -> bool:
    if photo.state != "waiting" or message.shadow:  # a release on trial sends nobody back to the camera
        return False
    tx.execute(_THIS, {"photo": message.photo_id, "state": "refused", "refusal": message.refusal})
    note_change(tx, clock, "photo", message.photo_id, photo.case_id)
    refused = {"refusal": message.refusal, "release_id": message.release_id}
    write_audit(tx, clock, _ACTOR, "photo.refuse", message.photo_id, case_id=photo.case_id, new=refused)
    derive_label(tx, clock, photo.case_id, table, by=_ACTOR)  # a label stands on a photo that can be used
    return True


def _score(
    database: Database, tx: Connection, clock: Clock, answers: Sequence[_Known], table: str
) -> list[RecordPrediction]:
    """Record answers; those that are new on record, or newly shown."""
    rows = [_row(clock, message, photo) for message, photo in answers]
    new = database.insert_new(tx, predictions, rows)
    recorded: list[_Known] = []
    shown: list[_Known] = []
    entries: list[Entry] = []
    for known, row in zip(answers, rows, strict=True):
        if (row["photo_id"], row["release_id"]) not in new:
            if not row["shown"]:
                continue
            # As a challenger it has answered this photo before it became the one that is shown.
            own = (predictions.c.photo_id == row["photo_id"]) & (predictions.c.release_id == row["release_id"])
            tx.execute(update(predictions).where(own).values(row))
        recorded.append(known)
        shown += [known] if row["shown"] else []
        said = {name: row[name] for name in ("release_id", "probability", "shown")}
        entries.append(Entry("prediction.record", row["photo_id"], known[1].case_id, new=said))
    if shown:
        tx.execute(_THIS, [{"photo": photo.id, "state": "scored", "refusal": None} for _, photo in shown])
    note_changes(tx, clock, [("prediction", photo.id, photo.case_id) for _, photo in shown])
    write_audits(tx, clock, _ACTOR, entries)
    for case_id in sorted({photo.case_id for _, photo in shown if photo.state == "refused"}):
        derive_label(tx, clock, case_id, table, by=_ACTOR)  # a photo that was given up can be used after all
    return [message for message, _ in recorded]


def _row(clock: Clock, message: RecordPrediction, photo: Row[Any]) -> dict[str, Any]:
    assert message.prediction is not None  # noqa: S101 (refusals go their own way)
    return {
        "photo_id": message.photo_id,
        "release_id": message.release_id,
        "probability": message.prediction.probability,
        "answer": message.prediction.to_json(),
        "shown": not (message.shadow or photo.answered),
        "recorded_at": clock.now(),
        "embedding": np.asarray(message.prediction.embedding, "<f4").tobytes(),
    }
