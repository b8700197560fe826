"""What comes in, and how it becomes the kernel's own objects."""

import base64
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, StrictBool, StrictStr

from backend.services.specimen_barcode import check_barcode
from backend.wire.fields import (
    Age,
    Altitude,
    Barcode,
    Count,
    Id,
    Moment,
    Plain,
    Reported,
    Site,
    Trimester,
    Weeks,
    Wire,
)
from pallor.case import Case, ConsentMissing, DangerSign, check_subject_code
from pallor.clock import parse_utc, utc_text
from pallor.consent import Consent, Consents
from pallor.errors import Refused
from pallor.lab import LabResult, Performer, Specimen, read_hb, read_specimen
from pallor.subject import AltitudeSource, Pregnancy, Sex, Smoking, Subject, age_from_birth_month, trimester_at

# Phones' clocks are wrong by hours more often than by years; what is from the day after tomorrow is a wrong clock.
MAX_AHEAD = timedelta(hours=36)
PREGNANCY_ASKED_FROM_MONTHS = 10 * 12  # from here on pregnancy is a question, and silence is no answer
REASON_LENGTH = (3, 300)
WORDING = "^[a-z0-9][a-z0-9.-]{0,63}$"
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


class MomentInFuture(Refused):
    """A date slipped, or a clock is wrong."""


class AgeAmbiguous(Refused):
    """The age is given in both ways, or in none."""


class UploadLengthMissing(Refused):
    """Without a length nobody can tell a whole from a part of one."""


class SealedAtUnreadable(Refused):
    """The header does not hold a moment."""


class DigestUnreadable(Refused):
    """The digest header is not RFC 9530's ``sha-256=:<base64>:``."""


class CasePath(Wire):
    case_id: Id


class PhotoPath(Wire):
    case_id: Id
    photo_id: Id


class AmendmentPath(Wire):
    case_id: Id
    amendment_id: Id


class ResultPath(Wire):
    result_id: Id


class PageQuery(Wire):
    limit: Count = Field(default=50, ge=1, le=200, description="Items on one page")
    cursor: StrictStr | None = Field(
        default=None, max_length=200, pattern=r"^[A-Za-z0-9_=-]+$", description="`next` of the page before"
    )


class SubjectIn(Wire):
    """Age either in completed months or by month of birth."""

    age_months: Age | None = None
    birth_month: StrictStr | None = Field(default=None, max_length=7, description="YYYY-MM", examples=["2024-05"])
    sex: Sex
    pregnancy: Pregnancy | None = Field(
        default=None, description="Left out: `no` for males and below 10 years, else `unknown`"
    )
    trimester: Trimester | None = Field(default=None, description="Only with pregnancy `yes`")
    altitude_m: Altitude | None = Field(
        default=None, description="Altitude of residence in metres; leave out when not known"
    )
    altitude_source: AltitudeSource | None = Field(default=None, description="Where that altitude is from")
    pregnancy_weeks: Weeks | None = Field(default=None, description="Completed; the trimester follows from them")
    smoking: Smoking | None = Field(
        default=None, description="Cigarettes a day, from 15 years on; a fact, no value is adjusted for it"
    )


Wording = Annotated[
    StrictStr,
    Field(
        pattern=WORDING,
        description="The version of the text that was read out",
        examples=["care-en-1"],
    ),
]


class ConsentIn(Wire):
    given_at: Moment = Field(description="When the person said yes")
    wording: Wording


class ConsentsIn(Wire):
    care: ConsentIn | None = Field(default=None, description="To be screened; a case without it is refused")
    training: ConsentIn | None = Field(
        default=None, description="That the photo may teach a model; left out: not given"
    )


class CaseIn(Wire):
    """One visit, as the phone knows it."""

    site: Site
    subject_code: StrictStr = Field(
        max_length=64,
        description="The code on the person's card, with at least one digit; never a name",
        examples=["A-017"],
    )
    visited_at: Moment
    subject: SubjectIn
    consent: ConsentsIn
    danger_signs: list[DangerSign] = Field(default=[], max_length=len(DangerSign))
    severe_pallor: StrictBool = Field(default=False, description="Palms or inner eyelids plainly white")
    sore_eye: StrictBool = Field(default=False, description="Red or sore eye")
    specimen_barcode: Barcode | None = Field(default=None, description="On the label of the tube that was filled")


class PhotoQuery(Wire):
    captured_at: Moment
    eye: Literal["left", "right"] | None = None


class PieceHeaders(Wire):
    """Resumable by offset; digests as in RFC 9530."""

    model_config = ConfigDict(extra="ignore")

    repr_digest: StrictStr = Field(
        alias="Repr-Digest", max_length=200, description="`sha-256=:<base64>:` of the whole",
        examples=["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"],
    )  # fmt: skip
    content_digest: StrictStr | None = Field(
        default=None, alias="Content-Digest", max_length=200, description="`sha-256=:<base64>:` of this piece alone"
    )
    upload_offset: Count = Field(
        default=0, alias="Upload-Offset", ge=0, description="Where in the whole this piece begins"
    )
    upload_length: Annotated[Count, Field(ge=0)] | None = Field(
        default=None,
        alias="Upload-Length",
        description="Size of the whole in bytes; default: of this piece",
    )


class HbIn(Wire):
    value: Reported = Field(description="As the analyser printed it; text keeps every digit", examples=["10.4"])
    unit: Plain | None = Field(default=None, max_length=16, description="`g/L`, `g/dL` or `mmol/L`; never guessed")


class LabResultIn(Wire):
    case_id: Id
    hb: HbIn
    taken_at: Moment = Field(description="When the blood was drawn")
    specimen: Specimen = Specimen.UNKNOWN
    loinc: Plain | None = Field(default=None, max_length=16, examples=["718-7"])
    method: Plain | None = Field(default=None, max_length=64, description="The analyser or method")
    device: Plain | None = Field(default=None, max_length=64, description="The analyser")
    performer: Performer = Performer.UNKNOWN
    resulted_at: Moment | None = Field(default=None, description="When the value was known")
    supersedes: Id | None = Field(default=None, description="The result of the same case that this one corrects")
    reason: Plain | None = Field(
        default=None, min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1],
        description="Why it corrects the other; no names",
    )  # fmt: skip


class SubjectChanges(Wire):
    age_months: Age | None = None
    sex: Sex | None = None
    pregnancy: Pregnancy | None = None
    trimester: Trimester | None = None
    altitude_m: Altitude | None = None
    altitude_source: AltitudeSource | None = None
    pregnancy_weeks: Weeks | None = None
    smoking: Smoking | None = None


class CaseChanges(Wire):
    """Only what is sent, and is not null, changes."""

    visited_at: Moment | None = None
    subject: SubjectChanges | None = None
    danger_signs: list[DangerSign] | None = Field(default=None, max_length=len(DangerSign))
    severe_pallor: StrictBool | None = None
    sore_eye: StrictBool | None = None
    specimen_barcode: Barcode | None = None


Forgettable = Literal[
    "subject.altitude_m", "subject.trimester", "subject.pregnancy_weeks", "subject.smoking", "specimen_barcode"
]


class AmendmentIn(Wire):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"changes": {"sore_eye": True}, "reason": "seen on second look"}]}
    )

    changes: CaseChanges
    forget: list[Forgettable] = Field(
        default=[], max_length=len(get_args(Forgettable)), description="Facts that turned out not to be known after all"
    )
    reason: Plain = Field(
        min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1], description="Why the record was wrong; no names"
    )


def to_case(case_id: str, body: CaseIn, now: datetime) -> Case:
    """The case that a request speaks of; raises ``Refused`` with the fact that cannot be."""
    check_not_ahead("visited_at", body.visited_at, now)
    consent = _to_consents(body.consent, now)
    return Case(
        id=case_id,
        site=body.site,
        subject_code=check_subject_code(body.subject_code),
        visited_at=body.visited_at,
        subject=_to_subject(body.subject, body.visited_at),
        consent=consent,
        danger_signs=tuple(sorted(set(body.danger_signs))),
        severe_pallor=body.severe_pallor,
        sore_eye=body.sore_eye,
        specimen_barcode=None if body.specimen_barcode is None else check_barcode(body.specimen_barcode),
    )


def to_changes(body: AmendmentIn, now: datetime) -> dict[str, Any]:
    """What an amendment changes, by the names of ``Case.to_json``; nothing that was not sent."""
    changes = body.changes.model_dump(mode="json", exclude_none=True)
    if body.changes.visited_at is not None:
        check_not_ahead("changes.visited_at", body.changes.visited_at, now)
        changes["visited_at"] = utc_text(body.changes.visited_at)
        if "age_months" not in changes.get("subject", {}):
            raise AgeAmbiguous(
                "another day of the visit can mean another age", field="changes.subject.age_months", value=None,
                remedy="Send the age at that visit with it, also when it stays the same.",
            )  # fmt: skip
    if "specimen_barcode" in changes:
        changes["specimen_barcode"] = check_barcode(changes["specimen_barcode"], "changes.specimen_barcode")
    if "danger_signs" in changes:
        changes["danger_signs"] = sorted(set(changes["danger_signs"]))
    weeks = changes.get("subject", {}).get("pregnancy_weeks")
    if weeks is not None:
        changes["subject"].setdefault("trimester", trimester_at(weeks))
    for fact in body.forget:
        of = changes.setdefault("subject", {}) if fact.startswith("subject.") else changes
        of[fact.removeprefix("subject.")] = None
    return changes


def to_lab_result(result_id: str, body: LabResultIn, now: datetime) -> LabResult:
    """The laboratory result that a request speaks of; raises ``Refused`` as ``pallor.lab.read_hb`` does."""
    check_not_ahead("taken_at", body.taken_at, now)
    if body.resulted_at is not None:
        check_not_ahead("resulted_at", body.resulted_at, now)
    return LabResult(
        id=result_id,
        case_id=body.case_id,
        hb=read_hb(body.hb.value, body.hb.unit, body.loinc),
        taken_at=body.taken_at,
        specimen=read_specimen(body.specimen, body.loinc),
        loinc=body.loinc,
        method=body.method,
        supersedes=body.supersedes,
        resulted_at=body.resulted_at,
        device=body.device,
        performer=body.performer,
        reason=body.reason,
    )


def check_captured_at(captured_at: datetime, now: datetime) -> None:
    """Raise ``MomentInFuture`` for a photo that was not taken yet."""
    check_not_ahead("captured_at", captured_at, now)


def check_not_ahead(field: str, moment: datetime, now: datetime) -> None:
    """Raise ``MomentInFuture`` for what has not been yet, allowing for a clock that is wrong by hours."""
    if moment > now + MAX_AHEAD:
        raise MomentInFuture(
            "this lies in the future", field=field, value=utc_text(moment),
            remedy=f"Check the date and the clock it comes from (here it is {utc_text(now)}), and send it again.",
        )  # fmt: skip


def to_sealed_at(header: str | None, now: datetime) -> datetime | None:
    """When the device sealed what it sends, by its own clock; raises ``SealedAtUnreadable`` or ``MomentInFuture``."""
    if header is None:
        return None
    try:
        sealed_at = parse_utc(header.strip())
    except ValueError as error:
        raise SealedAtUnreadable(
            "not a moment", field="Sealed-At", value=header,
            remedy="Send RFC 3339 with its offset, such as 2026-11-21T08:00:00Z.",
        ) from error  # fmt: skip
    check_not_ahead("Sealed-At", sealed_at, now)
    return sealed_at


def to_sha256(header: str, field: str) -> str:
    """``sha256:<hex>`` from RFC 9530's ``sha-256=:<base64>:``; raises ``DigestUnreadable``."""
    match = _DIGEST.fullmatch(header.strip())
    if match is None:
        raise DigestUnreadable(
            "not a digest", field=field, value=header,
            remedy="Send sha-256=:<base64 of the 32 bytes>: as in RFC 9530.",
        )  # fmt: skip
    return f"sha256:{base64.b64decode(match[1]).hex()}"


def _to_consents(body: ConsentsIn, now: datetime) -> Consents:
    if body.care is None:
        raise ConsentMissing(
            "no consent to care", field="consent.care", value=None,
            remedy="Ask for consent first; without it send no case.",
        )  # fmt: skip
    check_not_ahead("consent.care.given_at", body.care.given_at, now)
    if body.training is None:
        return Consents(Consent(body.care.given_at, body.care.wording))
    check_not_ahead("consent.training.given_at", body.training.given_at, now)
    return Consents(
        Consent(body.care.given_at, body.care.wording), Consent(body.training.given_at, body.training.wording)
    )


def _to_subject(body: SubjectIn, visited_at: datetime) -> Subject:
    if (body.age_months is None) == (body.birth_month is None):
        raise AgeAmbiguous(
            "the age is given twice or not at all", field="subject.age_months", value=body.age_months,
            remedy="Send either age_months or birth_month.",
        )  # fmt: skip
    age = age_from_birth_month(body.birth_month, visited_at) if body.birth_month is not None else body.age_months or 0
    pregnancy = body.pregnancy
    if pregnancy is None:
        asked_for = body.sex is not Sex.MALE and age >= PREGNANCY_ASKED_FROM_MONTHS
        pregnancy = Pregnancy.UNKNOWN if asked_for else Pregnancy.NO
    weeks = body.pregnancy_weeks
    trimester = trimester_at(weeks) if weeks is not None and body.trimester is None else body.trimester
    return Subject(age, body.sex, pregnancy, trimester, body.altitude_m, weeks, body.smoking, body.altitude_source)
