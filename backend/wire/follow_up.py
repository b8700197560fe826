"""In and out after the visit: whom to call back, and what alarms."""

from pydantic import Field

from backend.services.alerts import AlertState
from backend.wire.fields import Id, Moment, Site, Wire
from backend.wire.received import PageQuery
from pallor.follow_up import FollowUpNote, FollowUpState
from pallor.label import Severity


class FollowUpPath(Wire):
    case_id: Id
    follow_up_id: Id


class FollowUpQuery(PageQuery):
    site: Site | None = None
    state: FollowUpState | None = None


class FollowUpIn(Wire):
    state: FollowUpState
    at: Moment = Field(description="When it was so")
    note: FollowUpNote | None = None


class FollowUpOut(Wire):
    """The newest word stands. Without one, a case whose value asks for it is `to-call`, and `at` is null."""

    state: FollowUpState
    at: Moment | None
    note: FollowUpNote | None
    recorded_by: str | None


class AlertPath(Wire):
    case_id: Id
    result_id: Id


class AlertQuery(PageQuery):
    state: AlertState | None = None


class AcknowledgementIn(Wire):
    at: Moment = Field(description="When the value was seen")


class AlertOut(Wire):
    """A haemoglobin below 70 g/L that stands, until somebody says that they have seen it, and after."""

    result_id: Id
    since: Moment
    state: AlertState
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    escalated_at: Moment | None = Field(description="When nobody had acknowledged it in time")


class AlertItem(AlertOut):
    case_id: Id
    site: Site
    subject_code: str
    hb_g_per_l: str


class AlertPage(Wire):
    items: list[AlertItem]
    next: str | None


class FollowedOut(Wire):
    """One person to follow up."""

    case_id: Id
    site: Site
    subject_code: str
    received_at: Moment
    severity: Severity | None = Field(description="Of the label, if there is one and it says one")
    follow_up: FollowUpOut
    alert: AlertOut | None


class FollowUpPage(Wire):
    items: list[FollowedOut]
    next: str | None
