"""Messages to the backend, by name."""

import time
from collections.abc import Sequence
from typing import Any

from celery import Celery

from pallor.broker import BROKER_ERRORS, send_in_one_trip
from pallor.errors import Unavailable
from pallor.messages import RecordPrediction, ReportWorker

# An idle connection may be a stale one: its first use fails, the second opens another.
_PAUSES_SECONDS = (0.1, 0.3)


class BrokerAway(Unavailable):
    """The message could not be handed to the broker."""


class Sender:
    """``send(*messages)`` returns when the broker has all of them, and has let go of the messages that they answer.

    Raises ``BrokerAway`` after a second or two; the broker may then have some.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, *messages: RecordPrediction | ReportWorker, answering: Sequence[Any] = ()) -> None:
        pauses = iter(_PAUSES_SECONDS)
        while True:
            try:
                return send_in_one_trip(self._app, messages, answering=answering)
            except BROKER_ERRORS as error:
                if (pause := next(pauses, None)) is None:
                    raise BrokerAway(f"{messages[0].NAME} could not be sent: {error}") from error
                time.sleep(pause)
