"""The person in front of the camera, as far as a haemoglobin cut-off needs to know; never a name."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pallor.errors import Refused

MAX_AGE_MONTHS = 120 * 12
MIN_ALTITUDE_M, MAX_ALTITUDE_M = -430, 5_500  # the Dead Sea shore; the highest towns lie near 5 100 m
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    UNKNOWN = "unknown"


class Pregnancy(StrEnum):
    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class SubjectImplausible(Refused):
    """The facts about the person cannot all be true."""


class BirthInFuture(Refused):
    """Born after the visit."""


@dataclass(frozen=True)
class Subject:
    """Age in completed months; altitude in metres of where the person lives, not of where the clinic stands."""

    age_months: int
    sex: Sex
    pregnancy: Pregnancy = Pregnancy.NO
    trimester: int | None = None
    altitude_m: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.age_months <= MAX_AGE_MONTHS:
            raise SubjectImplausible(
                "the age is outside what people reach",
                field="subject.age_months", value=self.age_months, remedy=f"Give 0 to {MAX_AGE_MONTHS} months.",
            )  # fmt: skip
        if self.pregnancy is Pregnancy.YES and (self.sex is Sex.MALE or not 9 * 12 <= self.age_months < 60 * 12):
            raise SubjectImplausible(
                "pregnancy does not fit the sex or the age",
                field="subject.pregnancy", value=f"{self.pregnancy} at {self.age_months} months, {self.sex}",
                remedy="Check pregnancy, sex and age; one of them is wrong.",
            )  # fmt: skip
        if self.trimester is not None and (self.pregnancy is not Pregnancy.YES or self.trimester not in (1, 2, 3)):
            raise SubjectImplausible(
                "the trimester does not fit",
                field="subject.trimester", value=self.trimester,
                remedy="Give 1, 2 or 3, and only with pregnancy 'yes'.",
            )  # fmt: skip
        if self.altitude_m is not None and not MIN_ALTITUDE_M <= self.altitude_m <= MAX_ALTITUDE_M:
            raise SubjectImplausible(
                "nobody lives at this altitude",
                field="subject.altitude_m", value=self.altitude_m,
                remedy=f"Give metres of residence, {MIN_ALTITUDE_M} to {MAX_ALTITUDE_M}, or leave it out.",
            )  # fmt: skip


def age_from_birth_month(birth_month: str, visited_at: datetime) -> int:
    """Completed months between a birth month (``YYYY-MM``) and the visit.

    Raises:
        BirthInFuture: born in a later month than the visit.
        SubjectImplausible: not a month.
    """
    match = _MONTH.fullmatch(birth_month)
    if match is None:
        raise SubjectImplausible(
            "not a month",
            field="subject.birth_month",
            value=birth_month,
            remedy="Write it as YYYY-MM, such as 2024-05.",
        )
    months = (visited_at.year - int(match[1])) * 12 + visited_at.month - int(match[2])
    if months < 0:
        raise BirthInFuture(
            "born after the visit",
            field="subject.birth_month", value=birth_month,
            remedy=f"Check the birth month; the visit was in {visited_at:%Y-%m}.",
        )  # fmt: skip
    return months
