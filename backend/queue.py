"""Messages to the workers: sent after commit, and never waited for; the broker may be down, the sweeper sends again."""

import logging
import time
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError

from pallor.messages import PredictCase

log = logging.getLogger(__name__)

# After a failure the next attempts are left out for this long, so that a dead broker does not slow every request.
_PAUSE_SECONDS = 2.0

Send = Callable[[PredictCase], bool]


class Sender:
    """``send(message)`` is True when the broker has the message; it never raises and never stalls the request."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._quiet_until = 0.0

    def __call__(self, message: PredictCase) -> bool:
        if time.monotonic() < self._quiet_until:
            return False
        try:
            self._app.send_task(
                PredictCase.NAME, kwargs={"payload": message.to_payload()}, queue=PredictCase.QUEUE, retry=False
            )
        except (OperationalError, OSError) as error:
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            log.warning("broker away, the sweeper will send again", extra={"fault": str(error)})
            return False
        return True
