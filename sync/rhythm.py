"""When to look again, and when files may be fetched. Pure: chance and time come from outside."""

from collections.abc import Callable
from datetime import datetime, timedelta

_LONGEST = timedelta(hours=6)
_MOST_DOUBLINGS = 5


def pause_after(poll: timedelta, failures: int, drawn: float) -> timedelta:
    """How long until the next look: longer with each failure in a row, and never at the same moment as all others.

    Args:
        drawn: by chance, 0 to 1; from three quarters of the pause to five.
    """
    waited = min(poll * (1 << min(failures, _MOST_DOUBLINGS)), max(poll, _LONGEST))
    return waited * (0.75 + 0.5 * drawn)


def hours(raw: str) -> tuple[int, int]:
    """Hours of the day such as 22-5, from and until, in the machine's own time; 0-24 is always."""
    begin, _, end = raw.partition("-")
    if not (begin.isdigit() and end.isdigit() and int(begin) < 24 and 1 <= int(end) <= 24 and begin != end):
        raise ValueError("hours of the day such as 22-5")
    return int(begin), int(end)


def allows(span: tuple[int, int], moment: datetime) -> bool:
    """True when a moment of local time lies within hours of the day; they may reach over midnight."""
    begin, end = span
    return begin <= moment.hour < end if begin < end else not end <= moment.hour < begin


def fetch_hours(span: tuple[int, int], now: Callable[[], datetime]) -> Callable[[], bool]:
    """Whether files may be fetched now."""
    return lambda: allows(span, now())
