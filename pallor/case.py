"""One visit: what was seen and asked, and the steps a case goes through."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pallor.clock import parse_utc, utc_text
from pallor.consent import Consents
from pallor.digest import digest_of
from pallor.errors import Refused
from pallor.subject import AltitudeSource, Pregnancy, Sex, Smoking, Subject

SUBJECT_CODE = "[A-Za-z0-9][A-Za-z0-9._-]{0,31}"  # with at least one digit
MAX_REFUSED_PHOTOS = 3  # after as many refused photos nobody is asked for another: the person is referred


class SubjectCodeUnfit(Refused):
    """A subject code that could be a name, or is no code at all."""


class ConsentMissing(Refused):
    """Nobody is photographed without consent to care."""


class AmendmentEmpty(Refused):
    """The amendment changes nothing."""


class DangerSign(StrEnum):
    """WHO IMCI's general danger signs, and two signs of decompensated anaemia."""

    UNABLE_TO_DRINK = "unable-to-drink"
    VOMITS_EVERYTHING = "vomits-everything"
    CONVULSIONS = "convulsions"
    LETHARGIC = "lethargic"
    BREATHLESS = "breathless"
    HEART_RACING = "heart-racing"


class Status(StrEnum):
    """The steps: received -> scored or retake -> confirmed; a laboratory value confirms from any of them."""

    RECEIVED = "received"
    RETAKE = "retake"
    SCORED = "scored"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Case:
    """The facts of one visit. ``sore_eye``: red or sore, which colours the conjunctiva by itself.

    ``specimen_barcode``: of the tube that went to the laboratory.
    """

    id: str
    site: str
    subject_code: str
    visited_at: datetime
    subject: Subject
    consent: Consents
    danger_signs: tuple[DangerSign, ...] = ()
    severe_pallor: bool = False
    sore_eye: bool = False
    specimen_barcode: str | None = None

    def to_json(self) -> dict[str, Any]:
        said = {"visited_at": utc_text(self.visited_at), "consent": self.consent.to_json()}
        subject = _without(vars(self.subject), "pregnancy_weeks", "smoking", "altitude_source")
        facts = {**vars(self), **said, "subject": subject, "danger_signs": list(self.danger_signs)}
        return _without(facts, "specimen_barcode")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(
            **{
                **data,
                "visited_at": parse_utc(data["visited_at"]),
                "subject": _subject(data["subject"]),
                "consent": Consents.from_json(data["consent"]),
                "danger_signs": tuple(DangerSign(sign) for sign in data["danger_signs"]),
            }
        )

    def digest(self) -> str:
        """Two submissions of one case are the same when this is."""
        return digest_of(self.to_json())


def _without(facts: dict[str, Any], *later: str) -> dict[str, Any]:
    """Facts without those that came to be asked later and are not known: what was recorded before keeps its digest."""
    return {name: value for name, value in facts.items() if name not in later or value is not None}


def _subject(data: dict[str, Any]) -> Subject:
    kinds = {"sex": Sex, "pregnancy": Pregnancy, "smoking": Smoking, "altitude_source": AltitudeSource}
    known = {name: kind(data[name]) for name, kind in kinds.items() if data.get(name) is not None}
    return Subject(**{**data, **known})


def check_subject_code(code: str) -> str:
    """The code in upper case: ``a-017`` and ``A-017`` are one card, typed twice.

    Raises:
        SubjectCodeUnfit: other than letters, digits, ``.``, ``_`` and ``-``, or plainly a name.
    """
    if not re.fullmatch(SUBJECT_CODE, code) or not any(c.isdigit() for c in code):
        raise SubjectCodeUnfit(
            "not a subject code",
            field="subject_code", value="(not repeated: it may be a name)",
            remedy="Use the code on the card: up to 32 letters, digits, '.', '_' or '-', one digit at least; no name.",
        )  # fmt: skip
    return code.upper()


def amended(case: Case, changes: dict[str, Any]) -> Case:
    """The case with some facts corrected.

    Args:
        changes: by the names of ``Case.to_json``; ``subject`` may be given in part.

    Raises:
        AmendmentEmpty: every value is what it was.
        Refused: the corrected facts cannot all be true.
    """
    old = case.to_json()
    subject = {**old["subject"], **changes.get("subject", {})}
    if subject["altitude_m"] is None:
        subject["altitude_source"] = None
    new = replace(Case.from_json({**old, **changes, "subject": subject}), id=case.id)
    if new == case:
        raise AmendmentEmpty(
            "nothing would change", field="changes", value=", ".join(sorted(changes)) or "nothing",
            remedy="Name at least one fact with a value other than the one on record.",
        )  # fmt: skip
    return new


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """The dotted names of what differs between two JSON objects."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            found.append(f"{prefix}{key}")
    return found


def status_of(*, confirmed: bool, scored: bool, refused_photos: int, waiting_photos: int) -> Status:
    """Where a case stands, from what is on record about it."""
    if confirmed:
        return Status.CONFIRMED
    if scored:
        return Status.SCORED
    return Status.RETAKE if refused_photos and not waiting_photos else Status.RECEIVED
