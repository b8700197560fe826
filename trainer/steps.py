"""A run's steps on disk: each is done once, whatever kills the run, and only one run works in a folder at a time."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from pallor.clock import Clock, utc_text
from pallor.durable import sync_folder, sync_tree, write_whole
from pallor.errors import Refused, Unavailable, shortened

_UNFINISHED, _JOURNAL, _LOCK = ".unfinished", "journal.jsonl", ".lock"


class RunBusy(Unavailable):
    """Another process works in this folder."""


class RunDiffers(Refused):
    """The folder holds a run of something else."""


class RunBroken(Refused):
    """A file that a run has left is not there any more, or is not as the run left it."""

    @classmethod
    def of(cls, path: Path, reason: str) -> Self:
        return cls(
            reason, field="runs", value=f"{path.parent.name}/{path.name}",
            remedy="Put it back from a copy. What is unfinished may be deleted and done again; of a finished run every "
            "later one asks who was learned from, so without it begin in another folder, with another test side.",
        )  # fmt: skip


class Steps:
    """The steps of one run.

    A step's folder appears under its name when the step is done, whole; until then its work lies in a hidden folder,
    which a killed step finds again. ``journal.jsonl`` says when each was begun and done.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock

    def step(self, name: str, work: Callable[[Path], None]) -> Path:
        """The step's folder: as it was left when it is done already, else after ``work`` has filled it.

        ``work`` may find files of its own from before a kill; it must go on from them or write them anew.
        """
        done = self.folder / name
        if done.is_dir():
            return done
        unfinished = self.folder / f".{name}{_UNFINISHED}"
        unfinished.mkdir(exist_ok=True)
        self._note(name, "begun")
        work(unfinished)
        sync_tree(unfinished)
        unfinished.rename(done)
        sync_folder(self.folder)
        self._note(name, "done")
        return done

    def _note(self, step: str, word: str) -> None:
        with (self.folder / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"at": utc_text(self._clock.now()), "step": step, "is": word}) + "\n")


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold a folder for one process; the hold ends with the process, however it ends.

    Raises:
        RunBusy: somebody holds it.
    """
    private_folder(folder)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunBusy(f"another run works in {folder.name}; wait until it is done, or stop it") from error
    try:
        yield
    finally:
        lock.release()


def private_folder(folder: Path) -> None:
    """Make a folder, if it is not there, that nobody else on this machine may look into."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all, and durable when this returns."""
    write_whole(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path, kind: type = object) -> Any:
    """What ``write_json`` wrote, a value of this kind; raises ``RunBroken``."""
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, kind):
            raise ValueError(f"it holds no {kind.__name__}")
        return value
    except (OSError, ValueError, RecursionError) as error:
        raise RunBroken.of(path, f"a run's file cannot be read: {shortened(error)}") from error
