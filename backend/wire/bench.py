"""Out: what a technician at the bench sees: specimens, what would be recorded, and the day."""

from datetime import date
from typing import Literal

from pydantic import Field, StrictBool

from backend.wire.fields import Id, Moment, Plain, Site, Wire
from backend.wire.lab import Day, State
from backend.wire.out import RecollectOut
from backend.wire.received import PageQuery
from pallor.lab import Specimen
from pallor.subject import Sex


class SpecimenQuery(PageQuery):
    number: Plain | None = Field(
        default=None, min_length=1, max_length=64,
        description="Of the tube, or of the case: its case alone, with a value or without",
    )  # fmt: skip
    site: Site | None = None
    only_tubes: bool = Field(default=False, description="Leave out those of whom no tube was scanned")


class StandingOut(Wire):
    """A value that stands."""

    result_id: Id
    hb_value: str
    hb_unit: str
    hb_g_per_l: str
    taken_at: Moment
    specimen: Specimen
    method: str | None
    device: str | None
    received_at: Moment
    received_by: str


class SpecimenOut(Wire):
    """Whose tube it is, as the form says, and nothing of what a model made of it."""

    case_id: Id
    site: Site
    subject_code: str
    visited_at: Moment
    received_at: Moment
    age_months: int
    sex: Sex
    specimen_barcode: str | None
    results: list[StandingOut]
    recollect: RecollectOut | None
    scored_photos: list[Id] = Field(description="Whose answers may be looked at; none before a value is in")


class SpecimenPage(Wire):
    items: list[SpecimenOut]
    next: str | None


class LinePreviewOut(Wire):
    """What would become of a line; nothing was written."""

    fate: State | Literal["repeated"]
    reason: str | None
    hb_value: str | None
    hb_unit: str | None
    hb_g_per_l: str | None
    unusual: StrictBool = Field(description="A value that few living people have: look at it again")
    specimen: Specimen
    method: str | None = Field(description="Null for what reads as no method: it would not be kept")
    device: str | None
    taken_at: Moment | None


class DayQuery(Wire):
    day: Day = Field(ge=date(2000, 1, 1), lt=date(2200, 1, 1), description="Of the laboratory's time zone")
    site: Site | None = None


class DayEntryOut(Wire):
    kind: Literal["result", "correction", "retraction", "recollect", "waiting"]
    at: Moment
    by: str
    entry_id: Id = Field(description="Of the result, the retraction or the line")
    result_id: Id | None
    case_id: Id | None
    site: Site | None
    subject_code: str | None
    specimen_barcode: str | None
    hb_value: str | None
    hb_unit: str | None
    hb_g_per_l: str | None
    specimen: Specimen | None
    method: str | None
    device: str | None
    taken_at: Moment | None
    corrects_value: str | None
    corrects_unit: str | None
    reason: str | None
    retracted: str | None
    superseded: bool


class DayOut(Wire):
    day: date
    time_zone: str
    entries: list[DayEntryOut]
