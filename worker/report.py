"""The worker tells the backend what serves and how the golden photos went: at each change, and then regularly."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pallor.clock import Clock
from pallor.errors import Unavailable
from pallor.messages import ReportWorker
from pallor.release.shelf import CURRENT
from worker.said import Said

log = logging.getLogger(__name__)

NOTHING = "none"  # release and engine of a worker that serves nothing
_SOON_SECONDS = 5.0  # after a report that could not be sent


class Speaker(Protocol):
    """Who knows what serves; ``changed`` is set when ``said`` is another than before."""

    changed: threading.Event

    @property
    def said(self) -> Sequence[Said]: ...


def report_of(said: Said, worker: str, clock: Clock) -> ReportWorker:
    """What one slot says, as a message. A challenger reports by a name of its own."""
    engine = said.engine
    return ReportWorker(
        worker=worker if said.slot == CURRENT else f"{worker}/{said.slot}",
        slot=said.slot,
        release_id=said.release_id or NOTHING,
        engine_flavour=engine.flavour if engine else NOTHING,
        precision=engine.precision if engine else None,
        fallback=engine.fallback if engine else None,
        processes=said.processes,
        max_difference=said.max_difference,
        fault=said.fault,
        reported_at=clock.now(),
    )


class Reporter:
    """Sends what ``speaker`` says whenever it changes, and every ``every_seconds``."""

    def __init__(
        self, name: str, *, speaker: Speaker, send: Callable[[ReportWorker], None], clock: Clock, every_seconds: float
    ) -> None:
        self._name = name
        self._speaker = speaker
        self._send = send
        self._clock = clock
        self._every_seconds = every_seconds

    def start(self) -> None:
        """Report from a daemon thread until the process ends."""
        threading.Thread(target=self._run, name="report", daemon=True).start()

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._speaker.changed.wait(pause)
            self._speaker.changed.clear()
            try:
                pause = self._say()
            except Exception:  # a thread that ends in silence would look like a worker that died
                log.exception("the report failed")
                time.sleep(_SOON_SECONDS)

    def _say(self) -> float:
        """Send what is said now; the pause until the next, seconds."""
        try:
            for said in self._speaker.said:
                self._send(report_of(said, self._name, self._clock))
        except Unavailable as error:
            log.warning("the report could not be sent", extra={"fault": error})
            return min(self._every_seconds, _SOON_SECONDS)
        return self._every_seconds
