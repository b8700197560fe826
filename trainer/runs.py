"""The folders of ``--runs``, one for each round: which goes on, which is finished, which was given up and why."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pallor.clock import Clock, utc_text
from pallor.errors import PallorError
from pallor.snapshot import SnapshotMissing
from trainer.steps import private_folder, read_json, write_json

_NAME = re.compile(r"run-([0-9]{4,})")  # whatever else lies there is somebody's own
SNAPSHOT, CASES = Path("1-snapshot") / "snapshot.json", Path("1-snapshot") / "cases.json"  # in a run's folder
SIDES = Path("3-fine-tune") / "sides.json"
_FINISHED, _GIVEN_UP = "finished.json", "given-up.json"
# What shows people; scores, weights and digests stay (README).
_PICTURES = ("2-groups/contact_sheet.png", "2-groups/features", "9-mistakes/mistakes.html")


@dataclass(frozen=True)
class Run:
    """One round's folder. ``number``: 1 for the first."""

    folder: Path
    number: int

    @classmethod
    def after(cls, runs: "list[Run]", folder: Path) -> Self:
        """A new one; an earlier one that was taken away does not give its number to another."""
        number = max((run.number for run in runs), default=0) + 1
        run = cls(folder / f"run-{number:04}", number)
        private_folder(run.folder)
        return run

    @property
    def is_finished(self) -> bool:
        return (self.folder / _FINISHED).is_file()

    @property
    def is_given_up(self) -> bool:
        return (self.folder / _GIVEN_UP).is_file()

    @property
    def tried_its_cases(self) -> bool:
        """Whether more of the same cases would come to the same end."""
        if not self.is_given_up:
            return self.is_finished
        erased = read_json(self.folder / _GIVEN_UP, dict).get("reason") == SnapshotMissing.code()
        return not erased and (self.folder / CASES).is_file()

    def finish(self, release_id: str) -> None:
        write_json(self.folder / _FINISHED, {"release_id": release_id})

    def give_up(self, error: PallorError, clock: Clock) -> None:
        """Never go on with this run; ``given-up.json`` says why."""
        said = {"reason": error.code(), "said": str(error), "at": utc_text(clock.now())}
        write_json(self.folder / _GIVEN_UP, said)

    def forget_pictures(self) -> bool:
        """Delete what shows people, for good; whether there was any."""
        unfinished = [path for path in self.folder.glob(".*.unfinished") if self.is_finished or self.is_given_up]
        there = [path for path in (*unfinished, *(self.folder / name for name in _PICTURES)) if path.exists()]
        for path in there:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return bool(there)


def runs_in(folder: Path) -> list[Run]:
    """All runs, the first one first."""
    found = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir() if path.is_dir())
    return sorted((Run(path, int(match[1])) for path, match in found if match), key=lambda run: run.number)
