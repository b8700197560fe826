"""A worker's answer comes home: recorded once for each photo and release, shown once for each photo."""

import logging
from collections.abc import Sequence
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
from pallor.prediction import Prediction

log = logging.getLogger(__name__)

_ACTOR = "worker"
# Built once: every answer asks these.
_SHOWN = select(predictions.c.release_id).where(predictions.c.photo_id == photos.c.id, predictions.c.shown)
_PHOTO = (
    select(photos.c.state, photos.c.case_id, care_stands().label("care"), _SHOWN.exists().label("answered"))
    .join(cases, cases.c.id == photos.c.case_id)
    .where(photos.c.id == bindparam("photo"))
)
_THIS = update(photos).where(photos.c.id == bindparam("photo"))


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
    changed: list[RecordPrediction] = []
    scored: list[Entry] = []
    with database.write() as tx:
        for message in messages:
            photo = _usable(tx, message.photo_id)
            if photo is None:
                continue
            if message.prediction is None:
                if _refuse(tx, clock, message, photo, table):
                    changed.append(message)
            elif (entry := _score(database, tx, clock, message, message.prediction, photo)) is not None:
                changed.append(message)
                scored.append(entry)
        shown = [(entry.entity_id, str(entry.case_id)) for entry in scored if entry.new["shown"]]
        note_changes(tx, clock, "prediction", shown)
        write_audits(tx, clock, _ACTOR, scored)
    return changed


def _usable(tx: Connection, photo_id: str) -> Row[Any] | None:
    """What is known of a photo; None where an answer for it is let go."""
    photo = tx.execute(_PHOTO, {"photo": photo_id}).first()
    if photo is None or photo.state == "uploading":
        about = {"photo_id": photo_id, "case_id": photo.case_id if photo else None}
        log.warning("an answer for a photo that is not here", extra=about)
        return None
    if not photo.care:
        about = {"photo_id": photo_id, "case_id": photo.case_id}
        log.info("an answer that nobody may use any more is let go", extra=about)
        return None
    return photo


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
    database: Database, tx: Connection, clock: Clock, message: RecordPrediction, prediction: Prediction, photo: Row[Any]
) -> Entry | None:
    """What the trail is to hold of an answer that was recorded."""
    shown = not (message.shadow or photo.answered)
    row = {
        "photo_id": message.photo_id,
        "release_id": message.release_id,
        "probability": prediction.probability,
        "answer": prediction.to_json(),
        "shown": shown,
        "recorded_at": clock.now(),
        "embedding": np.asarray(prediction.embedding, "<f4").tobytes(),
    }
    if not database.insert_once(tx, predictions, row):
        if not shown:
            return None
        # As a challenger it has answered this photo before it became the one that is shown.
        own = (predictions.c.photo_id == message.photo_id) & (predictions.c.release_id == message.release_id)
        tx.execute(update(predictions).where(own).values(row))
    if shown:
        tx.execute(_THIS, {"photo": message.photo_id, "state": "scored", "refusal": None})
    said = {name: row[name] for name in ("release_id", "probability", "shown")}
    return Entry("prediction.record", message.photo_id, photo.case_id, new=said)
