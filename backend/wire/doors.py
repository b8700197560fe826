"""In and out at the doors: sign-in, the session, the password, the second factor, tokens, a device's queue."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool

from backend.access.roles import DeviceKind, DeviceState, Role
from backend.wire.fields import Moment, Secret, Site, Whole, Wire

_Password = Annotated[Secret, Field(max_length=256)]
_Code = Annotated[
    Secret, Field(max_length=16, description="Of the second factor, as the app shows it now", examples=["492039"])
]


class SignInIn(Wire):
    # What was typed as a name may be a password: it comes back in no error either.
    name: Secret = Field(max_length=256, description="Of the account; case does not matter", examples=["nurse-12"])
    password: _Password
    code: _Code | None = None


class SignInOut(Wire):
    person: str
    role: Role
    expires_at: Moment
    token: str | None = Field(description="On a phone: the bearer token of this person on this phone, shown once")
    csrf_token: str | None = Field(
        description="In a browser: to be sent as X-CSRF-Token with whatever changes something, shown once"
    )


class SessionOut(Wire):
    person: str | None = Field(description="Null for a device by itself")
    device: str | None = Field(description="Null for a browser")
    role: Role
    kind: DeviceKind | None
    state: DeviceState = Field(description="`stolen`: wipe everything, then tell what was not sent")
    sites: list[Site] | None = Field(description="Null for every site")
    practice_sites: list[Site] = Field(description="Those of them where people practise: nothing there ever counts")
    world: str
    expires_at: Moment
    needs: list[Literal["password-change-needed", "second-factor-needed", "device-unconfirmed"]] = Field(
        description="What is to be done before anything else is answered"
    )


class PasswordIn(Wire):
    old: _Password
    new: _Password = Field(description="10 to 72 characters that nobody would guess")


class SecondFactorIn(Wire):
    """When there is a second factor already, one of them shows that the account is yours."""

    password: _Password | None = None
    code: _Code | None = None


class SecondFactorOut(Wire):
    """Shown now and never again."""

    secret: str
    uri: str = Field(description="`otpauth:`, for an app on the same machine")
    qr_svg: str = Field(description="The same, to be photographed by the app")


class SecondFactorCodeIn(Wire):
    code: _Code


class DoneOut(Wire):
    done: Literal[True] = True


class RotationIn(Wire):
    """An empty object."""


class RotationOut(Wire):
    token: str = Field(description="Shown now and never again; the old one ends when this one is first used")
    expires_at: Moment


class QueueIn(Wire):
    unsent_cases: Annotated[Whole, Field(ge=0, le=1_000_000)]
    wiped: StrictBool = Field(default=False, description="A stolen device has deleted everything on it")


class QueueOut(Wire):
    unsent_cases: int
    state: DeviceState


class CallbackQuery(Wire):
    """As the identity provider sends it; what else it adds is left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    # How long they may be is for the web server to say, which reads no longer line.
    state: Secret
    code: Secret | None = Field(default=None, description="Missing when the provider refused")
    iss: Secret | None = None
