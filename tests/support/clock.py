"""A clock that a test moves."""

from datetime import datetime, timedelta

from tests.support.builders import NOON


class HandClock:
    """Stands still until it is moved; each look is a microsecond later, so that arrivals have an order."""

    def __init__(self, at: datetime = NOON + timedelta(hours=1)) -> None:
        self._at = at

    def now(self) -> datetime:
        self._at += timedelta(microseconds=1)
        return self._at

    def turn_to(self, at: datetime) -> None:
        self._at = at

    def move(self, **by: float) -> None:
        self._at += timedelta(**by)
