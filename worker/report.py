"""The worker tells the backend how the golden photos went: at the start, after each change, and then regularly."""

import logging
import threading
import time
from collections.abc import Callable

from pallor.clock import Clock
from pallor.errors import Unavailable
from pallor.messages import ReportWorker
from worker.resident import Resident

log = logging.getLogger(__name__)

NOTHING = "none"  # release and engine of a worker that serves nothing
_LOOK_SECONDS = 1.0
_SOON_SECONDS = 5.0  # after a report that could not be sent


class Reporter:
    """Asks the golden photos every ``every_seconds``, sends what they said, and follows the shelf in between."""

    def __init__(
        self, name: str, *, resident: Resident, send: Callable[[ReportWorker], None], clock: Clock, every_seconds: float
    ) -> None:
        self._name = name
        self._resident = resident
        self._send = send
        self._clock = clock
        self._every_seconds = every_seconds

    def start(self) -> None:
        """Report from a daemon thread until the process ends."""
        threading.Thread(target=self._run, name="report", daemon=True).start()

    def report(self) -> ReportWorker:
        """Ask the golden photos now and say how it went."""
        serving, fault = self._resident.check()
        return ReportWorker(
            worker=self._name,
            release_id=serving.release.release_id if serving else NOTHING,
            engine_flavour=serving.engine.describe().flavour if serving else NOTHING,
            max_difference=serving.max_difference if serving else None,
            fault=f"{fault.code()}: {fault}" if fault else None,
            reported_at=self._clock.now(),
        )

    def _run(self) -> None:
        while True:
            try:
                self._wait(self._say())
            except Exception:  # a thread that ends in silence would look like a worker that died
                log.exception("the report failed")
                time.sleep(_LOOK_SECONDS)

    def _say(self) -> float:
        """Send a report; the pause until the next, seconds."""
        try:
            self._send(self.report())
        except Unavailable as error:
            log.warning("the report could not be sent", extra={"fault": error})
            return min(self._every_seconds, _SOON_SECONDS)
        return self._every_seconds

    def _wait(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        while time.monotonic() < due and not self._resident.changed.wait(min(seconds, _LOOK_SECONDS)):
            self._resident.look()
