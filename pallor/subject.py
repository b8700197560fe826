"""The person in front of the camera, as far as a haemoglobin cut-off needs to know; never a name."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pallor.errors import Refused

MAX_AGE_MONTHS = 120 * 12
MIN_ALTITUDE_M, MAX_ALTITUDE_M = -430, 5_500  # the Dead Sea shore; the highest towns lie near 5 100 m
PREGNANT_FROM_MONTHS, PREGNANT_UNTIL_MONTHS = 9 * 12, 60 * 12
SMOKING_FROM_MONTHS = 15 * 12
MAX_PREGNANCY_WEEKS = 44
# Completed weeks at which the second and the third trimester begin: 14 0/7 and 28 0/7 (ACOG).
SECOND_TRIMESTER_WEEKS, THIRD_TRIMESTER_WEEKS = 14, 28
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    UNKNOWN = "unknown"


class Pregnancy(StrEnum):
    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class Smoking(StrEnum):
    """Cigarettes a day. A fact and no more: no label is adjusted for it (see ``pallor.label``)."""

    NO = "no"
    BELOW_10 = "<10"
    FROM_10_TO_19 = "10-19"
    FROM_20 = ">=20"
    UNKNOWN = "unknown"


class AltitudeSource(StrEnum):
    """``LIVES_AT_SITE``: the site's own altitude, taken after the person said that they live there."""

    RESIDENCE = "residence"
    LIVES_AT_SITE = "lives-at-site"


class SubjectImplausible(Refused):
    """The facts about the person cannot all be true."""


class BirthInFuture(Refused):
    """Born after the visit."""


@dataclass(frozen=True)
class Subject:
    """Age in completed months; altitude in metres of where the person lives, not of where the clinic stands.

    ``pregnancy_weeks``: completed; where they are known, ``trimester`` is the one that they lie in.
    """

    age_months: int
    sex: Sex
    pregnancy: Pregnancy = Pregnancy.NO
    trimester: int | None = None
    altitude_m: int | None = None
    pregnancy_weeks: int | None = None
    smoking: Smoking | None = None
    altitude_source: AltitudeSource | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.age_months <= MAX_AGE_MONTHS:
            raise SubjectImplausible(
                "the age is outside what people reach",
                field="subject.age_months", value=self.age_months, remedy=f"Give 0 to {MAX_AGE_MONTHS} months.",
            )  # fmt: skip
        of_age = PREGNANT_FROM_MONTHS <= self.age_months < PREGNANT_UNTIL_MONTHS
        if self.pregnancy is Pregnancy.YES and (self.sex is Sex.MALE or not of_age):
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
        self._check_what_came_later()

    def _check_what_came_later(self) -> None:
        weeks = self.pregnancy_weeks
        if weeks is not None and not (0 <= weeks <= MAX_PREGNANCY_WEEKS and self.trimester == trimester_at(weeks)):
            raise SubjectImplausible(
                "the weeks of pregnancy do not fit the trimester",
                field="subject.pregnancy_weeks", value=f"{weeks} weeks, trimester {self.trimester}",
                remedy=f"Give 0 to {MAX_PREGNANCY_WEEKS} completed weeks, and no trimester other than theirs.",
            )  # fmt: skip
        if self.smoking is not None and self.age_months < SMOKING_FROM_MONTHS:
            raise SubjectImplausible(
                "smoking is not asked of children",
                field="subject.smoking", value=self.smoking, remedy="Leave it out below 15 years, or check the age.",
            )  # fmt: skip
        if self.altitude_source is not None and self.altitude_m is None:
            raise SubjectImplausible(
                "there is no altitude that this could be the source of",
                field="subject.altitude_source", value=self.altitude_source,
                remedy="Send altitude_m with it, or leave both out.",
            )  # fmt: skip


def trimester_at(weeks: int) -> int:
    """The trimester in which a number of completed weeks lies."""
    return 1 + (weeks >= SECOND_TRIMESTER_WEEKS) + (weeks >= THIRD_TRIMESTER_WEEKS)


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
