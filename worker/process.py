"""A process that serves one release (``worker.child``), as its parent sees it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from pallor.prediction import Engine
from worker.line import Admitted, Began, Ended, Forgot, Golden, NotAdmitted, Retire, Serve, Word, from_line, to_line
from worker.roster import Seat, State

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of numpy's own: there is a process a core


@dataclass(eq=False)
class Process:
    """One process, and what it said last. ``in_hand``: what it decodes and infers, and since when (``time.monotonic``).

    ``last_words``: why it does not serve, or no longer.
    """

    seat: Seat
    slot: str
    popen: subprocess.Popen[bytes]
    engine: Engine | None = None
    on_gpu: bool = False
    max_difference: float | None = None
    in_hand: dict[str, float] = field(default_factory=dict)
    last_words: NotAdmitted | None = None
    _unread: bytes = b""
    _killed: bool = False

    @classmethod
    def start(
        cls, key: int, slot: str, release_id: str, environ: Mapping[str, str], *, without_gpu: str | None
    ) -> Self:
        command = [sys.executable, "-m", "worker", "child", release_id, "--slot", slot]
        if without_gpu is not None:
            command += ["--without-gpu", without_gpu]
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

    def retire(self) -> None:
        if self.seat.state is not State.RETIRING:
            self._become(State.RETIRING)
            self.tell(Retire())

    def tell(self, word: Word) -> None:
        assert self.popen.stdin is not None  # noqa: S101
        with suppress(OSError):  # it has ended: its line says so
            self.popen.stdin.write(to_line(word))

    def words(self) -> Iterator[Word]:
        """What it has said since; raises ``EOFError`` when it has said all."""
        said = os.read(self.ear, 65536)
        if not said:
            raise EOFError
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            word = from_line(line)
            self._heed(word)
            yield word

    def sits_over_a_photo(self, seconds: float) -> bool:
        """Whether it has had one in hand for longer than this; one that is killed already no longer sits."""
        return not self._killed and bool(self.in_hand) and time.monotonic() - min(self.in_hand.values()) > seconds

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
        if isinstance(word, Admitted):
            self.engine, self.on_gpu, self.max_difference = word.engine, word.gpu, word.max_difference
            if self.seat.state is State.LOADING:
                self._become(State.ADMITTED)
        elif isinstance(word, NotAdmitted):
            self.last_words = word
        elif isinstance(word, Forgot):  # it retires by itself
            self.last_words = NotAdmitted(word.code, word.text, gpu=self.on_gpu)
            self._become(State.RETIRING)
        elif isinstance(word, Golden):
            self.max_difference = word.max_difference
        elif isinstance(word, Began):
            self.in_hand.setdefault(word.photo_id, time.monotonic())  # its message may come again meanwhile
        elif isinstance(word, Ended):
            for photo_id in word.photo_ids:
                self.in_hand.pop(photo_id, None)

    def _become(self, state: State) -> None:
        self.seat = Seat(self.seat.key, self.seat.release_id, state)
