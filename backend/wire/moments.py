"""Moments, days and ages as HL7, FHIR and sheets write them: as much of a date as they give, often no time zone."""

import re
from datetime import UTC, date, datetime, time, tzinfo

from pallor.errors import Refused

_HL7 = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:\.[0-9]{1,6})?)?)?)?)?([+-][0-9]{4})?"
)
_NOON = time(12)


class MomentUnreadable(Refused):
    """Not a moment, or not even the day is known."""


def read_moment(text: str, zone: tzinfo, field: str) -> datetime | None:
    """``YYYYMMDD[HHMM[SS]][+ZZZZ]`` in UTC; None for nothing. A day without a time is its noon.

    Args:
        zone: of a moment that names none.

    Raises:
        MomentUnreadable
    """
    if not text:
        return None
    try:
        parts = _HL7.fullmatch(text)
        if parts is None or parts[3] is None:
            raise ValueError(text)
        day = date(int(parts[1]), int(parts[2]), int(parts[3]))
        clock = time(int(parts[4]), int(parts[5]), int(parts[6] or 0)) if parts[4] else _NOON
        there = datetime.strptime(parts[7], "%z").tzinfo if parts[7] else zone
        return datetime.combine(day, clock, there).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable(text, field) from error


def read_iso(text: object, zone: tzinfo, field: str) -> datetime | None:
    """ISO 8601 with at least its day, in UTC; None for nothing. A day without a time is its noon.

    Raises:
        MomentUnreadable
    """
    if text is None:
        return None
    try:
        said = str(text).upper().replace(" ", "T")
        if "T" not in said:
            return datetime.combine(date.fromisoformat(said), _NOON, zone).astimezone(UTC)
        moment = datetime.fromisoformat(said)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable(str(text), field) from error


def read_day(text: str, field: str) -> date:
    """The day of ``YYYYMMDD...``; raises ``MomentUnreadable``."""
    try:
        parts = _HL7.fullmatch(text)
        return date(int(parts[1]), int(parts[2]), int(parts[3])) if parts else date.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise _unreadable(text, field) from error


def age_at(born: str, moment: datetime) -> tuple[int, int] | None:
    """Completed months, from and to, of whoever was born in ``YYYY[MM[DD]]``, with or without hyphens; None for what
    is no date of birth: whose age is not known, nobody's contradicts."""
    parts = _HL7.fullmatch(born.replace("-", ""))
    try:
        if parts is None:
            return None
        year, month, day = int(parts[1]), parts[2], parts[3]
        earliest = date(year, int(month or 1), int(day or 1))
        latest = date(year, int(month or 12), int(day or 28))
    except ValueError:
        return None
    young, old = _months(latest, moment), _months(earliest, moment)
    return (max(young, 0), old) if old >= 0 else None


def _months(born: date, moment: datetime) -> int:
    months = (moment.year - born.year) * 12 + moment.month - born.month
    return months - (1 if moment.day < born.day else 0)


def _unreadable(text: str, field: str) -> MomentUnreadable:
    digits = text[:8] if text[:8].isdigit() else "(not repeated)"
    return MomentUnreadable(
        "not a moment with its day", field=field, value=digits,
        remedy="Send day and time, and the offset from UTC where your clock is not the one agreed on.",
    )  # fmt: skip
