"""Messages to the backend, by name."""

import time
from collections.abc import Sequence

from celery import Celery

from pallor.broker import BROKER_ERRORS, in_one_trip
from pallor.errors import Unavailable
from pallor.messages import RecordPrediction, ReportWorker

# An idle connection may be a stale one: its first use fails, the second opens another.
_PAUSES_SECONDS = (0.1, 0.3)

_UNSAID = "-"  # else Celery spells the payload's numbers out for logs that would not keep them


class BrokerAway(Unavailable):
    """The message could not be handed to the broker."""


class Sender:
    """``send(*messages)`` returns when the broker has all of them.

    Raises ``BrokerAway`` after a second or two; the broker may then have some.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, *messages: RecordPrediction | ReportWorker) -> None:
        pauses = iter(_PAUSES_SECONDS)
        while True:
            try:
                return self._send(messages)
            except BROKER_ERRORS as error:
                if (pause := next(pauses, None)) is None:
                    raise BrokerAway(f"{messages[0].NAME} could not be sent: {error}") from error
                time.sleep(pause)

    def _send(self, messages: Sequence[RecordPrediction | ReportWorker]) -> None:
        with in_one_trip(self._app) as producer:
            for message in messages:
                self._app.send_task(
                    message.NAME, kwargs={"payload": message.to_payload()}, queue=message.QUEUE, retry=False,
                    kwargsrepr=_UNSAID, producer=producer,
                )  # fmt: skip
