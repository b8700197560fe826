"""Bars with the time left, on standard error, so that standard output ends with the figures."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Opens a bar of so many steps under a name; what it yields is told how many steps were done since the last call.
Bars = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def bars_on(console: Console) -> Bars:
    """Bars that people can see."""

    @contextmanager
    def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times, console=console
        ) as p:
            task = p.add_task(what, total=total)
            yield lambda steps: p.advance(task, steps)

    return bar


def no_bars(_what: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    """For callers who do not watch."""
    return nullcontext(lambda _steps: None)
