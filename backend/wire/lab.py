"""What laboratories send as JSON, and what they are told."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
    WithJsonSchema,
)

from backend.wire.fields import Age, Barcode, Id, Moment, Plain, Reported, Site, Whole, Wire
from backend.wire.lab_line import Given, to_line, years
from backend.wire.received import AgeAmbiguous, PageQuery
from pallor.lab import Performer, Specimen
from pallor.reported import Rejection, ReportedHb, ReportStatus
from pallor.subject import Sex

MOST_IN_A_BATCH = 1000
State = Literal[
    "recorded", "noted", "waiting", "worklist", "overtaken", "superseded", "retracted", "dismissed"
]  # fmt: skip


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or len(value) != len("2026-11-01"):
        raise ValueError("a day is text, such as 2026-11-01")
    try:
        return date.fromisoformat(value)
    except ValueError:  # its words would repeat what was sent
        raise ValueError("a day is text, such as 2026-11-01") from None


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


class ValueIn(Wire):
    model_config = ConfigDict(extra="ignore", frozen=True)

    value: Reported = Field(description="As the analyser printed it; text keeps every digit", examples=["10.4"])
    unit: Plain | None = Field(default=None, max_length=16, description="UCUM, or a listed spelling; never guessed")


class LabReportIn(Wire):
    """One line of a report. Whatever is not named here is dropped before anything is stored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    business_id: StrictStr = Field(
        min_length=1, max_length=200,
        description="Your own number of this measurement, the same again when you correct it; only its digest is kept",
        examples=["L-2026-0815"],
    )  # fmt: skip
    status: ReportStatus = ReportStatus.FINAL
    hb: ValueIn | None = Field(default=None, description="With final and corrected")
    loinc: Plain | None = Field(default=None, max_length=16, examples=["718-7"])
    specimen: Specimen = Specimen.UNKNOWN
    method: Plain | None = Field(default=None, max_length=64)
    device: Plain | None = Field(default=None, max_length=64, description="The analyser")
    performer: Performer = Performer.UNKNOWN
    taken_at: Moment | None = Field(default=None, description="When the blood was drawn")
    resulted_at: Moment | None = Field(default=None, description="When the value was known; of two, the later stands")
    rejected_because: Rejection | None = Field(default=None, description="With specimen-rejected")
    specimen_barcode: Barcode | None = None
    case_id: Id | None = None
    subject_code: StrictStr | None = Field(default=None, max_length=64, description="With visited_on; a human confirms")
    visited_on: Day | None = None
    age_months: Age | None = None
    age_years: Whole | None = Field(
        default=None, ge=0, le=120, description="Completed years, where months are not known"
    )
    sex: Sex | None = None


class LabBatchIn(Wire):
    items: list[Any] = Field(
        max_length=MOST_IN_A_BATCH,
        description="Each as `LabReportIn`; what is wrong with one costs no other",
    )


class LabReportOut(Wire):
    """`state`: recorded, noted, waiting for its case, on the worklist for a human, overtaken by a later word, ..."""

    report_id: Id
    state: State
    reason: str | None = Field(description="Why it waits or is on the worklist; stable")
    case_id: Id | None
    result_id: Id | None
    repeated: bool = Field(description="The same had come before")


class LabBatchItem(Wire):
    index: int
    status: int = Field(description="As if it had been sent alone")
    report: LabReportOut | None
    problem: dict[str, Any] | None = Field(description="A Problem, as it would have been answered alone")


class LabBatchOut(Wire):
    items: list[LabBatchItem]


class PreviewHeaders(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    preview_token: StrictStr = Field(
        alias="Preview-Token", max_length=200, description="Of the preview that was looked at"
    )


class PreviewRowOut(Wire):
    row: int = Field(description="As the sheet counts: its heading is 1")
    fate: State | Literal["repeated", "refused"]
    reason: str | None = Field(description="Why it waits, is on the worklist or is refused; stable")
    field: str | None
    said: str | None = Field(description="Of a refused row, what is wrong and what to do")
    specimen_barcode: str | None = Field(default=None, description="Of a row that could be read, as what follows")
    case_id: str | None = None
    hb_value: str | None = None
    hb_unit: str | None = None
    hb_g_per_l: str | None = None
    unusual: StrictBool = Field(default=False, description="A value that few living people have: look at it again")


class SheetPreviewOut(Wire):
    rows: list[PreviewRowOut]
    columns_dropped: int = Field(description="Columns whose headings are not known were not read")
    token: str


class SheetRowOut(Wire):
    row: int
    status: int = Field(description="As if it had been sent alone")
    report: LabReportOut | None
    problem: dict[str, Any] | None


class SheetOut(Wire):
    rows: list[SheetRowOut]


class LabCandidateOut(Wire):
    """A case among which a human may choose: what stands on its form, and nothing of what a model made of it."""

    case_id: Id
    site: Site
    subject_code: str
    visited_at: Moment
    age_months: int
    sex: Sex
    specimen_barcode: str | None


class OpenReportOut(Wire):
    """A line that is open, with all that it says."""

    report_id: Id
    state: State
    reason: str | None
    status: ReportStatus
    sender: str
    hb_value: str | None
    hb_unit: str | None
    taken_at: Moment | None
    specimen_barcode: str | None
    subject_code: str | None
    visited_on: Day | None
    age_months: list[int] | None = Field(description="From and to, both included, as far as the line tells")
    sex: Sex | None
    candidates: list[LabCandidateOut]
    received_at: Moment


class OpenReportPage(Wire):
    items: list[OpenReportOut]
    next: str | None


class ReportPath(Wire):
    report_id: Id


class ReportQuery(PageQuery):
    state: Literal["waiting", "worklist"] | None = Field(default=None, description="Left out: both")
    site: Site | None = Field(default=None, description="Left out: all of yours")


class DecisionIn(Wire):
    """Either the case that the line is about, or why it is about none."""

    case_id: Id | None = None
    dismiss: Plain | None = Field(default=None, min_length=3, max_length=300, description="A reason; no names")


class RetractionIn(Wire):
    kind: Literal["taken-back", "entered-in-error"]
    reason: Plain | None = Field(default=None, min_length=3, max_length=300, description="With entered-in-error")


class LabelsIn(Wire):
    count: Whole = Field(default=8, ge=1, le=80, description="Numbers, each on three labels; a sheet holds eight")


def to_reported(body: LabReportIn, now: datetime) -> ReportedHb:
    """The line that a body speaks of; raises ``Refused``."""
    if body.age_months is not None and body.age_years is not None:
        raise AgeAmbiguous(
            "the age is given twice", field="age_years", value=body.age_years, remedy="Send age_months or age_years."
        )
    age = (body.age_months, body.age_months) if body.age_months is not None else None
    given = Given(
        business_id=body.business_id,
        status=body.status,
        value=body.hb.value if body.hb else None,
        unit=body.hb.unit if body.hb else None,
        loinc=body.loinc,
        specimen=body.specimen,
        method=body.method,
        device=body.device,
        performer=body.performer,
        rejection=body.rejected_because,
        taken_at=body.taken_at,
        resulted_at=body.resulted_at,
        barcode=body.specimen_barcode,
        case_id=body.case_id,
        subject_code=body.subject_code,
        visited_on=body.visited_on,
        age_months=years(body.age_years) if body.age_years is not None else age,
        sex=body.sex,
    )
    return to_line(given, now)


def read_item(item: Any) -> LabReportIn | ValidationError:
    """One item of a batch, or what is wrong with it."""
    try:
        return LabReportIn.model_validate(item)
    except ValidationError as error:
        return error
