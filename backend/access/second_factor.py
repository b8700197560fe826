"""Second factors: time-based codes (RFC 6238) from an app on a phone, each good once."""

from datetime import datetime

import pyotp
import segno
from pyotp.utils import strings_equal

from pallor.errors import Refused

_WINDOW = 1  # steps of 30 s before and after this one: phones' clocks are off by seconds, and people are slow


class SecondFactorCodeNeeded(Refused):
    """The password was right; a code of the second factor belongs to it."""


class SecondFactorCodeWrong(Refused):
    """Not the code that the app shows now, or one that was used."""


class SecondFactorNotBegun(Refused):
    """There is no secret yet for which a code could be shown."""


def new_secret() -> str:
    """160 bits in base32, as apps take them."""
    return pyotp.random_base32()


def uri_of(secret: str, name: str) -> str:
    """What an app reads from a picture to make codes for the account ``name``."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Pallor")


def picture_of(uri: str) -> str:
    """A QR code, SVG that can stand in a page."""
    return segno.make(uri, error="m").svg_inline(scale=4, light="white")


def step_of(secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
    """The time step for which ``code`` was made; None when it is wrong, too old, or not newer than the step ``after``.

    Args:
        after: the newest step of which a code was used, if any.
    """
    totp, typed = pyotp.TOTP(secret), code.replace(" ", "")
    this = totp.timecode(now)
    for step in range(this - _WINDOW, this + _WINDOW + 1):
        if strings_equal(totp.generate_otp(step), typed) and (after is None or step > after):
            return step
    return None
