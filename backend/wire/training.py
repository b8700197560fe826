"""In and out of training: snapshots, what the trainer finds in them, and candidates."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, StrictBool

from backend.services.post_candidate import SnapshotState
from backend.wire.fields import Id, Moment, Plain, Sha256, Whole, Wire
from pallor.candidate import CandidateReport, Gate, GateRefusal
from pallor.errors import Refused
from pallor.release.manifest import Figure

World = Literal["real", "synthetic"]
_ReleaseId = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$", max_length=64, examples=["child-eye-2026-11"])
]
_Name = Annotated[Plain, Field(min_length=1, max_length=200)]
_Number = Annotated[FiniteFloat, Field(strict=True)]


class GateContradictsItself(Refused):
    """A candidate passes when nothing speaks against it, and only then."""


class ReleaseIdContradicted(Refused):
    """The path names one release, the body another."""


class DueIn(Wire):
    """What the trainer made last; left out before its first run."""

    snapshot: Sha256 | None = Field(default=None, description="Of its last run, however that ended")
    begun_at: Moment | None = Field(default=None, description="When that run was begun")
    new_cases: Whole = Field(ge=1, le=1_000_000, description="So many new or lost cases are enough")
    days: Whole = Field(ge=0, le=3650, description="After so many, one is enough")


class DueOut(Wire):
    due: bool
    said: str = Field(description="Why, or what is missing")
    eligible: int = Field(description="Cases that may teach a model now")
    came: int = Field(description="Of them, new since the last run")
    went: int = Field(description="Of the last run's, how many may not teach any more")
    alarms: list[str] = Field(description="Drift that was found since then and that nobody has settled")


class SnapshotPath(Wire):
    digest: Sha256


class CandidatePath(Wire):
    release_id: _ReleaseId


class SamePhotoGroup(Wire):
    photos: list[Sha256] = Field(min_length=1, max_length=100_000, description="Stored photos, by digest")


class SamePhotoGroupsIn(Wire):
    """What the trainer found in a snapshot; it replaces what was reported of this snapshot before."""

    method: Plain = Field(min_length=1, max_length=64, description="How it was found", examples=["points-and-pixels-1"])
    groups: list[SamePhotoGroup] = Field(
        max_length=100_000, description="Each one photograph; a photo lies in one group, or in none when it is alone"
    )


class GateRefusalIO(Wire):
    reason: _Name = Field(description="Stable")
    said: Plain = Field(min_length=1, max_length=2000)


class GateIO(Wire):
    passed: StrictBool
    refusals: list[GateRefusalIO] = Field(max_length=200)


class FigureIO(Wire):
    name: _Name
    protocol: _Name
    value: _Number
    low: _Number | None = None
    high: _Number | None = None
    count: Annotated[Whole, Field(ge=0, le=1_000_000_000)] | None = None


class CandidateIn(Wire):
    """What training made, and what the gate says of it."""

    release_id: _ReleaseId
    manifest_digest: Sha256
    snapshot_digest: Sha256
    recipe_digest: Sha256
    world: World
    gate: GateIO
    figures: list[FigureIO] = Field(max_length=20_000)
    made_at: Moment


class SnapshotOut(Wire):
    digest: Sha256
    photos: int
    cases: int
    world: str
    made_at: Moment
    made_by: str
    incomplete_since: Moment | None = Field(
        description="When somebody in it was erased: it cannot be read any more; export another"
    )


class SnapshotPage(Wire):
    items: list[SnapshotOut]
    next: str | None


class SamePhotoGroupsOut(Wire):
    snapshot_digest: Sha256
    method: str
    groups: int
    photos: int = Field(description="Digests that are known here")
    unknown_photos: int = Field(description="Digests that are not, such as those of imported photos")
    withheld: int = Field(description="Labels that it keeps from training: their photo is another subject's as well")
    received_at: Moment


class CandidateOut(CandidateIn):
    snapshot: SnapshotState = Field(
        description="`incomplete`: somebody in it was erased since. `unknown`: it was not exported here"
    )
    posted_at: Moment
    posted_by: str


class CandidatePage(Wire):
    items: list[CandidateOut]
    next: str | None


def to_report(release_id: str, body: CandidateIn) -> CandidateReport:
    """The report that a request speaks of; raises ``ReleaseIdContradicted`` or ``GateContradictsItself``."""
    if body.release_id != release_id:
        raise ReleaseIdContradicted(
            "the path names another release", field="release_id", value=body.release_id,
            remedy="Send the report to the path of its own release id.",
        )  # fmt: skip
    gate = Gate(tuple(GateRefusal(one.reason, one.said) for one in body.gate.refusals))
    if gate.passed != body.gate.passed:
        raise GateContradictsItself(
            "a gate that passed names no refusal, and one that did not names at least one",
            field="gate.passed", value=body.gate.passed, remedy="Send every refusal, or none.",
        )  # fmt: skip
    return CandidateReport(
        release_id=body.release_id,
        manifest_digest=body.manifest_digest,
        snapshot_digest=body.snapshot_digest,
        recipe_digest=body.recipe_digest,
        world=body.world,
        gate=gate,
        figures=tuple(Figure(**dict(figure)) for figure in body.figures),
        made_at=body.made_at,
    )


class CorrectionOut(Wire):
    """A label that was wrong: what it said, what is said now, and who learned from it."""

    case_id: Id
    label_id: Id
    hb_g_per_l: str
    new_label_id: Id
    new_hb_g_per_l: str | None = Field(description="null: no value stands")
    corrected_at: Moment
    snapshots: list[Sha256]
    releases: list[str]


class CorrectionPage(Wire):
    items: list[CorrectionOut]
    next: str | None
