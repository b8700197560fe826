"""Time: always aware, always UTC, always asked of a clock that a test can set."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the parts ask for the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def utc_text(moment: datetime) -> str:
    """RFC 3339 with milliseconds and a Z: ``2026-11-21T08:00:00.000Z``; sorts as text."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """Read RFC 3339 back; raises ``ValueError`` for a moment without a time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"beyond the calendar: {text!r}") from None
