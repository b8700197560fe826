"""Consent: to care and to training apart, each with its date and the words that were read out, and what of it stands.

Giving speaks for one visit. Withdrawing speaks for the person: for all their visits, also one that is heard of later.
Where a clock is wrong so that the order of the two cannot be known, the withdrawal holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from pallor.clock import parse_utc, utc_text

_AS_GOOD_AS_RIGHT = timedelta(minutes=5)  # no clock agrees with another to the second


class Purpose(StrEnum):
    CARE = "care"
    TRAINING = "training"


@dataclass(frozen=True)
class Consent:
    """Consent as it was given. ``wording``: the version of the text that was read out, such as ``care-en-1``."""

    at: datetime
    wording: str

    def to_json(self) -> dict[str, Any]:
        return {"at": utc_text(self.at), "wording": self.wording}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(parse_utc(data["at"]), data["wording"])


@dataclass(frozen=True)
class Consents:
    """What was consented to at a visit. Nobody is photographed without consent to care."""

    care: Consent
    training: Consent | None = None

    def given(self) -> dict[Purpose, Consent]:
        return {Purpose.CARE: self.care} | ({Purpose.TRAINING: self.training} if self.training else {})

    def to_json(self) -> dict[str, Any]:
        return {"care": self.care.to_json(), "training": self.training.to_json() if self.training else None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        training = data["training"]
        return cls(Consent.from_json(data["care"]), Consent.from_json(training) if training else None)


@dataclass(frozen=True)
class Statement:
    """Consent given or withdrawn, at the moment from which that counts."""

    purpose: Purpose
    given: bool
    at: datetime

    def concerns(self, purpose: Purpose) -> bool:
        """Withdrawing care withdraws training with it; giving care again does not give training again."""
        return self.purpose is purpose or (self.purpose is Purpose.CARE and not self.given)


def stands(purpose: Purpose, statements: Iterable[Statement]) -> bool:
    """Whether there is consent now: the latest statement wins, at the same moment a withdrawal; no training without
    care.
    """
    said = list(statements)
    latest = max((s for s in said if s.concerns(purpose)), key=lambda s: (s.at, not s.given), default=None)
    return latest is not None and latest.given and (purpose is Purpose.CARE or stands(Purpose.CARE, said))


def given_from(at: datetime, recorded_at: datetime, *, withdrawn: datetime | None) -> datetime:
    """The moment from which a yes counts, since a phone's clock may be wrong.

    What was recorded cannot have been said later. A yes by a clock that is ahead may be older than any withdrawal, and
    so it answers none that is on record.

    Args:
        at: by the phone's clock.
        withdrawn: from when the person's first withdrawal on record counts, None where there is none.
    """
    moment = min(at, recorded_at)
    ahead = at > recorded_at + _AS_GOOD_AS_RIGHT
    return min(moment, withdrawn) if ahead and withdrawn is not None else moment


def withdrawn_from(at: datetime, recorded_at: datetime, *, given: datetime) -> datetime:
    """The moment from which a withdrawal counts: what was said before what it answers was said by a wrong clock, and
    then nobody knows when, so that it answers all that had been consented to before it was recorded.

    Args:
        at: by the phone's clock.
        given: from when everything that was first consented to at the same visit counts.
    """
    return recorded_at if at < given else min(at, recorded_at)
