"""The year's own time, in a file of eight bytes: who drives the year turns it, the server looks at it."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class TurnedClock:
    """Stands still until it is turned; each look of a process is a microsecond later, so that arrivals have an order.

    Args:
        path: made by whoever turns it first.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)
        self._seen = self._looks = 0

    def now(self) -> datetime:
        (turned_to,) = struct.unpack("<q", self._shared[:8])
        self._looks = self._looks + 1 if turned_to == self._seen else 1
        self._seen = turned_to
        return _EPOCH + timedelta(microseconds=turned_to + self._looks)

    def turn_to(self, moment: datetime) -> None:
        self._shared[:8] = struct.pack("<q", (moment - _EPOCH) // _MICROSECOND)
