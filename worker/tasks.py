"""The worker's tasks, by name. ``register`` puts them on any Celery app.

Two Celery apps whose workers share a process overwrite each other's trace state, so a test that wants backend and
worker in one process registers both on one app.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.exceptions import Reject

from pallor.clock import Clock
from pallor.errors import Unavailable, Untrusted
from pallor.messages import MessageUnreadable, PredictCase, RecordPrediction
from pallor.store.port import ObjectStore
from worker.predict import answer
from worker.resident import Resident
from worker.send import BrokerAway, Sender

log = logging.getLogger(__name__)

RETRIES = 5


def register(
    app: Celery, *, resident: Resident, store: ObjectStore, clock: Clock, first_retry_seconds: float = 1.0
) -> None:
    """Put ``predict_case`` on ``app``."""
    send = Sender(app)

    @app.task(name=PredictCase.NAME, bind=True, acks_late=True, shared=False)
    def predict_case(task: Any, payload: Any) -> None:
        with _whose_turn(task, first_retry_seconds):
            said = answer(PredictCase.from_payload(payload), serving=resident.serving(), store=store, clock=clock)
            send(said)
            log.info("answered", extra=_told(said))


def _told(said: RecordPrediction) -> dict[str, object]:
    seconds = said.prediction.seconds if said.prediction else None
    return {"photo_id": said.photo_id, "release_id": said.release_id, "code": said.refusal, "seconds": seconds}


@contextmanager
def _whose_turn(task: Any, first_retry_seconds: float) -> Iterator[None]:
    """Turn an error of the kernel into what the queue does next; anything else fails the task, loudly.

    In every case nothing is lost: a photo without an answer is sent again by the backend's sweeper.
    """
    try:
        yield
    except MessageUnreadable:
        log.exception("a message nobody can read is put aside", extra={"message_name": task.name})
    except BrokerAway as error:
        log.warning("the answer could not be sent; the photo goes back to its queue", extra={"fault": error})
        raise Reject(error, requeue=True) from error
    except (Unavailable, Untrusted) as error:
        attempt = task.request.retries
        log.warning("cannot score now", extra={"code": error.code(), "fault": error, "attempt": attempt})
        # After the last retry `task.retry` raises the error itself: the task fails and is logged with its trace.
        raise task.retry(exc=error, countdown=first_retry_seconds * 2**attempt, max_retries=RETRIES) from error
