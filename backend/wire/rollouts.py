"""In and out of rollouts: what an administrator moves, and what nodes say of themselves."""

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from backend.wire.fields import Moment, Plain, Secret, Sha256, Site, Wire
from pallor.node_report import NodeReport
from pallor.release.channel import Cohort

_Channel = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", examples=["main"])]
_ReleaseId = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$", max_length=64)]
_Percent = Annotated[FiniteFloat, Field(gt=0, le=100, description="Of the known nodes, and at least one")]
_Words = Annotated[Plain, Field(min_length=1, max_length=500)]
_Need = Annotated[Plain, Field(min_length=1, max_length=64)]


class ChannelPath(Wire):
    channel: _Channel


class StartIn(Wire):
    release_id: _ReleaseId = Field(description="Signed by people, at or above the floor")
    percent: _Percent = 1.0
    sites: list[Site] = Field(default=[], max_length=200, description="Nodes of these sites alone; empty: of any")
    hardware: list[_Need] = Field(default=[], max_length=16, description="Nodes with all of this, such as sm86")
    challenger_id: _ReleaseId | None = Field(default=None, description="Answers beside it and is never shown")
    note: Plain = Field(default="", max_length=500)


class AdvanceIn(Wire):
    percent: _Percent | None = Field(default=None, description="The next of 1, 10, 50, 100, unless said")
    note: Plain = Field(default="", max_length=500, description="Needed when it was halted")


class ReasonIn(Wire):
    reason: _Words


class ProgressOut(Wire):
    known: int = Field(description="Nodes that were let in")
    reached: int
    counts: int = Field(description="Golden photos answered, and then 5 cases, or a day long")
    trying: int
    waiting: int
    failed: int = Field(description="Took it off again by themselves")
    silent: int = Field(description="Reached, and not heard of for a day or longer")
    reasons: dict[str, int]


class WordOut(Wire):
    """One word of a channel's history."""

    seq: int
    channel: str
    rollout_id: str
    kind: Literal["start", "advance", "halt", "rollback", "challenge"]
    release_id: str
    previous_id: str | None
    percent: float
    share: int = Field(description="A node is meant whose bucket is below it")
    sites: list[str]
    hardware: list[str]
    challenger_id: str | None
    note: str
    reason: str | None
    evidence: dict[str, Any] = Field(description="What was known when it was decided")
    made_at: Moment
    made_by: str
    signed_at: Moment | None


class RolloutOut(Wire):
    word: WordOut
    running: bool
    progress: ProgressOut
    against: str | None = Field(description="What would have it taken back, in words")


class HistoryPage(Wire):
    items: list[WordOut]
    next: str | None


class NodeOut(Wire):
    name: str
    sites: list[Site]
    voice: Literal["fresh", "stale", "lost"]
    heard_at: Moment | None
    report: dict[str, Any] | None = Field(description="Its newest word, as it was signed")


class NodePage(Wire):
    items: list[NodeOut]


class EngineIn(Wire):
    flavour: Plain = Field(max_length=64)
    version: Plain = Field(max_length=64)
    precision: Plain = Field(max_length=16)
    model_digest: Sha256
    max_difference: FiniteFloat
    golden: list[FiniteFloat] = Field(max_length=32)
    fallback: Plain | None = Field(max_length=300, description="Why it is not the engine that was meant")


class SteppedIn(Wire):
    release_id: _ReleaseId
    reason: Plain = Field(min_length=1, max_length=32)
    said: Plain = Field(max_length=300)
    at: Moment


class ReportIn(Wire):
    """What a node says of itself; `pallor.node_report` says what is signed."""

    device: Plain = Field(max_length=32)
    sequence: Annotated[int, Field(strict=True, ge=1, lt=2**31)]
    sent_at: Moment
    world: Literal["real", "synthetic"]
    release_id: _ReleaseId | None
    manifest: Sha256 | None
    rollout: Plain | None = Field(max_length=36)
    since: Moment | None
    cases: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
    trial: Annotated[bool, Field(strict=True)]
    engine: EngineIn | None
    challenger: _ReleaseId | None
    stepped_back: SteppedIn | None
    stale_since: Moment | None
    hardware: list[_Need] = Field(max_length=32)
    versions: dict[_Need, _Need] = Field(max_length=16)
    disk_free_bytes: Annotated[int, Field(strict=True, ge=0, le=10**15)]
    errors: list[Annotated[Plain, Field(max_length=300)]] = Field(max_length=16)


class NodeReportIn(Wire):
    report: ReportIn
    signature: Annotated[Secret, Field(max_length=128)] = Field(description="Ed25519, base64")


class NodeReportOut(Wire):
    sequence: int


def to_cohort(body: StartIn) -> Cohort:
    return Cohort(tuple(body.sites), tuple(body.hardware))


def to_node_report(body: ReportIn) -> NodeReport:
    """The report as its node spelled it; raises ``ReportUnreadable``."""
    return NodeReport.from_json(body.model_dump(mode="json"))
