"""When is a new release worth making?"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Due:
    """A verdict with its reason, for whoever reads the timer's log."""

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
) -> Due:
    """Whether enough has come in since the last run.

    Args:
        cases: that may be learned from now.
        learned_from: cases of the last run's snapshot; None when there was no run, and then as many as are new later
            on must be there at all.
        made_at: when that run was begun.
        new_cases: as many new or lost cases make it due at once.
        days: after so many, one changed case is enough.
    """
    if learned_from is None or made_at is None:
        said = f"{len(cases)} cases, and nothing was made here before"
        return Due(len(cases) >= new_cases, f"{said}; {new_cases} are enough")
    changed = len(cases ^ learned_from)
    said = f"{changed} cases came or went since {made_at:%Y-%m-%d}"
    if changed >= new_cases:
        return Due(True, f"{said}; {new_cases} are enough")
    if changed and now - made_at >= timedelta(days=days):
        return Due(True, f"{said}, more than {days} days ago")
    return Due(False, f"{said}; due at {new_cases}, or at one after {days} days")
