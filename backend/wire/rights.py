"""The rights of the people in the photos: consent given and withdrawn, and erasure; what comes in and what goes out."""

from datetime import datetime
from typing import Literal

from pydantic import Field, StrictBool, StrictStr

from backend.wire.fields import Id, Moment, Sha256, Site, Wire
from backend.wire.received import Wording, check_not_ahead
from pallor.consent import Consent, Purpose

Reason = Literal["withdrawn", "request", "mistake"]
Cause = Literal["withdrawn", "request", "mistake", "retention"]  # the last is the sweeper's


class ConsentPath(Wire):
    case_id: Id
    consent_id: Id


class StatementIn(Wire):
    """One consent given or withdrawn."""

    purpose: Purpose
    given: StrictBool = Field(description="false: it is withdrawn, and for every visit of this person at this site")
    at: Moment = Field(description="When the person said so")
    wording: Wording


class StatementOut(Wire):
    consent_id: Id
    case_id: Id
    purpose: Purpose
    given: bool
    at: Moment
    wording: str
    recorded_at: Moment
    recorded_by: str


class ErasurePath(Wire):
    erasure_id: Id


class ErasureIn(Wire):
    site: Site
    subject_code: StrictStr = Field(
        min_length=1, max_length=64, description="The code on the person's card", examples=["A-017"]
    )
    reason: Reason = Field(description="Of a list, since it stays on record")


class ErasureOut(Wire):
    """That something was erased; never what, and never of whom."""

    erasure_id: Id
    site: Site
    reason: Cause
    cases: int
    photos: int
    snapshots: list[Sha256] = Field(description="Snapshots that held it; incomplete since")
    releases: list[str] = Field(description="Releases that learned from it")
    asked_at: Moment
    asked_by: str
    done_at: Moment | None = Field(description="When the last stored photo, and the last trace on disk, had gone")


class ErasurePage(Wire):
    items: list[ErasureOut]
    next: str | None


def to_consent(body: StatementIn, now: datetime) -> Consent:
    """When it was said and on which words; raises ``MomentInFuture``."""
    check_not_ahead("at", body.at, now)
    return Consent(body.at, body.wording)
