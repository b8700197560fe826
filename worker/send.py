"""Messages to the backend, by name."""

from celery import Celery
from kombu.exceptions import OperationalError

from pallor.errors import Unavailable
from pallor.messages import RecordPrediction, ReportWorker

# An idle connection may be a stale one: its first use fails, the second opens another.
_RETRY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}

_UNSAID = "-"  # else Celery spells the payload's numbers out for logs that would not keep them


class BrokerAway(Unavailable):
    """The message could not be handed to the broker."""


class Sender:
    """``send(message)`` returns when the broker has the message; raises ``BrokerAway`` after a second or two."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, message: RecordPrediction | ReportWorker) -> None:
        payload = {"payload": message.to_payload()}
        try:
            self._app.send_task(
                message.NAME, kwargs=payload, queue=message.QUEUE, retry=True, retry_policy=_RETRY, kwargsrepr=_UNSAID
            )
        except (OperationalError, OSError) as error:
            raise BrokerAway(f"{message.NAME} could not be sent: {error}") from error
