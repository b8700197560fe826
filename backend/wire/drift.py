"""In and out: alarms that something has moved."""

from pydantic import Field, StrictStr

from backend.record.drift.cases import What, Where
from backend.services.drift_alarms import DriftState
from backend.wire.fields import Id, Moment, Plain, Wire
from backend.wire.received import PageQuery


class DriftPath(Wire):
    alarm_id: Id


class DriftQuery(PageQuery):
    release_id: StrictStr | None = Field(
        default=None, max_length=64, pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$", examples=["child-eye-2026-11"]
    )
    state: DriftState | None = None
    since: Moment | None = Field(default=None, description="Only what was raised then or later")


class SeenIn(Wire):
    note: Plain = Field(min_length=1, max_length=2000, description="What was found, and what was done about it")


class DriftOut(Wire):
    """Something has moved. Open until it is acknowledged, or until a snapshot holds cases of what is new."""

    id: Id
    release_id: str
    what: What = Field(description="What photos look like, what is said of them, or how far that was true")
    where: Where
    place: str | None = Field(description="The site, or the phone's model; null everywhere")
    since: Moment = Field(description="When the first photo was taken that belongs to what is new")
    until: Moment = Field(description="When the newest was taken that was looked at")
    cases: int = Field(description="How many belong to what is new")
    cases_before: int
    value_before: float = Field(description="The mean score, or what was said; of embeddings 0")
    value_since: float = Field(description="The mean score, or what was found; of embeddings the distance, in SD")
    said: str = Field(description="In words")
    raised_at: Moment
    state: DriftState
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    note: str | None
    learned_at: Moment | None
    learned_in: str | None = Field(description="The snapshot that holds cases of what is new")


class DriftPage(Wire):
    items: list[DriftOut]
    next: str | None
