"""From what any way in was given to the one line that the laboratory's verb takes: checked here, and nowhere else.

Whatever could name a person has been left behind by then; what is free text is kept only where it reads as a method or
a device.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from backend.services.specimen_barcode import check_barcode, plain
from backend.wire.received import check_not_ahead
from pallor.case import check_subject_code
from pallor.errors import Refused
from pallor.ids import is_id
from pallor.lab import Performer, Specimen, read_hb, read_specimen
from pallor.lab_codes import ucum
from pallor.reported import Rejection, ReportedHb, ReportStatus
from pallor.subject import MAX_AGE_MONTHS, Sex

_LONGEST_BUSINESS_ID = 200
_INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:/()+_-]{0,63}")


class BusinessIdUnfit(Refused):
    """Without the sender's own number a correction cannot be told from another result."""


class CaseIdUnfit(Refused):
    """A case's id is a UUID."""


class AgeUnfit(Refused):
    """No living person is that old."""


class UnitsDiffer(Refused):
    """The unit is said twice, and it is two different units."""


class NamedTwice(Refused):
    """Two specimens, or two cases: whose result is it?"""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a way in has read; ``None`` and empty text: not said."""

    business_id: str | None
    status: ReportStatus
    value: str | None = None
    unit: str | None = None
    loinc: str | None = None
    specimen: Specimen = Specimen.UNKNOWN
    method: str | None = None
    device: str | None = None
    performer: Performer = Performer.UNKNOWN
    rejection: Rejection | None = None
    taken_at: datetime | None = None
    resulted_at: datetime | None = None
    barcode: str | None = None
    case_id: str | None = None
    subject_code: str | None = None
    visited_on: date | None = None
    age_months: tuple[int, int] | None = None
    sex: Sex | None = None


def to_line(given: Given, now: datetime) -> ReportedHb:
    """The line; raises ``Refused`` with the fact that cannot be, and repeats nothing that may be a name."""
    for field in ("taken_at", "resulted_at"):
        if (moment := getattr(given, field)) is not None:
            check_not_ahead(field, moment, now)
    has_value = given.status.has_value
    asked_again = given.status is ReportStatus.SPECIMEN_REJECTED
    return ReportedHb(
        business_id=_business_id(given.business_id),
        status=given.status,
        hb=read_hb(given.value, given.unit, given.loinc) if has_value and given.value else None,
        taken_at=given.taken_at,
        resulted_at=given.resulted_at,
        loinc=given.loinc if has_value else None,
        specimen=read_specimen(given.specimen, given.loinc),
        method=_instrument(given.method),
        device=_instrument(given.device),
        performer=given.performer,
        rejection=(given.rejection or Rejection.OTHER) if asked_again else None,
        barcode=check_barcode(given.barcode) if given.barcode else None,
        case_id=_case_id(given.case_id) if given.case_id else None,
        subject_code=check_subject_code(given.subject_code) if given.subject_code else None,
        visited_on=given.visited_on,
        age_months=_age(given.age_months),
        sex=given.sex,
    )


def one_unit(field: str, first: str | None, *others: str | None) -> str | None:
    """The unit as it was said first; of what else was said of it, whatever is listed must be the same unit."""
    listed = {code: said for said in (first, *others) if said and (code := ucum(said))}
    if len(listed) > 1:
        raise UnitsDiffer(
            f"{' and '.join(listed.values())} are two units", field=field, value=", ".join(listed),
            remedy="Check which unit was reported, and send that one alone.",
        )  # fmt: skip
    return first


def only_one(field: str, said: Iterable[str | None]) -> str | None:
    """What a specimen or a case is named by, if it is one alone."""
    found = {plain(one): one for one in said if one}
    if len(found) > 1:
        raise NamedTwice(
            "it names several, and is the result of one", field=field, value=f"{len(found)} different",
            remedy="Send a result for each, with its own specimen.",
        )  # fmt: skip
    return next(iter(found.values()), None)


def years(age_years: int) -> tuple[int, int]:
    """An age in completed years as months from and to."""
    return 12 * age_years, 12 * age_years + 11


def _business_id(text: str | None) -> str:
    if not text or not text.strip() or len(text) > _LONGEST_BUSINESS_ID:
        raise BusinessIdUnfit(
            "each result has a number of the sender's own", field="business_id",
            value=None if not text else f"{len(text)} characters",
            remedy=f"Send up to {_LONGEST_BUSINESS_ID} characters, the same again when the result is corrected.",
        )  # fmt: skip
    return text.strip()


def _case_id(text: str) -> str:
    if not is_id(text):
        raise CaseIdUnfit(
            "not the id of a case", field="case_id", value="(not repeated: it may be a name)",
            remedy="Send the UUID of the request form, in lower case, or the specimen's barcode.",
        )  # fmt: skip
    return text


def _age(months: tuple[int, int] | None) -> tuple[int, int] | None:
    if months is not None and not 0 <= months[0] <= months[1] <= MAX_AGE_MONTHS + 11:
        raise AgeUnfit(
            "not the age of a living person", field="age", value=f"{months[0]} months",
            remedy="Check the age, or the date of birth.",
        )  # fmt: skip
    return months


def _instrument(text: str | None) -> str | None:
    found = (text or "").strip()
    return found if _INSTRUMENT.fullmatch(found) else None
