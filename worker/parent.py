"""The parent of a machine's workers: follows the shelf, and keeps processes that serve what it names.

It loads no engine and takes no photo. Each release is served by fresh processes (``worker.child``), so what a failed
load or an old release leaks goes with them; a new release that is refused leaves the old one serving.
"""

import logging
import os
import selectors
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from itertools import count

from pallor.release.shelf import CHALLENGER, CURRENT, Shelf
from worker.line import Ended, Suspect
from worker.metrics import Metrics
from worker.process import Process
from worker.roster import State
from worker.said import Said
from worker.settings import Settings
from worker.slot import Slot

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_PAUSE_SECONDS = 0.05  # what processes say of many photos is heard at once; waking for each cost more than hearing it
_PATIENCE_SECONDS = 8.0  # for what is in hand when told to end: less than whoever tells it will wait
_GOODBYE_SECONDS = 2.0  # so much earlier a process leaves by itself: one that is killed looks as if it had crashed
_STILL_SECONDS = 60.0  # without a word on the golden photos, or without an end
_MOST_PROCESSES = 4  # unless the settings say more: each takes some 150 MB


class Parent:
    """Keeps the processes; ``run`` returns when it was told to end and all have ended.

    ``said`` may be read from any thread; ``changed`` is set when it is another than before.

    Args:
        environ: for the processes.
    """

    def __init__(self, settings: Settings, metrics: Metrics, environ: Mapping[str, str]) -> None:
        self.changed = threading.Event()
        self.said: tuple[Said, ...] = ()
        self._settings, self._metrics, self._environ = settings, metrics, dict(environ)
        shelf, chosen = Shelf(settings.shelf), settings.worker_processes
        slot = partial(
            Slot, begin=self._begin, one_on_gpu=chosen is None, try_again_seconds=settings.report_seconds
        )  # fmt: skip
        self._slots = {
            CURRENT: slot(CURRENT, chosen or processes_for(os.cpu_count() or 1), wanted=shelf.current_id),
            CHALLENGER: slot(CHALLENGER, 1, wanted=partial(shelf.named, CHALLENGER)),
        }
        self._keys = count(1)
        self._suspects: Counter[str] = Counter()  # photos with which in hand a process died, and how often
        self._ears = selectors.DefaultSelector()
        self._ending = False
        self._check_at = time.monotonic() + settings.report_seconds

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        while not self._ending:
            for slot in self._slots.values():
                slot.follow(self._suspects)
            self._hear(_LOOK_SECONDS)
            self._look_after()
            self._tell_others()
            time.sleep(_PAUSE_SECONDS)
        return self._end_all()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _begin(self, slot: str, release_id: str, without_gpu: str | None) -> Process:
        process = Process.start(next(self._keys), slot, release_id, self._environ, without_gpu=without_gpu)
        self._ears.register(process.ear, selectors.EVENT_READ, process)
        return process

    def _hear(self, seconds: float) -> None:
        for key, _ in self._ears.select(seconds):
            process: Process = key.data
            try:
                for word in process.words():
                    self._slots[process.slot].heed(word)
                    if isinstance(word, Ended):
                        self._metrics.count(process.slot, process.seat.release_id, word)
                        for photo_id in word.photo_ids:
                            self._suspects.pop(photo_id, None)
            except EOFError:
                self._ears.unregister(key.fd)
                self._bury(process)

    def _bury(self, process: Process) -> None:
        """What a process died of may have been one of its photos: they come to others, who are told."""
        code = process.bury()
        self._slots[process.slot].lost(process, code)
        if process.in_hand and code != 0:
            self._suspects.update(list(process.in_hand))
            for photo_id, one in process.in_hand.items():
                about = {"case_id": one.case_id, "photo_id": photo_id, "attempt": self._suspects[photo_id]}
                log.warning("a process died with this photo in its hands", extra=process.told() | about)
            for other in self._processes():
                other.tell(Suspect({photo_id: self._suspects[photo_id] for photo_id in process.in_hand}))

    def _look_after(self) -> None:
        """Ask the golden photos now and then; end a process that has sat over a photo for too long, or says nothing."""
        check = time.monotonic() >= self._check_at
        if check:
            self._check_at = time.monotonic() + self._settings.report_seconds
        for process in self._processes():
            if check and process.seat.state is State.SERVING:
                process.check()
            if process.sits_over_a_photo(self._settings.photo_seconds):
                log.error("a process has sat over a photo for too long and is killed", extra=process.told())
                process.kill()
            elif process.stands_still(max(_STILL_SECONDS, self._settings.photo_seconds)):
                log.error("a process stands still and is killed", extra=process.told())
                process.kill()

    def _tell_others(self) -> None:
        every = [slot.say() for slot in self._slots.values()]
        said = tuple(one for one in every if one.slot == CURRENT or one.release_id or one.fault)
        if said != self.said:
            self.said = said
            self._metrics.gauge(said)
            self.changed.set()

    def _end_all(self) -> int:
        for slot in self._slots.values():
            slot.retire(_PATIENCE_SECONDS - _GOODBYE_SECONDS)
        until = time.monotonic() + _PATIENCE_SECONDS
        while self._processes() and time.monotonic() < until:
            self._hear(_LOOK_SECONDS)
        for process in self._processes():
            process.kill()
            process.bury()
        return 0

    def _processes(self) -> list[Process]:
        return [process for slot in self._slots.values() for process in slot.processes.values()]


def processes_for(cores: int) -> int:
    """A process a core: each infers with one thread, and they share nothing but the queue."""
    return max(1, min(cores, _MOST_PROCESSES))
