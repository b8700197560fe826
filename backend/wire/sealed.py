"""In and out of the sealed door: what phones seal to, what a submission's header says, and its receipt."""

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, StrictBool, StrictStr

from backend.services.take_in_photo import Declaration
from backend.wire.fields import Id, Moment, Plain, Sha256, Site, Whole, Wire
from pallor.errors import Refused
from pallor.photo import PhotoRole

MAX_PARTS = 12
Kind = Literal["case", "photos", "amendment", "consent", "follow-up", "acknowledgement"]
_Measured = Annotated[FiniteFloat, Field(ge=0, le=1_000_000)] | None
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class SubmissionContradicted(Refused):
    """The header says one thing, the address or the body another."""


class SealedPath(Wire):
    submission_id: Id


class SealedQuery(Wire):
    site: Site


class Capture(Wire):
    """How a photo was taken, as far as the phone tells; of the phone, never of the person."""

    phone_model: Plain | None = Field(default=None, max_length=64)
    torch: StrictBool | None = None
    exposure_ms: _Measured = None
    iso: _Measured = None
    focus_m: _Measured = None
    white_balance_k: _Measured = None
    source: Literal["camera", "gallery"]
    handles: list[tuple[_Share, _Share]] | None = Field(
        default=None, max_length=16, description="Of the region, as they were moved: x, y as shares of the photo"
    )


class Part(Wire):
    photo_id: Id
    sha256: Sha256
    bytes: Annotated[Whole, Field(ge=1)]
    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    captured_at: Moment
    eye: Literal["left", "right"] | None = None
    role: PhotoRole = PhotoRole.ROI
    of: Id | None = None
    capture: Capture | None = None


class Header(Wire):
    """What a submission says of itself, sealed together with its parts."""

    submission_id: Id
    kind: Kind
    site: Site
    sealed_at: Moment
    case_id: Id
    body: dict[str, Any] | None = None
    amendment_id: Id | None = None
    consent_id: Id | None = None
    follow_up_id: Id | None = None
    result_id: Id | None = None
    parts: list[Part] = Field(default=[], max_length=MAX_PARTS)


class PublicJwk(Wire):
    """RFC 7517, on P-256."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["enc"]
    alg: Literal["ECDH-ES"]


class SiteKey(Wire):
    """A site's key, and what a phone without a network needs to know of the site."""

    site: Site
    jwk: PublicJwk
    practice: bool
    altitude_m: int | None = Field(description="For whoever says that they live there; null: nobody has said")


class SealingKeys(Wire):
    keys: list[SiteKey] = Field(description="One for each site that the caller reaches: the newest")


class SealedProgress(Wire):
    submission_id: Id
    state: Literal["uploading"]
    received_bytes: int
    bytes: int


class PhotoReceipt(Wire):
    photo_id: Id
    state: Literal["waiting", "refused", "scored", "kept", "not-kept"] = Field(
        description="When it was taken in. `kept`: a context photo. `not-kept`: one without consent to training"
    )
    refusal: str | None


class SealedReceipt(Wire):
    """It may leave the phone when the digest of the blob and of every part are named here."""

    submission_id: Id
    sealed_sha256: Sha256
    received_at: Moment
    case_id: Id
    state: Literal["received"]
    digests: dict[StrictStr, Sha256] = Field(description="Of every part, by its photo id")
    photos: list[PhotoReceipt]


class PutAside(Wire):
    """Something that was refused; what is in it is shown to nobody before it is taken in."""

    submission_id: Id
    site: Site
    bytes: int
    sealed_sha256: Sha256
    kind: str | None = Field(description="As far as it could be opened")
    case_id: str | None
    declared_at: Moment = Field(description="When its first byte came")
    declared_by: str
    put_aside_at: Moment
    code: str = Field(description="Why it was refused, and in words:")
    detail: str


class PutAsidePage(Wire):
    items: list[PutAside]
    next: str | None


class DiscardIn(Wire):
    reason: Plain = Field(min_length=3, max_length=300, description="For the audit trail; no names")


class DiscardedOut(Wire):
    submission_id: Id
    state: Literal["discarded"]


def check_header(header: Header, submission_id: str, site: str) -> None:
    """Raise ``SubmissionContradicted`` unless the header fits where it was sent, and its parts fit together."""
    for name, said, meant in (("submission_id", header.submission_id, submission_id), ("site", header.site, site)):
        if said != meant:
            raise _contradicted(name, said, "the address names another", "Send it to the address that it was made for.")
    if header.parts and header.kind not in ("case", "photos"):
        raise _contradicted("parts", len(header.parts), f"photos do not belong to {header.kind}", "Seal them apart.")
    if header.kind == "photos" and not header.parts:
        raise _contradicted("parts", 0, "there is no photo", "Seal at least one.")
    regions = {part.photo_id for part in header.parts if part.role is PhotoRole.ROI}
    if len({part.photo_id for part in header.parts}) < len(header.parts):
        raise _contradicted("parts", len(header.parts), "two photos have the same id", "Make an id for each.")
    for number, part in enumerate(header.parts):
        if (part.of in regions) != (part.role is PhotoRole.CONTEXT) or (part.role is PhotoRole.ROI and part.of):
            raise _contradicted(
                f"parts.{number}.of", part.of, "a context photo names the photo that it surrounds, and no other does",
                "Name the photo id of a region in the same submission, or leave it out.",
            )  # fmt: skip


def to_declaration(case_id: str, part: Part) -> Declaration:
    return Declaration(
        case_id=case_id,
        photo_id=part.photo_id,
        uploaded_sha256=part.sha256,
        bytes=part.bytes,
        media_type=part.media_type,
        captured_at=part.captured_at,
        eye=part.eye,
        role=part.role,
        of=part.of,
        capture=part.capture.model_dump(mode="json", exclude_none=True) if part.capture else None,
    )


def needed(header: Header, name: str) -> str:
    """The id of what a header is about, besides the case; raises ``SubmissionContradicted``."""
    found = getattr(header, name)
    if found is None:
        raise _contradicted(name, None, f"a submission of kind {header.kind} has one", "Send it.")
    return str(found)


def _contradicted(field: str, value: object, reason: str, remedy: str) -> SubmissionContradicted:
    return SubmissionContradicted(reason, field=field, value=value, remedy=remedy)
