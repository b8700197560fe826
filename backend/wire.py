"""The white list: every field that may come in or go out, as models that check it and document it.

Inside the backend data is domain objects, already checked.
"""

import base64
import binascii
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StrictStr,
    WithJsonSchema,
)

from pallor.advice import Advice, AdviceCode
from pallor.case import Case, ConsentMissing, DangerSign, Status, check_subject_code
from pallor.clock import parse_utc, utc_text
from pallor.errors import Refused
from pallor.lab import LabResult, Specimen, read_hb
from pallor.subject import MAX_AGE_MONTHS, MAX_ALTITUDE_M, MIN_ALTITUDE_M, Pregnancy, Sex, Subject, age_from_birth_month

# Phones' clocks are wrong by hours more often than by years; a visit from the day after tomorrow is a wrong clock.
_MAX_AHEAD = timedelta(hours=36)
_MAX_REPORTED = 16
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


class VisitInFuture(Refused):
    """The phone's clock is wrong."""


class AgeAmbiguous(Refused):
    """The age is given in both ways, or in none."""


class DigestUnreadable(Refused):
    """The digest header is not RFC 9530's ``sha-256=:<base64>:``."""


class CursorUnreadable(Refused):
    """The cursor is not one that this server gave."""


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):  # on the way out
        return value
    if not isinstance(value, str):
        raise ValueError("a moment is text, RFC 3339 with its offset, such as 2026-11-21T08:00:00Z")
    return parse_utc(value.upper().replace(" ", "T"))


def _digits(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value)):
        raise ValueError("a whole number is written in 1 to 9 digits")
    return int(value)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 30.0 is an integer in JSON
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number, not text, is expected")
    return value


def _reported(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(Decimal(str(value)))
    if not isinstance(value, str) or len(value) > _MAX_REPORTED:
        raise ValueError(f"a value is a number, or text of at most {_MAX_REPORTED} characters")
    return value


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(utc_text),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Reported = Annotated[
    str,
    BeforeValidator(_reported),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": _MAX_REPORTED}, {"type": "number"}]}),
]
Whole = Annotated[int, BeforeValidator(_whole)]
Age = Annotated[Whole, Field(ge=0, le=MAX_AGE_MONTHS)]
Trimester = Annotated[Whole, Field(ge=1, le=3)]
Altitude = Annotated[Whole, Field(ge=MIN_ALTITUDE_M, le=MAX_ALTITUDE_M)]
Count = Annotated[int, BeforeValidator(_digits)]  # a number that arrives as text: in a header or a query
Id = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="A UUID in lower case, made by the sender",
    ),
]
Site = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="The site's code", examples=["kumasi-1"])]
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Wire(BaseModel):
    """No field passes that is not named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- in ---------------------------------------------------------------------------------------------------------------


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
    pregnancy: Pregnancy = Pregnancy.NO
    trimester: Trimester | None = Field(default=None, description="Only with pregnancy `yes`")
    altitude_m: Altitude | None = Field(
        default=None, description="Altitude of residence in metres; leave out when not known"
    )


class ConsentIn(Wire):
    care: StrictBool = Field(description="Consent to be screened; a case without it is refused")
    training: StrictBool = Field(default=False, description="Consent that the photo may teach a model")


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
    consent: ConsentIn
    danger_signs: list[DangerSign] = Field(default=[], max_length=len(DangerSign))
    severe_pallor: StrictBool = Field(default=False, description="Palms or inner eyelids plainly white")
    sore_eye: StrictBool = Field(default=False, description="Red or sore eye")


class PhotoQuery(Wire):
    captured_at: Moment
    eye: Literal["left", "right"] | None = None


class PhotoHeaders(BaseModel):
    """Resumable by offset; digests as in RFC 9530."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    repr_digest: StrictStr = Field(
        alias="Repr-Digest", max_length=200, description="`sha-256=:<base64>:` of the whole photo",
        examples=["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"],
    )  # fmt: skip
    content_digest: StrictStr | None = Field(
        default=None, alias="Content-Digest", max_length=200, description="`sha-256=:<base64>:` of this piece alone"
    )
    upload_offset: Count = Field(
        default=0, alias="Upload-Offset", ge=0, description="Where in the photo this piece begins"
    )
    upload_length: Annotated[Count, Field(ge=0)] | None = Field(
        default=None,
        alias="Upload-Length",
        description="Size of the whole photo in bytes; default: of this piece",
    )


class HbIn(Wire):
    value: Reported = Field(description="As the analyser printed it; text keeps every digit", examples=["10.4"])
    unit: StrictStr | None = Field(default=None, max_length=16, description="`g/L`, `g/dL` or `mmol/L`; never guessed")


class LabResultIn(Wire):
    case_id: Id
    hb: HbIn
    taken_at: Moment = Field(description="When the blood was drawn")
    specimen: Specimen = Specimen.UNKNOWN
    loinc: StrictStr | None = Field(default=None, max_length=16, examples=["718-7"])
    method: StrictStr | None = Field(default=None, max_length=64, description="The analyser or method")


class SubjectChanges(Wire):
    age_months: Age = 0
    sex: Sex = Sex.UNKNOWN
    pregnancy: Pregnancy = Pregnancy.NO
    trimester: Trimester | None = None
    altitude_m: Altitude | None = None


class CaseChanges(Wire):
    """Only what is sent changes."""

    visited_at: Moment | None = None
    subject: SubjectChanges = SubjectChanges()
    danger_signs: list[DangerSign] = Field(default=[], max_length=len(DangerSign))
    severe_pallor: StrictBool = False
    sore_eye: StrictBool = False
    consent_to_training: StrictBool = False


class AmendmentIn(Wire):
    changes: CaseChanges
    reason: StrictStr = Field(min_length=3, max_length=300, description="Why the record was wrong; no names")


def to_case(case_id: str, body: CaseIn, now: datetime) -> Case:
    """The case that a request speaks of; raises ``Refused`` with the fact that cannot be."""
    if not body.consent.care:
        raise ConsentMissing(
            "no consent to care", field="consent.care", value=False,
            remedy="Ask for consent first; without it send no case.",
        )  # fmt: skip
    _check_not_ahead(body.visited_at, now)
    return Case(
        id=case_id,
        site=body.site,
        subject_code=check_subject_code(body.subject_code),
        visited_at=body.visited_at,
        subject=_to_subject(body.subject, body.visited_at),
        danger_signs=tuple(sorted(set(body.danger_signs))),
        severe_pallor=body.severe_pallor,
        sore_eye=body.sore_eye,
        consent_to_training=body.consent.training,
    )


def to_changes(body: AmendmentIn, now: datetime) -> dict[str, Any]:
    """What an amendment changes, by the names of ``Case.to_json``; nothing that was not sent."""
    changes = body.changes.model_dump(mode="json", exclude_unset=True)
    if body.changes.visited_at is not None:
        _check_not_ahead(body.changes.visited_at, now)
        changes["visited_at"] = utc_text(body.changes.visited_at)
    return {name: value for name, value in changes.items() if value is not None}


def to_lab_result(result_id: str, body: LabResultIn) -> LabResult:
    """The laboratory result that a request speaks of; raises ``Refused`` as ``pallor.lab.read_hb`` does."""
    return LabResult(
        id=result_id,
        case_id=body.case_id,
        hb=read_hb(body.hb.value, body.hb.unit, body.loinc),
        taken_at=body.taken_at,
        specimen=body.specimen,
        loinc=body.loinc,
        method=body.method,
    )


def to_sha256(header: str, field: str) -> str:
    """``sha256:<hex>`` from RFC 9530's ``sha-256=:<base64>:``; raises ``DigestUnreadable``."""
    match = _DIGEST.fullmatch(header.strip())
    if match is None:
        raise DigestUnreadable(
            "not a digest", field=field, value=header,
            remedy="Send sha-256=:<base64 of the 32 bytes>: as in RFC 9530.",
        )  # fmt: skip
    return f"sha256:{base64.b64decode(match[1]).hex()}"


def read_cursor(text: str | None, parts: int) -> list[str] | None:
    """The parts of a cursor, None for the first page; raises ``CursorUnreadable``."""
    if text is None:
        return None
    try:
        found = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode().split("|")
    except (UnicodeError, binascii.Error):
        found = []
    return found if len(found) == parts else _refuse_cursor(text)


def read_moment_cursor(text: str | None) -> tuple[datetime, str] | None:
    """A cursor of a list that is sorted by a moment and an id."""
    parts = read_cursor(text, 2)
    try:
        return (parse_utc(parts[0]), parts[1]) if parts else None
    except ValueError:
        return _refuse_cursor(text)


def read_number_cursor(text: str | None) -> int:
    """A cursor of the feed; 0 is its beginning."""
    parts = read_cursor(text, 1)
    if parts is None:
        return 0
    return int(parts[0]) if re.fullmatch(r"[0-9]{1,18}", parts[0]) else _refuse_cursor(text)


def show_cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode()


def _refuse_cursor(text: str | None) -> NoReturn:
    raise CursorUnreadable(
        "not a cursor of this list", field="cursor", value=text,
        remedy="Send `next` of the page before unchanged, or leave it out to begin anew.",
    )  # fmt: skip


def _to_subject(body: SubjectIn, visited_at: datetime) -> Subject:
    if (body.age_months is None) == (body.birth_month is None):
        raise AgeAmbiguous(
            "the age is given twice or not at all", field="subject.age_months", value=body.age_months,
            remedy="Send either age_months or birth_month.",
        )  # fmt: skip
    age = age_from_birth_month(body.birth_month, visited_at) if body.birth_month is not None else body.age_months or 0
    return Subject(age, body.sex, body.pregnancy, body.trimester, body.altitude_m)


def _check_not_ahead(visited_at: datetime, now: datetime) -> None:
    if visited_at > now + _MAX_AHEAD:
        raise VisitInFuture(
            "the visit lies in the future", field="visited_at", value=utc_text(visited_at),
            remedy=f"Set the phone's clock (here it is {utc_text(now)}) and send the case again.",
        )  # fmt: skip


# --- out --------------------------------------------------------------------------------------------------------------


class AdviceOut(Wire):
    code: AdviceCode
    words: str
    reasons: list[str]

    @classmethod
    def of(cls, advice: Advice) -> "AdviceOut":
        return cls(code=advice.code, words=advice.words, reasons=list(advice.reasons))


class SubjectOut(Wire):
    age_months: int
    sex: Sex
    pregnancy: Pregnancy
    trimester: int | None
    altitude_m: int | None


class PhotoOut(Wire):
    """The receipt: a photo may leave the phone when `state` is not `uploading` and both digests are named."""

    case_id: Id
    photo_id: Id
    state: Literal["uploading", "waiting", "refused", "scored"]
    received_bytes: int
    bytes: int
    uploaded_sha256: Sha256
    stored_sha256: Sha256 | None
    received_at: Moment | None
    refusal: str | None
    quality: dict[str, Any] | None
    retake: list[str] = Field(description="Why another photo is asked for, in words for the person with the phone")
    same_photo_cases: list[str] = Field(description="Cases of other subjects that hold the same photograph")


class LabelOut(Wire):
    label_id: Id
    case_id: Id
    table: str
    group: str | None
    hb_value: str
    hb_unit: str
    hb_g_per_l: str
    adjusted_g_per_l: str
    altitude: Literal["adjusted", "not adjusted"]
    severity: str | None
    anaemic: bool | None
    no_criterion: str | None
    eligible: bool
    withheld: list[str]
    supersedes: Id | None
    derived_at: Moment
    written: bool = Field(description="The record is durable in the object store")


class CaseOut(Wire):
    case_id: Id
    site: Site
    subject_code: str
    visited_at: Moment
    received_at: Moment
    subject: SubjectOut
    danger_signs: list[DangerSign]
    severe_pallor: bool
    sore_eye: bool
    consent_to_training: bool
    amended: bool
    status: Status
    advice: AdviceOut
    photos: list[PhotoOut]
    label: LabelOut | None
    warnings: list[str]


class CaseReceipt(Wire):
    """What the phone needs to know that its case has arrived."""

    case_id: Id
    submitted_digest: Sha256
    received_at: Moment


class LabResultOut(Wire):
    result_id: Id
    case_id: Id
    hb_value: str
    hb_unit: str
    hb_g_per_l: str
    taken_at: Moment
    specimen: Specimen
    loinc: str | None
    method: str | None
    received_at: Moment


class AmendmentOut(Wire):
    amendment_id: Id
    case_id: Id
    changes: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    made_at: Moment
    made_by: str


class PredictionOut(Wire):
    photo_id: Id
    case_id: Id
    release_id: str
    probability: float
    shown: bool
    engine: dict[str, Any]
    seconds: float
    recorded_at: Moment


class ChangeOut(Wire):
    kind: Literal["case", "photo", "prediction", "lab-result", "amendment", "label"]
    id: Id
    case_id: Id
    at: Moment


class ReleaseOut(Wire):
    release_id: str
    digest: Sha256
    world: str
    status: str
    label_table: str
    threshold: float
    figures: list[dict[str, Any]]


class ReleasePage(Wire):
    items: list[ReleaseOut]


class CasePage(Wire):
    items: list[CaseOut]
    next: str | None


class LabelPage(Wire):
    items: list[LabelOut]
    next: str | None


class PredictionPage(Wire):
    items: list[PredictionOut]
    next: str | None


class ChangePage(Wire):
    """`next` is always given: ask again with it for what comes later."""

    items: list[ChangeOut]
    next: str
    more: bool


class WorkerOut(Wire):
    worker: str
    release_id: str
    engine_flavour: str
    max_difference: float | None
    fault: str | None
    reported_at: Moment


class LiveOut(Wire):
    live: Literal[True]
    world: str


class ReadyOut(Wire):
    ready: bool
    release_id: str | None
    faults: list[str]
    workers: list[WorkerOut]
