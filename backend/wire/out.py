"""What goes out."""

from typing import Any, Literal

from pydantic import Field

from backend.wire.fields import Id, Moment, Sha256, Site, Wire
from backend.wire.follow_up import AlertOut, FollowUpOut
from backend.wire.received import PageQuery
from pallor.advice import Advice, AdviceCode
from pallor.case import DangerSign, Status
from pallor.eligibility import Reason
from pallor.lab import Performer, Specimen
from pallor.photo import PhotoRole
from pallor.reported import Rejection
from pallor.subject import AltitudeSource, Pregnancy, Sex, Smoking
from pallor.verification import WhyBlood


class AdviceOut(Wire):
    code: AdviceCode
    words: str
    reasons: list[str]

    @classmethod
    def of(cls, advice: Advice, *, practice: bool) -> "AdviceOut":
        words = f"Practice, nobody is treated by this. {advice.words}" if practice else advice.words
        return cls(code=advice.code, words=words, reasons=list(advice.reasons))


class SubjectOut(Wire):
    age_months: int
    sex: Sex
    pregnancy: Pregnancy
    trimester: int | None
    altitude_m: int | None
    altitude_source: AltitudeSource | None = None
    pregnancy_weeks: int | None = None
    smoking: Smoking | None = None


class PhotoOut(Wire):
    """The receipt: a photo may leave the phone when `state` is not `uploading` and both digests are named."""

    case_id: Id
    photo_id: Id
    state: Literal["uploading", "waiting", "refused", "scored", "kept"]
    received_bytes: int
    bytes: int
    uploaded_sha256: Sha256
    stored_sha256: Sha256 | None
    captured_at: Moment
    eye: Literal["left", "right"] | None
    role: PhotoRole
    capture: dict[str, Any] | None = Field(description="How it was taken, as far as the phone told")
    received_at: Moment | None
    refusal: str | None
    quality: dict[str, Any] | None
    retake: list[str] = Field(description="Why another photo is asked for, in words for the person with the phone")
    same_photo_cases: list[str] = Field(description="Cases of other subjects that hold the same photograph")


class LabelOut(Wire):
    label_id: Id
    case_id: Id
    practice: bool
    table: str
    group: str | None
    lab_result_id: Id
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
    retracted: bool = Field(description="Its result was taken back, and no other stands")
    supersedes: Id | None
    derived_at: Moment
    written: bool = Field(description="The record is durable in the object store")


class ResultOut(Wire):
    """A laboratory result of a case, as the field sees it."""

    result_id: Id
    hb_value: str
    hb_unit: str
    hb_g_per_l: str
    taken_at: Moment
    specimen: Specimen
    supersedes: Id | None
    superseded: bool = Field(description="Another has corrected it")


class ConsentOut(Wire):
    """As it stands: a withdrawal holds for every visit of the person at this site."""

    given: bool
    at: Moment | None = Field(description="When it was last given for this visit")
    wording: str | None
    withdrawn_at: Moment | None


class ConsentsOut(Wire):
    care: ConsentOut
    training: ConsentOut


class RecollectOut(Wire):
    """The laboratory could not use the specimen: blood has to be taken again."""

    reason: Rejection
    asked_at: Moment


class CaseOut(Wire):
    case_id: Id
    site: Site
    practice: bool = Field(description="Of a site where people practise: it never counts")
    subject_code: str
    visited_at: Moment
    received_at: Moment
    subject: SubjectOut
    danger_signs: list[DangerSign]
    severe_pallor: bool
    sore_eye: bool
    specimen_barcode: str | None = None
    recollect: RecollectOut | None = Field(description="Open until a value comes")
    consent: ConsentsOut
    amended: bool
    status: Status
    advice: AdviceOut
    photos: list[PhotoOut]
    label: LabelOut | None
    results: list[ResultOut] = Field(description="In the order in which they came, also those that were corrected")
    alert: AlertOut | None
    follow_up: FollowUpOut | None
    why_blood: WhyBlood = Field(description="Why blood is taken, by what was said when the photo was taken")
    warnings: list[str]


class EligibilityOut(Wire):
    """Cases by their newest label; a case that is withheld for two reasons counts in both."""

    eligible: int
    withheld: dict[Reason, int]


class WithheldQuery(PageQuery):
    site: Site | None = None


class SiteQuery(Wire):
    site: Site | None = None


class ReasonPath(Wire):
    reason: Reason


class WithheldOut(Wire):
    case_id: Id
    label_id: Id
    site: Site
    subject_code: str
    withheld: list[str] = Field(description="Every reason")
    since: Moment


class WithheldPage(Wire):
    items: list[WithheldOut]
    next: str | None


class CaseReceipt(Wire):
    """What the phone needs to know that its case has arrived."""

    case_id: Id
    submitted_digest: Sha256
    received_at: Moment


class LabResultOut(Wire):
    result_id: Id
    case_id: Id
    practice: bool = Field(description="Of a practice site: it never counts")
    hb_value: str
    hb_unit: str
    hb_g_per_l: str
    taken_at: Moment
    specimen: Specimen
    loinc: str | None
    method: str | None
    device: str | None
    performer: Performer
    resulted_at: Moment | None
    supersedes: Id | None
    retracted: Literal["taken-back", "entered-in-error", "cancelled", "specimen-rejected"] | None
    counts_for_clearance: bool = Field(description="Venous blood on a laboratory's analyser")
    unusual: bool = Field(description="A value that few living people have: look at it again")
    received_at: Moment


class AmendmentOut(Wire):
    amendment_id: Id
    case_id: Id
    changes: dict[str, Any]
    before: dict[str, Any] | None = Field(description="null for a phone that only delivers")
    after: dict[str, Any] | None
    reason: str
    made_at: Moment
    made_by: str


class PredictionOut(Wire):
    photo_id: Id
    case_id: Id
    practice: bool
    release_id: str
    probability: float
    shown: bool
    engine: dict[str, Any]
    seconds: float
    recorded_at: Moment


class ChangeOut(Wire):
    kind: Literal[
        "case", "photo", "prediction", "lab-result", "lab-retraction", "recollect", "amendment", "consent", "label",
        "follow-up", "alert", "erased",
    ]  # fmt: skip
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
    slot: str
    release_id: str
    engine_flavour: str
    precision: str | None
    fallback: str | None
    processes: int
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
    warnings: list[str]
    workers: list[WorkerOut]
