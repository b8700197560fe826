"""When is a new release worth making? The server answers a timer that asks, or the trainer where there is none."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Due:
    """A verdict with its reason, for whoever reads the timer's log or the audit trail."""

    due: bool
    said: str


def is_due(
    cases: Set[str],
    learned_from: Set[str] | None,
    made_at: datetime | None,
    now: datetime,
    *,
    new_cases: int,
    days: int,
    alarms: Sequence[str] = (),
) -> Due:
    """Whether enough has come in since the last run, or what is measured has moved.

    Args:
        cases: that may be learned from now.
        learned_from: cases of the last run's snapshot; None when there was no run, and then as many as are new later
            on must be there at all.
        made_at: when that run was begun.
        new_cases: as many new or lost cases make it due at once.
        days: after so many, one changed case is enough.
        alarms: drift that was found since that run and that nobody has settled, in words; with one changed case it
            makes it due at once.
    """
    if learned_from is None or made_at is None:
        said = f"{len(cases)} cases, and nothing was made here before"
        return Due(len(cases) >= new_cases, f"{said}; {new_cases} are enough")
    changed = len(cases ^ learned_from)
    said = f"{changed} cases came or went since {made_at:%Y-%m-%d}"
    if changed >= new_cases:
        return Due(True, f"{said}; {new_cases} are enough")
    if changed and alarms:
        return Due(True, f"{said}, and drift was found: {'; '.join(alarms)}")
    if changed and now - made_at >= timedelta(days=days):
        return Due(True, f"{said}, more than {days} days ago")
    return Due(False, f"{said}; due at {new_cases}, or at one after {days} days or with an alarm of drift")
