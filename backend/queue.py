"""Messages to the workers: sent after commit, and never waited for; the broker may be down, the sweeper sends again."""

import logging
import time
from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError

from pallor.broker import BROKER_ERRORS, send_in_one_trip
from pallor.messages import PredictCase, RecordPrediction

log = logging.getLogger(__name__)

# After a failure the next attempts are left out for this long, so that a dead broker does not slow every request.
_PAUSE_SECONDS = 2.0


class Send(Protocol):
    """True when the broker has every message; it never raises and never stalls the request."""

    def __call__(self, *messages: PredictCase) -> bool: ...


class Sender:
    """``Send`` by Celery, in one trip."""

    def __init__(self, app: Celery, queue: str = PredictCase.QUEUE) -> None:
        self._app = app
        self._queue = queue
        self._quiet_until = 0.0

    def __call__(self, *messages: PredictCase) -> bool:
        if time.monotonic() < self._quiet_until:
            return False
        try:
            send_in_one_trip(self._app, messages, self._queue)
        except BROKER_ERRORS as error:
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            about = {"case_id": messages[0].case_id, "photo_id": messages[0].photo_id, "count": len(messages)}
            log.warning("broker away, the sweeper will send again", extra=about | {"fault": str(error)})
            return False
        return True


def nothing_queued(app: Celery, *, on_trial: bool) -> bool:
    """Whether every message that was sent has been worked off; False also when the broker does not say.

    Args:
        on_trial: whether a challenger serves; what waits for one when none does is dropped, as nobody would ever work
            it off.
    """
    with app.connection_for_read() as connection:
        try:
            connection.ensure_connection(max_retries=1)
            with connection.channel() as channel, channel.client.pipeline() as look:  # all in the same moment
                if not on_trial:
                    channel.queue_purge(PredictCase.SHADOW_QUEUE)
                for queue in (PredictCase.QUEUE, PredictCase.SHADOW_QUEUE, RecordPrediction.QUEUE):
                    look.llen(queue)
                look.hlen(channel.unacked_key)  # fetched by somebody, and not worked off
                return not any(look.execute())
        except (OperationalError, OSError, *connection.connection_errors) as error:
            log.warning("broker away, so no erasure is finished", extra={"fault": str(error)})
            return False
