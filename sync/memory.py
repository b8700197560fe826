"""The journal and the clock in one hand: what changes is written down before it is done."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from pallor.clock import Clock
from pallor.errors import PallorError
from sync.clock import FloorClock
from sync.journal import Journal, read_journal, write_journal

log = logging.getLogger(__name__)


class Memory:
    """What an agent remembers, in its folder. ``load`` before anything else, each time the folder was let go of."""

    def __init__(self, folder: Path, machine: Clock) -> None:
        self._folder, self._machine = folder, machine
        self.journal = Journal()
        self.clock = FloorClock(machine, self.journal.floor)
        self._clock_set = False

    def load(self) -> None:
        """Read the journal; the clock's floor once, for it counts on by itself."""
        self.journal = read_journal(self._folder)
        if not self._clock_set:
            self.clock, self._clock_set = FloorClock(self._machine, self.journal.floor), True

    def change(self, **changes: Any) -> None:
        """Remember from now on; nothing is written when nothing is new."""
        if any(getattr(self.journal, name) != value for name, value in changes.items()):
            self.journal = replace(self.journal, **changes)
            self.save()

    def note(self, error: PallorError) -> None:
        """Keep an error among the last ones."""
        log.warning("not done", extra={"code": error.code(), "fault": str(error)})
        self.journal = self.journal.with_error(error, self.clock.now())

    def save(self) -> None:
        """Write the journal, with how far the clock has come."""
        self.journal = replace(self.journal, floor=self.clock.floor)
        write_journal(self._folder, self.journal)
