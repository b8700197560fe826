"""Bars with the time left, on standard error, so that standard output ends with the figures.

Where nobody watches a terminal (cron, a container), lines instead: one when work begins, and one now and then.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Opens a bar of so many steps under a name; what it yields is told how many steps were done since the last call.
Bars = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_SECONDS_BETWEEN_LINES = 60.0


def bars_on(console: Console, *, seconds: Callable[[], float] = time.monotonic) -> Bars:
    """Bars that people can see, or lines for a log. ``seconds``: a clock that never goes back."""

    @contextmanager
    def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
        if not console.is_terminal:
            yield _Lines(console, what, total, seconds).step
            return
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        counted = (BarColumn(), MofNCompleteColumn()) if total else ()
        with Progress(TextColumn("{task.description}"), *counted, *times, console=console) as p:
            task = p.add_task(what, total=total or None)
            yield lambda steps: p.advance(task, steps)

    return bar


def no_bars(_what: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    """For callers who do not watch."""
    return nullcontext(lambda _steps: None)


class _Lines:
    """A line at the beginning, then at most one a minute, with the time that is left if it goes on so."""

    def __init__(self, console: Console, what: str, total: int, seconds: Callable[[], float]) -> None:
        self._console, self._what, self._total, self._seconds = console, what, total, seconds
        self._done, self._begun = 0, seconds()
        self._said = self._begun
        self._say(f"{what}, {total} steps" if total else what)

    def step(self, steps: int) -> None:
        self._done += steps
        now = self._seconds()
        if now - self._said < _SECONDS_BETWEEN_LINES or not 0 < self._done < self._total:
            return
        self._said = now
        left = (now - self._begun) * (self._total - self._done) / self._done
        self._say(f"{self._what}, {self._done}/{self._total}, {timedelta(seconds=round(left))} left")

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
