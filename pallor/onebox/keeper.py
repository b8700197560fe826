"""Keeps the parts of a machine running: processes that are started again when they die, and ended when not wanted.

A thread of its own compares what is wanted with what is, some times a second. Only that thread starts processes, so a
Ctrl-C, which Python hands to the main thread, never falls between a process and the note that it was started.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pallor.errors import Unavailable
from pallor.onebox.warden import Warden, signal_group

Tell = Callable[[str], None]
Process = subprocess.Popen[bytes]

_LOOK_SECONDS = 0.1
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_STEADY_SECONDS = 60.0  # a part that ran this long had started well: its next pause is the first again
_MAX_LOG_BYTES = 20 * 1024 * 1024
_LAST_LINES = 12


class PartFailed(Unavailable):
    """A part ended before it was ready; the message holds the last lines of its log."""


class PartTooSlow(Unavailable):
    """What was waited for did not come; the message holds the last lines of the log of the part to ask."""


@dataclass(frozen=True)
class Part:
    """One process of the machine: its name, its command line, where its output goes, what it alone is told."""

    name: str
    command: Sequence[str]
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


class Keeper:
    """Runs ``parts``.

    Args:
        tell: gets one sentence whenever something happened that a person should know.
        patience_seconds: how long a part may take to end; a web process takes ten to finish what it is answering.
    """

    def __init__(
        self, parts: Iterable[Part], environ: Mapping[str, str], tell: Tell, *, patience_seconds: float = 12.0
    ) -> None:
        self._kept = {part.name: _Kept(part) for part in parts}
        self._environ = dict(environ)
        self._tell = tell
        self._patience_seconds = patience_seconds
        self._steady = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def start(self, *names: str) -> None:
        """Want some parts, or all, to run; returns at once."""
        for kept in self._chosen(names):
            kept.wanted = True

    def stop(self, *names: str) -> None:
        """End some parts, or all, and wait until they are gone."""
        chosen = self._chosen(names)
        for kept in chosen:
            kept.wanted = False
        while any(kept.process for kept in chosen) and self._thread.is_alive():
            time.sleep(_LOOK_SECONDS / 2)

    def close(self) -> None:
        """Kill whatever still runs; after ``stop`` that is nothing."""
        self._closing.set()
        self._thread.join()

    def pid(self, name: str) -> int | None:
        """The process of a part, which leads a process group; None while it does not run."""
        process = self._kept[name].process
        return process.pid if process else None

    def wait_for(self, name: str, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until ``holds``.

        Raises:
            PartFailed: a part ended before ``keep`` was called.
            PartTooSlow: ``what`` did not come in time, and ``name`` is the part to ask.
        """
        until = time.monotonic() + seconds
        while not holds():
            for kept in self._kept.values():
                if kept.failures and not self._steady:
                    raise PartFailed(f"{kept.part.name} {kept.how_it_ended}; {kept.last_words()}")
            if time.monotonic() > until:
                raise PartTooSlow(f"{what} did not come in {seconds:g} s; {self._kept[name].last_words()}")
            time.sleep(_LOOK_SECONDS / 2)

    def keep(self) -> None:
        """From now on start again what ends by itself; until then such an end fails ``wait_for``."""
        self._steady = True

    def _chosen(self, names: Sequence[str]) -> "list[_Kept]":
        return [self._kept[name] for name in names or self._kept]

    def _run(self) -> None:
        warden = Warden()
        while not self._closing.wait(_LOOK_SECONDS):
            for kept in self._kept.values():
                self._look_at(kept, warden)
        for kept in self._kept.values():
            if kept.process:
                kept.kill(kept.process)
                kept.bury(kept.process, warden)
        warden.close()

    def _look_at(self, kept: "_Kept", warden: Warden) -> None:
        if kept.process is None:
            if kept.wanted and (self._steady or not kept.failures) and time.monotonic() >= kept.not_before:
                kept.start(self._environ, warden)
        elif kept.process.poll() is not None:
            kept.bury(kept.process, warden)
        elif not kept.wanted:
            kept.end(kept.process, self._patience_seconds)
        if kept.unsaid and self._steady:
            kept.unsaid = False
            again = f"it is started again in {kept.pause_seconds:g} s; its log: {kept.part.log}"
            with suppress(OSError, SystemExit):  # rich's way to say that nobody reads any more
                self._tell(f"{kept.part.name} {kept.how_it_ended}, {again}")


class _Kept:
    """A part and how it fares."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.wanted = False
        self.process: Process | None = None
        self.failures = 0
        self.how_it_ended = ""
        self.unsaid = False  # nobody was told yet how it ended
        self.not_before = 0.0
        self._started_at = 0.0
        self._log_begins = 0  # where this process's lines begin
        self._kill_at: float | None = None

    @property
    def pause_seconds(self) -> float:
        return float(min(_FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), _LONGEST_PAUSE_SECONDS))

    def start(self, environ: Mapping[str, str], warden: Warden) -> None:
        self._kill_at, self._started_at = None, time.monotonic()
        try:
            if self.part.log.exists() and self.part.log.stat().st_size > _MAX_LOG_BYTES:
                self.part.log.replace(self.part.log.with_suffix(".log.old"))
            with self.part.log.open("ab") as log:
                self._log_begins = log.tell()
                self.process = subprocess.Popen(
                    self.part.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**environ, **self.part.environ},
                    start_new_session=True,  # the terminal's Ctrl-C reaches us alone; we end the parts in their order
                )  # fmt: skip
        except OSError as error:
            self._note_failure(f"could not be started ({error})")
        else:
            warden.guard(self.process.pid)

    def last_words(self) -> str:
        """The end of the log of the process that runs, or ran last."""
        said = self.part.log.read_bytes()[self._log_begins :] if self.part.log.exists() else b""
        lines = said.decode(errors="replace").splitlines()[-_LAST_LINES:] or ["(nothing)"]
        return "\n".join([f"the end of {self.part.log}:", *(f"  {line}" for line in lines)])

    def end(self, process: Process, patience_seconds: float) -> None:
        """Ask the process to end; after a while, make it."""
        if self._kill_at is None:
            process.terminate()
            self._kill_at = time.monotonic() + patience_seconds
        elif time.monotonic() > self._kill_at:
            self.kill(process)

    def kill(self, process: Process) -> None:
        signal_group(process.pid, signal.SIGKILL)

    def bury(self, process: Process, warden: Warden) -> None:
        """Note how the process ended, and end what it left behind."""
        code = process.wait()
        self.kill(process)
        warden.release(process.pid)
        self.process = None
        if self.wanted:
            self._note_failure(f"was ended by signal {-code}" if code < 0 else f"ended with code {code}")
        else:
            self.failures, self.not_before = 0, 0.0

    def _note_failure(self, how: str) -> None:
        ran_well = time.monotonic() - self._started_at > _STEADY_SECONDS
        self.failures = 1 if ran_well else self.failures + 1
        self.how_it_ended, self.unsaid = how, True
        self.not_before = time.monotonic() + self.pause_seconds
