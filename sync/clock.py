"""What time it is on a machine that may not know: never before the newest moment that was signed.

A node without a battery for its clock starts in 1970, where nothing has expired yet. So the newest ``issued_at`` that
it has seen is written down, with the time it has run since, and the clock is never before that. A thief of online keys
could sign a moment far ahead and stop all changes; a new root, which is signed by people, lets the floor begin anew.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tuf.ngclient import Updater

from pallor.clock import Clock

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Floor:
    """The least that the time can be. ``root``: the version of the root under which that was seen."""

    root: int = 0
    at: datetime = _BEGINNING

    def after(self, root: int, issued_at: datetime) -> "Floor":
        """The floor once metadata under a root were seen; an older root changes nothing."""
        if root > self.root:
            return Floor(root, issued_at)
        return Floor(self.root, max(self.at, issued_at)) if root == self.root else self


class FloorClock:
    """The machine's clock, but never before a floor and the time that this process has run since it was set."""

    def __init__(self, machine: Clock, floor: Floor, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._machine, self._monotonic = machine, monotonic
        self._floor, self._since = floor, monotonic()

    @property
    def floor(self) -> Floor:
        """With the time that has run; written down now and then, it outlives a reboot."""
        run = timedelta(seconds=self._monotonic() - self._since)
        return Floor(self._floor.root, self._floor.at + run)

    def now(self) -> datetime:
        return max(self._machine.now(), self.floor.at)

    def saw(self, root: int, issued_at: datetime) -> None:
        """Raise the floor by what was signed."""
        self._floor, self._since = self.floor.after(root, issued_at), self._monotonic()


def set_time(updater: Updater, moment: datetime) -> None:
    """Let python-tuf judge what has expired by this moment; it asks the machine's clock otherwise, and has no door."""
    updater._trusted_set.reference_time = moment
