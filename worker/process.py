"""A process that serves one release (``worker.child``), as its parent sees it."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from pallor.prediction import Engine
from worker.line import (
    Admitted,
    Began,
    Check,
    Ended,
    Forgot,
    Golden,
    LineUnreadable,
    NotAdmitted,
    Retire,
    Serve,
    TriesGpu,
    Word,
    from_line,
    to_line,
)
from worker.roster import Seat, State

log = logging.getLogger(__name__)

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of numpy's own: there is a process a core


@dataclass(frozen=True)
class InHand:
    """A photo in a process's hands, ``since`` by ``time.monotonic``."""

    case_id: str
    since: float


@dataclass(eq=False)
class Process:
    """One process, and what it said last. ``in_hand``: what it decodes and infers, by photo.

    ``last_words``: why it does not serve, or no longer. ``let_go``: it was ended before it served, as nobody needs it.
    """

    seat: Seat
    slot: str
    popen: subprocess.Popen[bytes]
    engine: Engine | None = None
    on_gpu: bool = False
    max_difference: float | None = None
    in_hand: dict[str, "InHand"] = field(default_factory=dict)
    last_words: NotAdmitted | None = None
    let_go: bool = False
    _owes_since: float | None = None  # golden photos, or its end
    _unread: bytes = b""
    _killed: bool = False

    @classmethod
    def start(
        cls, key: int, slot: str, release_id: str, environ: Mapping[str, str], *, without_gpu: str | None
    ) -> Self:
        command = [sys.executable, "-m", "worker", "child", f"--slot={slot}"]
        if without_gpu is not None:
            command += [f"--without-gpu={without_gpu}"]
        command += ["--", release_id]  # whatever the shelf names, it is no option
        whole = {**_ONE_THREAD, **environ}
        popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=whole, bufsize=0)
        process = cls(Seat(key, release_id, State.LOADING), slot, popen)
        os.set_blocking(process.ear, False)
        return process

    @property
    def ear(self) -> int:
        """The file descriptor at which its words arrive."""
        assert self.popen.stdout is not None  # noqa: S101 (it was asked for)
        return self.popen.stdout.fileno()

    def serve(self, suspects: Mapping[str, int]) -> None:
        self._become(State.SERVING)
        self.tell(Serve(dict(suspects)))

    def retire(self, seconds: float = Retire().seconds) -> None:
        """Let it finish what is in hand and end; one that never served has nothing, and is ended here."""
        if self.seat.state is State.LOADING:
            self._become(State.RETIRING)
            self.let_go = True
            self.kill()
        elif self.seat.state is not State.RETIRING:
            self._become(State.RETIRING)
            self._owes_since = time.monotonic()
            self.tell(Retire(seconds))

    def check(self) -> None:
        """Ask the golden photos, unless it still is at those that it was asked last."""
        if self._owes_since is None:
            self._owes_since = time.monotonic()
            self.tell(Check())

    def tell(self, word: Word) -> None:
        assert self.popen.stdin is not None  # noqa: S101
        with suppress(OSError):  # it has ended: its line says so
            self.popen.stdin.write(to_line(word))

    def words(self) -> Iterator[Word]:
        """What it has said since; raises ``EOFError`` when it has said all. What is no word is passed over."""
        said = os.read(self.ear, 65536)
        if not said:
            raise EOFError
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            try:
                word = from_line(line)
            except LineUnreadable as error:
                log.warning("a process said what is no word", extra=self.told() | {"fault": error})
                continue
            self._heed(word)
            yield word

    def sits_over_a_photo(self, seconds: float) -> bool:
        """Whether it has had one in hand for longer than this; one that is killed already no longer sits."""
        return not self._killed and bool(self.in_hand) and time.monotonic() - self._oldest() > seconds

    def stands_still(self, seconds: float) -> bool:
        """Whether it has not answered, or not ended, for longer than this after it was asked to."""
        return not self._killed and self._owes_since is not None and time.monotonic() - self._owes_since > seconds

    def kill(self) -> None:
        """End it at once; its death is seen when its line ends, which on a busy machine is a while later."""
        self._killed = True
        self.popen.kill()

    def bury(self) -> int:
        """Wait until it is gone; its exit code."""
        code = self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()
        return code

    def told(self) -> dict[str, object]:
        """For a log."""
        return {"slot": self.slot, "release_id": self.seat.release_id, "pid": self.popen.pid}

    def _heed(self, word: Word) -> None:
        if isinstance(word, TriesGpu):
            self.on_gpu = True
        elif isinstance(word, Admitted):
            self.engine, self.on_gpu, self.max_difference = word.engine, word.gpu, word.max_difference
            if self.seat.state is State.LOADING:
                self._become(State.ADMITTED)
        elif isinstance(word, NotAdmitted):
            self.last_words = word
        elif isinstance(word, Forgot):  # it retires by itself
            self.last_words = NotAdmitted(word.code, word.text, gpu=self.on_gpu)
            self._become(State.RETIRING)
            self._owes_since = time.monotonic()
        elif isinstance(word, Golden):
            self.max_difference = word.max_difference
            if self.seat.state is not State.RETIRING:
                self._owes_since = None
        elif isinstance(word, Began):
            self.in_hand.setdefault(
                word.photo_id, InHand(word.case_id, time.monotonic())
            )  # its message may come again meanwhile
        elif isinstance(word, Ended):
            for photo_id in word.photo_ids:
                self.in_hand.pop(photo_id, None)

    def _oldest(self) -> float:
        return min(one.since for one in self.in_hand.values())

    def _become(self, state: State) -> None:
        self.seat = Seat(self.seat.key, self.seat.release_id, state)
