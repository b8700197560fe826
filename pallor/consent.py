"""Consent: to care and to training apart, each with its date and the words that were read out, and what of it stands.

Giving speaks for one visit. Withdrawing speaks for the person: for all their visits, also one that is heard of later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pallor.clock import parse_utc, utc_text


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


def counts_from(at: datetime, recorded_at: datetime, *, given: bool, first_given: datetime | None = None) -> datetime:
    """The moment from which a statement counts, since a phone's clock may be wrong in either direction.

    What was recorded cannot have been said later. A withdrawal cannot be older than the consent it was said about.

    Args:
        at: by the phone's clock.
        first_given: from when consent of the same visit to the same counts, None where there was none.
    """
    moment = min(at, recorded_at)
    return moment if given or first_given is None else max(moment, first_given)
