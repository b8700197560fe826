"""Out: what a release is worth, by the people it was asked about before anybody knew."""

from pydantic import Field, StrictStr

from backend.wire.drift import DriftOut
from backend.wire.fields import Moment, Wire


class ReleasePath(Wire):
    release_id: StrictStr = Field(max_length=64, pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$")


class ShareOut(Wire):
    count: int = Field(description="Of how many cases")
    value: float | None = Field(description="Null where there is no case")
    low: float | None
    high: float | None


class LineOut(Wire):
    """Slope 1 and intercept 0 is calibrated; null where it cannot be told."""

    slope: float | None
    slope_low: float | None
    slope_high: float | None
    intercept: float | None


class FiguresOut(Wire):
    cases: int
    anaemic: int
    severe: int
    sensitivity: ShareOut
    specificity: ShareOut
    severe_sensitivity: ShareOut
    positive_predictive: ShareOut
    negative_predictive: ShareOut
    calibration: LineOut
    hb_bands: dict[str, ShareOut] = Field(description="How many of those with such a haemoglobin were sent for blood")


class ConditionOut(Wire):
    name: str
    holds: bool
    said: str
    missing: int = Field(description="How many cases more it takes at least, where that can be counted")


class ClearanceOut(Wire):
    """A rule decides nothing: two people sign a clearance, and this is what they read before."""

    may_be_cleared: bool
    conditions: list[ConditionOut]


class CameOut(Wire):
    sent: int
    never_came: int = Field(description="Without a value 14 days after the photo")


class RefusedOut(Wire):
    photos: int
    refused: int


class RecordOut(Wire):
    release_id: str
    known_since: Moment = Field(description="When this server first heard of it: no earlier photo counts")
    threshold: float
    protocol: str
    overall: FiguresOut
    by: dict[str, dict[str, FiguresOut]] = Field(description="Subgroups of five cases or more")
    left_out: dict[str, int] = Field(description="Scored cases that do not count, by reason")
    blood: dict[str, CameOut] = Field(description="By site, who was to have blood taken")
    refused_by_hb: dict[str, RefusedOut]
    drift: list[DriftOut] = Field(description="Every alarm that something has moved, the oldest first")
    clearance: ClearanceOut
