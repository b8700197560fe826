"""The parent of a machine's workers: follows the shelf, and keeps processes that serve what it names.

It loads no engine and takes no photo. Each release is served by fresh processes (``worker.child``), so what a failed
load or an old release leaks goes with them; a new release that is refused leaves the old one serving.
"""

import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from pallor.errors import PallorError
from pallor.prediction import Engine
from pallor.release.shelf import CHALLENGER, CURRENT, Shelf, ShelfEmpty
from worker import roster
from worker.line import (
    Admitted,
    Check,
    Ended,
    Forgot,
    Golden,
    NotAdmitted,
    Retire,
    Serve,
    Suspect,
    Took,
    Word,
    from_line,
    to_line,
)
from worker.metrics import Metrics
from worker.roster import Seat, State
from worker.said import Said
from worker.settings import Settings

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_PATIENCE_SECONDS = 8.0  # for what is in hand when the parent is told to end: less than who told it will wait


@dataclass(eq=False)
class Child:
    """A process and what it said last."""

    key: int
    slot: str
    release_id: str
    process: subprocess.Popen[bytes]
    state: State = State.LOADING
    engine: Engine | None = None
    max_difference: float | None = None
    in_hand: dict[str, float] = field(default_factory=dict)  # photo -> since when
    last_words: NotAdmitted | None = None
    unread: bytes = b""

    @property
    def seat(self) -> Seat:
        return Seat(self.key, self.release_id, self.state)


@dataclass(eq=False)
class Slot:
    """One of the shelf's names, and how its release fares here."""

    name: str
    size: int
    children: dict[int, Child] = field(default_factory=dict)
    fault: str | None = None
    without_gpu: dict[str, str] = field(default_factory=dict)  # release -> why
    barred: str | None = None  # the release that is not started again before `barred_until`
    barred_until: float = 0.0
    failures: int = 0


class Parent:
    """Keeps the processes; ``run`` returns when told to end and all have ended.

    ``said`` may be read from any thread; ``changed`` is set when it says something else than before.
    """

    def __init__(self, settings: Settings, metrics: Metrics, environ: Mapping[str, str]) -> None:
        self.changed = threading.Event()
        self.said: tuple[Said, ...] = ()
        self._settings = settings
        self._metrics = metrics
        self._environ = dict(environ)
        self._shelf = Shelf(settings.shelf)
        self._slots = [
            Slot(CURRENT, settings.worker_processes or processes_for(os.cpu_count() or 1)),
            Slot(CHALLENGER, 1),
        ]
        self._keys = count(1)
        self._suspects: Counter[str] = Counter()
        self._ears = selectors.DefaultSelector()
        self._ending = False
        self._check_at = time.monotonic() + settings.report_seconds

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        while not self._ending:
            for slot in self._slots:
                self._follow(slot)
            self._hear(_LOOK_SECONDS)
            self._look_after()
        return self._end_all()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _follow(self, slot: Slot) -> None:
        wanted, fault = self._wanted(slot)
        if slot.name == CHALLENGER and wanted is None:
            for child in slot.children.values():
                self._retire(child)
        barred = slot.barred == wanted and time.monotonic() < slot.barred_until
        seats = [child.seat for child in slot.children.values()]
        for step in roster.next_steps(wanted, slot.size, seats, barred=barred):
            if isinstance(step, roster.Start):
                self._start(slot, step.release_id)
            elif isinstance(step, roster.Serve):
                child = slot.children[step.key]
                child.state = State.SERVING
                self._tell(child, Serve(dict(self._suspects)))
                slot.fault, slot.barred, slot.failures = None, None, 0
                log.info("a process serves", extra=_of(child))
            else:
                self._retire(slot.children[step.key])
        if fault:
            slot.fault = fault
        elif slot.barred != wanted and _serves(slot, wanted):
            slot.fault = None
        self._note()

    def _wanted(self, slot: Slot) -> tuple[str | None, str | None]:
        if slot.name == CHALLENGER:
            return self._shelf.challenger_id(), None
        try:
            return self._shelf.current_id(), None
        except ShelfEmpty as error:
            return None, _told(error)

    def _start(self, slot: Slot, release_id: str) -> None:
        command = [sys.executable, "-m", "worker", "child", release_id, "--slot", slot.name]
        if reason := slot.without_gpu.get(release_id):
            command += ["--without-gpu", reason]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environ, bufsize=0)
        child = Child(next(self._keys), slot.name, release_id, process)
        slot.children[child.key] = child
        assert process.stdout is not None  # noqa: S101 (it is a pipe, as asked)
        os.set_blocking(process.stdout.fileno(), False)
        self._ears.register(process.stdout, selectors.EVENT_READ, child)
        log.info("a process is started", extra=_of(child))

    def _tell(self, child: Child, word: Word) -> None:
        assert child.process.stdin is not None  # noqa: S101
        with suppress(OSError):  # it has ended: its own line says so
            child.process.stdin.write(to_line(word))

    def _retire(self, child: Child) -> None:
        if child.state is not State.RETIRING:
            child.state = State.RETIRING
            self._tell(child, Retire())

    def _hear(self, seconds: float) -> None:
        for key, _ in self._ears.select(seconds):
            child: Child = key.data
            said = os.read(key.fd, 65536)
            if not said:
                self._ears.unregister(key.fileobj)
                self._bury(child)
                continue
            *lines, child.unread = (child.unread + said).split(b"\n")
            for line in lines:
                self._heed(child, from_line(line))

    def _heed(self, child: Child, word: Word) -> None:
        slot = self._slot(child)
        if isinstance(word, Admitted):
            child.engine, child.max_difference = word.engine, word.max_difference
            if child.state is State.LOADING:
                child.state = State.ADMITTED
            if word.engine.flavour.startswith("tensorrt") and self._settings.worker_processes is None:
                slot.size = 1  # one process feeds a GPU; more would only share its memory
        elif isinstance(word, NotAdmitted):
            child.last_words = word
        elif isinstance(word, Took):
            child.in_hand[word.photo_id] = time.monotonic()
        elif isinstance(word, Ended):
            for photo_id in word.photo_ids:
                child.in_hand.pop(photo_id, None)
                self._suspects.pop(photo_id, None)
            self._metrics.count(child.slot, child.release_id, word)
        elif isinstance(word, Golden):
            child.max_difference = word.max_difference
        elif isinstance(word, Forgot):
            child.last_words = NotAdmitted(word.code, word.text, gpu=_on_gpu(child))
            child.state = State.RETIRING

    def _look_after(self) -> None:
        """Ask the golden photos now and then; end a process that has sat over a photo for too long."""
        now = time.monotonic()
        check = now >= self._check_at
        if check:
            self._check_at = now + self._settings.report_seconds
        for child in self._children():
            if check and child.state is State.SERVING:
                self._tell(child, Check())
            if child.in_hand and now - min(child.in_hand.values()) > self._settings.photo_seconds:
                log.error("a process has sat over a photo for too long and is killed", extra=_of(child))
                child.process.kill()
        self._metrics.gauge(self.said)

    def _bury(self, child: Child) -> None:
        """A process has ended: what it had in hand comes again, and what it died of is noted."""
        slot = self._slot(child)
        code = child.process.wait()
        del slot.children[child.key]
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe:
                pipe.close()
        if child.in_hand and code != 0:
            self._suspects.update(child.in_hand)
            for other in self._children():
                self._tell(other, Suspect({photo_id: self._suspects[photo_id] for photo_id in child.in_hand}))
        if child.last_words is not None:
            self._note_refusal(slot, child, child.last_words)
        elif child.state is not State.RETIRING:
            slot.failures += 1
            pause = min(_FIRST_PAUSE_SECONDS * 2 ** (slot.failures - 1), _LONGEST_PAUSE_SECONDS)
            slot.barred, slot.barred_until = child.release_id, time.monotonic() + pause
            slot.fault = f"process-died: a process that served {child.release_id} ended with {code}"
            log.error("a process died; it is started again", extra=_of(child) | {"code": code, "seconds": pause})
        else:
            log.info("a process has ended", extra=_of(child) | {"code": code})

    def _note_refusal(self, slot: Slot, child: Child, words: NotAdmitted) -> None:
        told = f"{words.code}: {words.text}"
        if words.gpu:
            slot.without_gpu[child.release_id] = told
            log.error("the GPU cannot serve this release; the CPU does", extra=_of(child) | {"fault": told})
            return
        slot.fault = told
        slot.barred, slot.barred_until = child.release_id, time.monotonic() + self._settings.report_seconds
        log.error("a release is not admitted", extra=_of(child) | {"fault": told})

    def _note(self) -> None:
        said = tuple(_say(slot) for slot in self._slots if slot.name == CURRENT or slot.children or slot.fault)
        if said != self.said:
            self.said = said
            self.changed.set()

    def _end_all(self) -> int:
        until = time.monotonic() + _PATIENCE_SECONDS
        for child in self._children():
            self._retire(child)
        while list(self._children()) and time.monotonic() < until:
            self._hear(_LOOK_SECONDS)
        for child in list(self._children()):
            child.process.kill()
            child.process.wait()
        return 0

    def _children(self) -> list[Child]:
        return [child for slot in self._slots for child in slot.children.values()]

    def _slot(self, child: Child) -> Slot:
        return next(slot for slot in self._slots if slot.name == child.slot)


def processes_for(cores: int) -> int:
    """A process a core: each infers with one thread, and they share nothing but the queue."""
    return max(1, min(cores, 4))


def _serves(slot: Slot, release_id: str | None) -> bool:
    serving = [child.release_id for child in slot.children.values() if child.state is State.SERVING]
    return serving == [release_id] * slot.size


def _say(slot: Slot) -> Said:
    serving = [child for child in slot.children.values() if child.state is State.SERVING]
    if not serving:
        return Said(slot.name, fault=slot.fault)
    newest = serving[-1]
    differences = [child.max_difference for child in serving if child.max_difference is not None]
    return Said(slot.name, newest.release_id, newest.engine, len(serving), max(differences, default=None), slot.fault)


def _on_gpu(child: Child) -> bool:
    return child.engine is not None and child.engine.flavour.startswith("tensorrt")


def _of(child: Child) -> dict[str, object]:
    return {"slot": child.slot, "release_id": child.release_id, "pid": child.process.pid}


def _told(error: PallorError) -> str:
    return f"{error.code()}: {error}"
