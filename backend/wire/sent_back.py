"""Out: lines that were sent back to laboratories."""

from typing import Literal

from pydantic import Field

from backend.wire.fields import Id, Moment, Wire
from backend.wire.received import PageQuery

Way = Literal["json", "batch", "fhir", "hl7", "sheet"]


class SentBackQuery(PageQuery):
    looked_after: bool = Field(default=False, description="Instead those that somebody has looked after")


class SentBackPath(Wire):
    sent_back_id: Id


class SentBackOut(Wire):
    sent_back_id: Id
    sender: str
    way: Way
    number: int | None = Field(description="Of its row, item, entry or OBX")
    code: str = Field(description="Stable; the words around it may improve")
    field: str
    reason: str
    remedy: str
    specimen_barcode: str | None
    case_id: Id | None
    times: int = Field(description="The same was refused so many times")
    first_at: Moment
    last_at: Moment
    looked_after_at: Moment | None
    looked_after_by: str | None


class SentBackPage(Wire):
    items: list[SentBackOut]
    next: str | None
