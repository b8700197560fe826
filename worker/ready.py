"""Photos that are ready for the engine, and how many of them it is given at once."""

import queue
from collections.abc import Callable
from typing import Generic, TypeVar

Photo = TypeVar("Photo")

_IN_A_ROW = 8  # takes for which nobody waited: at half load that hardly ever comes about by chance
_MORE_IN_HAND = 4  # with the two that a process holds: four that are taken together, and two behind them


class Ready(Generic[Photo]):
    """A queue with one taker.

    Args:
        most: taken at once, at the most.
        together: always take all that are there. Otherwise one at a time, so that none waits for those behind it, until
            there is a backlog: then every photo has waited for long, and a process that takes and sends several at once
            gets through more of them.
        room: is told how many more photos are to be in hand, less than 0 for fewer: under a backlog those that are
            taken together must be there.
    """

    def __init__(self, most: int, *, together: bool, room: Callable[[int], None]) -> None:
        self._most, self._together, self._room = most, together, room
        self._queue: queue.SimpleQueue[Photo] = queue.SimpleQueue()
        self._in_a_row = 0

    def put(self, photo: Photo) -> None:
        self._queue.put(photo)

    def __len__(self) -> int:
        return self._queue.qsize()

    def take(self) -> list[Photo]:
        """What is next; waits for the first."""
        taken = [self._first()]
        while len(taken) < (self._most if self._together or self._backlog else 1):
            try:
                taken.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return taken

    @property
    def _backlog(self) -> bool:
        return self._in_a_row >= _IN_A_ROW

    def _first(self) -> Photo:
        try:
            first = self._queue.get_nowait()
        except queue.Empty:
            self._count(0)
            return self._queue.get()
        self._count(self._in_a_row + 1)
        return first

    def _count(self, in_a_row: int) -> None:
        before, self._in_a_row = self._backlog, in_a_row
        if self._backlog != before and not self._together:
            self._room(_MORE_IN_HAND if self._backlog else -_MORE_IN_HAND)
