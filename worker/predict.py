"""From a message to an answer: fetch, decode, lay out, infer."""

import time

from pallor.clock import Clock
from pallor.digest import hex_of, sha256_of
from pallor.errors import Refused, Untrusted
from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.messages import MessageUnreadable, PredictCase, RecordPrediction
from pallor.prediction import Prediction
from pallor.store.port import KeyRefused, ObjectStore
from worker.resident import Serving


class PhotoChanged(Untrusted):
    """What lies in the store is not the photo that was accepted."""


def answer(message: PredictCase, *, serving: Serving, store: ObjectStore, clock: Clock) -> RecordPrediction:
    """Score one photo, or say with which code it is refused.

    Only the photo itself can be refused. What is not its fault (the store is away, the object is not there yet) is
    raised: a refusal is final, and a folder that is not mounted must not send every patient back to the camera.

    Raises:
        Unavailable: the photo cannot be fetched now; ``ObjectMissing`` among them.
        MessageUnreadable: the message names a key that no store can hold.
        AnswerImpossible: the engine is broken.
    """
    started = time.perf_counter()
    release_id = serving.release.release_id
    try:
        batch = to_input(serving.spec, decode(_fetch(message, store)))[None]
    except (Refused, PhotoChanged) as error:
        return RecordPrediction(message.photo_id, release_id, refusal=error.code())
    answers = serving.engine.infer(batch)
    prediction = Prediction(
        photo_id=message.photo_id,
        release_id=release_id,
        probability=float(answers.probability[0]),
        cam=tuple(tuple(row) for row in answers.cam[0].tolist()),
        embedding=tuple(answers.embedding[0].tolist()),
        engine=serving.engine.describe(),
        scored_at=clock.now(),
        seconds=time.perf_counter() - started,
    )
    return RecordPrediction(message.photo_id, release_id, prediction=prediction)


def _fetch(message: PredictCase, store: ObjectStore) -> bytes:
    try:
        data = store.get(message.object_key)
    except KeyRefused as error:
        raise MessageUnreadable(f"{PredictCase.NAME}: {error}") from error
    if hex_of(sha256_of(data)) != hex_of(message.stored_sha256):
        raise PhotoChanged(f"{message.object_key} is not {message.stored_sha256}")
    return data
