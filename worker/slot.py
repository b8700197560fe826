"""One of the shelf's names, ``current`` or ``challenger``: the processes that serve its release, and what is wrong."""

import logging
import signal
import time
from collections.abc import Callable, Mapping

from pallor.errors import PallorError
from pallor.prediction import Engine
from pallor.release.shelf import CURRENT, ShelfCleared
from worker import roster
from worker.line import Admitted, Retire, Word
from worker.process import Process
from worker.roster import State
from worker.said import Said

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0

# A library has run into the ground. On a GPU it is asked no further: its photos are tried once more, and on a GPU that
# crashes each would be taken for deadly.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)

Begin = Callable[[str, str, str | None], Process]  # slot, release, why without a GPU -> a process, started


class Slot:
    """Keeps ``size`` processes that serve what ``wanted`` names.

    Args:
        wanted: the release that the shelf names now, None for none; raises ``PallorError`` when none is a fault.
        begin: starts a process.
        one_on_gpu: a GPU is fed by one process; more would only share its memory.
        try_again_seconds: pause before a release that was refused is tried again.
    """

    def __init__(
        self, name: str, size: int, *, wanted: Callable[[], str | None], begin: Begin, one_on_gpu: bool,
        try_again_seconds: float,
    ) -> None:  # fmt: skip
        self.name = name
        self.processes: dict[int, Process] = {}
        self._size = self._size_on_cpu = size
        self._wanted, self._begin = wanted, begin
        self._one_on_gpu, self._try_again_seconds = one_on_gpu, try_again_seconds
        self._fault: str | None = None
        self._without_gpu: dict[str, str] = {}  # release -> why
        self._barred: tuple[str, float] | None = None  # a release, and until when it is not started again
        self._deaths = 0  # in a row
        self._cleared = False  # nothing may serve any more

    def follow(self, suspects: Mapping[str, int]) -> None:
        """Do what is next; ``suspects`` are for processes that begin to serve."""
        wanted = self._look()
        if wanted is None and self.name != CURRENT:  # the trial is over
            self.retire()
            self._fault = None
            return
        if self._cleared:
            self.retire()
            return
        barred = self._barred is not None and self._barred[0] == wanted and time.monotonic() < self._barred[1]
        seats = [process.seat for process in self.processes.values()]
        for step in roster.next_steps(wanted, self._size, seats, barred=barred):
            if isinstance(step, roster.Start):
                self._start(step.release_id)
            elif isinstance(step, roster.Serve):
                process = self.processes[step.key]
                process.serve(suspects)
                self._barred, self._deaths = None, 0
                log.info("a process serves", extra=process.told() | _told(process.engine))
            else:
                self.processes[step.key].retire()

    def _start(self, release_id: str) -> None:
        try:
            process = self._begin(self.name, release_id, self._without_gpu.get(release_id))
        except OSError as error:  # no memory, or too many processes: what serves goes on
            self._bar(release_id, self._try_again_seconds, f"process-not-started: {error.strerror}")
            log.exception("a process cannot be started", extra={"slot": self.name, "release_id": release_id})
            return
        self.processes[process.seat.key] = process
        log.info("a process is started", extra=process.told())

    def retire(self, seconds: float = Retire().seconds) -> None:
        """Let every process finish what is in hand and end."""
        for process in self.processes.values():
            process.retire(seconds)

    def heed(self, word: Word) -> None:
        """A process has said something."""
        if isinstance(word, Admitted) and self._one_on_gpu:
            self._size = 1 if word.gpu else self._size_on_cpu

    def lost(self, process: Process, code: int) -> None:
        """A process has ended."""
        del self.processes[process.seat.key]
        release_id, words = process.seat.release_id, process.last_words
        if words is not None and words.gpu:
            self._leave_the_gpu(process, f"{words.code}: {words.text}")
        elif words is not None:
            self._bar(release_id, self._try_again_seconds, f"{words.code}: {words.text}")
            log.error("a release may not serve", extra=process.told() | {"fault": self._fault})
        elif process.seat.state is State.RETIRING and (code == 0 or process.let_go):
            log.info("a process has ended", extra=process.told())
        elif process.on_gpu and (process.engine is None or -code in _CRASHES):
            self._leave_the_gpu(process, f"process-died: it ended with {code} on the GPU")
        else:
            pause = min(_FIRST_PAUSE_SECONDS * 2**self._deaths, _LONGEST_PAUSE_SECONDS)
            self._deaths += 1
            self._bar(release_id, pause, f"process-died: a process that served {release_id} ended with {code}")
            log.error("a process died; another is started", extra=process.told() | {"code": code, "seconds": pause})

    def say(self) -> Said:
        """What serves, and what is wrong."""
        serving = [process for process in self.processes.values() if process.seat.state is State.SERVING]
        if not serving:
            return Said(self.name, fault=self._fault)
        differences = [process.max_difference for process in serving if process.max_difference is not None]
        newest = serving[-1]
        return Said(
            self.name, newest.seat.release_id, newest.engine, len(serving), max(differences, default=None), self._fault
        )

    def _look(self) -> str | None:
        self._cleared = False
        try:
            wanted = self._wanted()
        except PallorError as error:
            self._cleared = isinstance(error, ShelfCleared)
            self._fault = f"{error.code()}: {error}"
            return None
        serving = [one.seat.release_id for one in self.processes.values() if one.seat.state is State.SERVING]
        if self._barred is None and serving == [wanted] * self._size:
            self._fault = None
        elif self._barred is not None and self._barred[0] != wanted:
            self._barred = None  # what is wanted now is another
        return wanted

    def _leave_the_gpu(self, process: Process, reason: str) -> None:
        self._without_gpu[process.seat.release_id] = reason
        log.error("the GPU cannot serve this release; the CPU does", extra=process.told() | {"fault": reason})

    def _bar(self, release_id: str, seconds: float, fault: str) -> None:
        self._barred = release_id, time.monotonic() + seconds
        self._fault = fault


def _told(engine: Engine | None) -> dict[str, object]:
    if engine is None:
        return {}
    return {"engine": f"{engine.flavour} {engine.version}, {engine.precision}", "fallback": engine.fallback}
