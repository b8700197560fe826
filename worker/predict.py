"""From a message to what the model sees, and from what it says to an answer."""

import numpy as np
from numpy.typing import NDArray

from pallor.clock import Clock
from pallor.digest import hex_of, sha256_of
from pallor.errors import Untrusted
from pallor.image.decode import Limits, decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.messages import MessageUnreadable, PredictCase, RecordPrediction
from pallor.prediction import Prediction
from pallor.store.port import KeyRefused, ObjectStore
from worker.engines.port import Answers
from worker.serving import Serving


class PhotoChanged(Untrusted):
    """What lies in the store is not the photo that was accepted."""


def fetch(message: PredictCase, store: ObjectStore) -> bytes:
    """The stored photo.

    Raises:
        PhotoChanged: it is not the one that was accepted.
        Unavailable: it cannot be fetched now; ``ObjectMissing`` among them. A folder that is not mounted must not send
            every patient back to the camera.
        MessageUnreadable: the message names a key that no store can hold.
    """
    try:
        data = store.get(message.object_key)
    except KeyRefused as error:
        raise MessageUnreadable(f"{PredictCase.NAME}: {error}") from error
    if hex_of(sha256_of(data)) != hex_of(message.stored_sha256):
        raise PhotoChanged(f"{message.object_key} is not {message.stored_sha256}")
    return data


def lay_out(data: bytes, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """One photo as the model wants it, (S, S, 3); raises ``Refused`` where the photo itself is at fault."""
    # It was within the limits when it came; stored without loss it may be larger.
    return to_input(spec, decode(data, limits=Limits(max_bytes=max(1, len(data)))))


def answer(
    photo_id: str, answers: Answers, at: int, *, serving: Serving, clock: Clock, seconds: float, shadow: bool
) -> RecordPrediction:
    """What the model said of photo ``at`` of a batch, as a message; ``seconds``: from the message to the answer."""
    release_id = serving.release.release_id
    prediction = Prediction(
        photo_id=photo_id,
        release_id=release_id,
        probability=float(answers.probability[at]),
        cam=tuple(tuple(row) for row in _spelled(answers.cam[at]).tolist()),
        embedding=tuple(_spelled(answers.embedding[at]).tolist()),
        engine=serving.engine.describe(),
        scored_at=clock.now(),
        seconds=seconds,
    )
    return RecordPrediction(photo_id, release_id, prediction=prediction, shadow=shadow)


def _spelled(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """As they are written down: a float32 holds seven digits, and JSON would spell seventeen."""
    return values.astype(np.float64).round(6)
