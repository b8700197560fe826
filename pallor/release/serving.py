"""What a worker leaves beside the shelf about its serving, so that the agent sees a crash without asking anybody.

<root>/serving/<release_id>/<uuid>   "<boot> <cases> <open|ended>", held under a lock for as long as its process lives

A note that says ``open`` and that nobody holds any more, in the same boot, is a process that crashed.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pallor.errors import Unavailable
from pallor.ids import new_id

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_WIDTH = 64


class NotesNotKept(Unavailable):
    """Nothing can be written beside the shelf, so that a crash would not be seen."""


@dataclass(frozen=True)
class Served:
    """Of one release on this machine: cases answered, processes that serve now, processes that crashed."""

    cases: int = 0
    alive: int = 0
    crashed: int = 0


class Note:
    """A worker's own note; ``count`` after each answer."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._cases, self._boot = descriptor, 0, boot_id()
        self._write("open")

    def count(self, cases: int = 1) -> None:
        """So many more cases were answered."""
        self._cases += cases
        self._write("open")

    def end(self) -> None:
        """The process leaves by its own will."""
        self._write("ended")
        os.close(self._descriptor)

    def _write(self, state: str) -> None:
        os.pwrite(self._descriptor, f"{self._boot} {self._cases} {state}".ljust(_WIDTH).encode(), 0)


def begin_note(root: Path, release_id: str) -> Note:
    """Begin a worker's note on a release; raises ``NotesNotKept``."""
    folder = root / "serving" / release_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / new_id(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return Note(descriptor)
    except OSError as error:
        raise NotesNotKept(f"{folder}: {error.strerror or error}") from error


@contextmanager
def noted(root: Path, release_id: str) -> Iterator[Note]:
    """A note that ends with the block; whoever dies inside leaves it open."""
    note = begin_note(root, release_id)
    yield note
    note.end()


def served(root: Path, release_id: str) -> Served:
    """What all notes on a release say together."""
    cases = alive = crashed = 0
    with suppress(FileNotFoundError):
        for path in (root / "serving" / release_id).iterdir():
            boot, count, state, held = _read(path)
            cases += count
            alive += held
            # A process of an earlier boot died with the machine, perhaps of a power cut: not of the release.
            crashed += state == "open" and not held and boot == boot_id()
    return Served(cases, alive, crashed)


def forget(root: Path, release_id: str) -> None:
    """Begin anew: what was noted of an earlier try is not held against the next one."""
    shutil.rmtree(root / "serving" / release_id, ignore_errors=True)


def boot_id() -> str:
    """Another after each start of the machine; empty where the system does not tell."""
    try:
        return _BOOT.read_text().strip() or "-"
    except OSError:
        return "-"


def _read(path: Path) -> tuple[str, int, str, bool]:
    """Boot, cases, state, and whether its process lives."""
    try:
        with path.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                held = False
            except BlockingIOError:
                held = True
            boot, count, state = file.read(_WIDTH).split()
            return boot, int(count), state, held
    except (OSError, ValueError):  # just begun, or gone
        return "", 0, "", False
