"""In and out of the office: sites, people, devices, how they come in, and the trail of it all."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictStr

from backend.access.enrolment import LEAST, MOST, USUAL
from backend.access.roles import DeviceKind, DeviceState, PersonState, Role
from backend.wire.fields import Altitude, Moment, Plain, Secret, Sha256, Site, Whole, Wire

_MINUTE = 60
_Name = Annotated[
    StrictStr,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{1,30}$",
        description="2 to 31 lower-case letters, digits, '.', '_' or '-'",
        examples=["clinic-a-phone-1"],
    ),
]
_Sites = Annotated[list[Site], Field(max_length=200)]


class SitePath(Wire):
    site: Site


class NamePath(Wire):
    name: _Name


class SiteIn(Wire):
    practice: StrictBool = Field(description="Its cases teach people and never count; fixed when the site is made")
    retention_days: Annotated[Whole, Field(ge=1, le=36500)] | None = Field(
        description="Cases older than this are erased; null keeps them"
    )
    altitude_m: Altitude | None = Field(
        default=None, description="Of those who say that they live there; null changes nothing"
    )


class PersonIn(Wire):
    role: Literal["field", "lab", "admin"] = Field(description="Fixed when the account is made")
    sites: _Sites = Field(description="Those they belong to, and no others; none for an administrator")
    oidc_subject: Plain | None = Field(
        default=None, min_length=1, max_length=255, description="`sub` at the identity provider; null changes nothing"
    )
    unlink_oidc: StrictBool = Field(
        default=False, description="Take the `sub` that is there away; `oidc_subject` takes its place, if there is one"
    )


class PersonStateIn(Wire):
    state: PersonState


class DeviceStateIn(Wire):
    state: DeviceState


class NothingIn(Wire):
    """An empty object."""


class ConfirmationIn(Wire):
    fingerprint: StrictStr = Field(max_length=200, description="As it was read off the node, in groups or not")


class EnrolmentCodeIn(Wire):
    kind: Literal["phone", "lab-system", "trainer", "node"]
    device_name: _Name
    sites: _Sites = Field(default=[], description="None for a trainer")
    minutes: Annotated[Whole, Field(ge=LEAST.seconds // _MINUTE, le=MOST.days * 24 * 60)] = USUAL.seconds // _MINUTE


class EnrolmentIn(Wire):
    code: Annotated[Secret, Field(max_length=64)] = Field(
        description="As it was typed: case, spaces and hyphens do not matter", examples=["7K2QH-93XVB"]
    )
    public_key: Annotated[Secret, Field(max_length=64)] | None = Field(
        default=None, description="Of a node: the 32 bytes of its Ed25519 key, base64"
    )
    signature: Annotated[Secret, Field(max_length=128)] | None = Field(
        default=None, description="Of a node: by that key over the code, base64"
    )


class SiteOut(Wire):
    code: Site
    practice: bool
    retention_days: int | None
    altitude_m: int | None
    made_at: Moment
    made_by: str


class SitePage(Wire):
    items: list[SiteOut]


class PersonOut(Wire):
    name: str
    role: Role
    state: PersonState
    sites: list[Site]
    password_change_needed: bool = Field(description="They still have the password that was given to them")
    second_factor: bool
    oidc_subject: str | None
    made_at: Moment
    made_by: str


class PersonPut(PersonOut):
    one_time_password: str | None = Field(description="Of a new account: shown now and never again")


class PeoplePage(Wire):
    items: list[PersonOut]


class PasswordOut(Wire):
    one_time_password: str = Field(description="Shown now and never again")


class DeviceOut(Wire):
    name: str
    kind: DeviceKind
    state: DeviceState
    ended_at: Moment | None = Field(description="When it was retired, or reported stolen")
    sites: list[Site]
    fingerprint: Sha256 | None
    confirmed: bool | None = Field(description="The fingerprint was compared; null for what has none")
    unsent_cases: int | None = Field(description="As the device last told")
    unsent_at: Moment | None
    wiped_at: Moment | None
    made_at: Moment
    made_by: str


class DevicePage(Wire):
    items: list[DeviceOut]


class EnrolmentCodeOut(Wire):
    """Shown now and never again."""

    code: str
    link: str
    qr_svg: str = Field(description="The link, to be photographed by the device")
    expires_at: Moment


class EnrolmentOut(Wire):
    token: str = Field(description="Shown now and never again")
    device: str
    kind: DeviceKind
    sites: list[Site]
    world: str
    url: str


class TrailRowOut(Wire):
    seq: int
    at: Moment
    person: str | None
    device: str = Field(description="Or the process: worker, operator")
    claimed: bool = Field(description="The person is a locked phone's word; nobody was signed in")
    action: str
    entity_id: str
    case_id: str | None
    content: dict[str, Any] | None = Field(description="`old`, `new` and `reason`; null where they were erased")
    digest: Sha256


class TrailPage(Wire):
    items: list[TrailRowOut]
    next: str | None
