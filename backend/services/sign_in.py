"""A person signs in, in a browser or on a phone: the name, the password, and the second factor where there is one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.access.actor import actor, browser
from backend.access.passwords import PasswordWrong, hashed_anew, password_fits
from backend.access.roles import ROLES_WITH_SITES, DeviceState, PersonState, Role
from backend.access.second_factor import SecondFactorCodeNeeded, step_of
from backend.db.engine import Database
from backend.db.tables import device_people, devices, people, person_sites, tokens
from backend.services.audit import write_audit
from backend.services.sessions import Issued, issue_token, revoke_tokens
from pallor.clock import Clock
from pallor.errors import Refused


class SiteNotShared(Refused):
    """The person and the phone belong to different sites: together they would reach nothing."""


class BrowserNeeded(Refused):
    """An administrator reaches every site: not by a token that lies on a shared phone for weeks."""


class PhoneOut(Refused):
    """The phone was retired or reported stolen while somebody signed in on it."""


class DeviceTokenNeeded(Refused):
    """It is about the device, and the token shown is not its own."""


@dataclass(frozen=True)
class Credentials:
    """What somebody typed."""

    name: str
    password: str = field(repr=False)
    code: str | None = field(repr=False)


@dataclass(frozen=True)
class Phone:
    """On which somebody signs in."""

    device_id: str
    name: str
    sites: frozenset[str]


@dataclass(frozen=True)
class SignedIn:
    """Who came in, with the token in the moment in which it is known."""

    person: str
    role: Role
    issued: Issued


def sign_in(
    database: Database, clock: Clock, typed: Credentials, lifetime: timedelta, *, phone: Phone | None
) -> SignedIn:
    """Let somebody in; on a phone they may from now on also deliver while it is locked.

    Args:
        phone: None for a browser, which gets a cookie.

    Raises:
        PasswordWrong: of a wrong name, password or code, a disabled account or an expired one-time password; which of
            them is not said, and found out in the same time.
        SecondFactorCodeNeeded, BrowserNeeded, SiteNotShared, PhoneOut: the password was right.
        DoorBusy
    """
    now = clock.now()
    with database.read() as connection:
        row = connection.execute(select(people).where(people.c.name == typed.name)).first()
        shared = phone is None or row is None or _share_site(connection, row, phone)
    fits = password_fits(standing_password(row, now), typed.password)
    if row is None or not fits:
        raise password_wrong()
    step = _second_factor(row, typed.code, now)
    if phone is not None and row.role == Role.ADMIN:
        raise BrowserNeeded(
            "administrators sign in in a browser, not on a phone", field="name", value="(hidden)",
            remedy="Sign in in a browser; on the phone, sign in by a field account of your own.",
        )  # fmt: skip
    if not shared:
        raise SiteNotShared(
            "you and this phone belong to different sites", field="name", value="(hidden)",
            remedy="Take a phone of your own site, or ask an administrator to let you or the phone belong to it.",
        )  # fmt: skip
    kept = hashed_anew(row.password_hash, typed.password)
    with database.write() as tx:
        check_unchanged(tx, row)
        tx.execute(update(people).where(people.c.id == row.id).values(password_hash=kept, totp_step=step))
        shown = "password" if row.totp_since is None else "password and code"
        return begin_session(database, tx, clock, row, lifetime, phone=phone, shown=shown)


def begin_session(
    database: Database, tx: Connection, clock: Clock, person: Row[Any], lifetime: timedelta, *, phone: Phone | None,
    shown: str, vouched_for: bool = False,
) -> SignedIn:  # fmt: skip
    """Give somebody who has shown who they are their token, and put it on record.

    Args:
        shown: what they have shown. vouched_for: it was shown to an identity provider.

    Raises:
        PhoneOut
    """
    where = None if phone is None else phone.device_id
    if phone is not None:
        _check_in_use(tx, phone)
        stamp = {"device_id": where, "person_id": person.id, "since": clock.now()}
        database.insert_once(tx, device_people, stamp)
        revoke_tokens(tx, clock, (tokens.c.person_id == person.id) & (tokens.c.device_id == where))
    whose = {"person_id": person.id, "device_id": where}
    issued = issue_token(tx, clock, lifetime, **whose, cookie=phone is None, vouched_for=vouched_for)
    by = actor(person.name, browser(issued.token_id) if phone is None else phone.name)
    write_audit(tx, clock, by, "session.begin", issued.token_id, new={"person_id": person.id, "shown": shown})
    return SignedIn(person.name, Role(person.role), issued)


def standing_password(row: Row[Any] | None, now: datetime) -> str | None:
    """The hash of the password by which this account may be entered; None when there is none."""
    if row is None or row.state != PersonState.ACTIVE:
        return None
    if row.one_time_until is not None and row.one_time_until <= now:
        return None
    return str(row.password_hash) if row.password_hash else None


def password_wrong() -> PasswordWrong:
    return PasswordWrong(
        "this name, password or code is not right", field="password", value="(hidden)",
        remedy="Try again. A code works once: wait for the next. A one-time password lasts 7 days; an administrator, "
        "or whoever has a shell on the server (pallor-backend person-reset), can give you a new one.",
    )  # fmt: skip


def check_unchanged(tx: Connection, row: Row[Any]) -> None:
    """Raise ``PasswordWrong`` when what an account was judged by is no longer so, or its code was used meanwhile."""
    there = tx.execute(select(people).where(people.c.id == row.id)).one()
    if any(
        there._mapping[name] != row._mapping[name] for name in ("state", "password_hash", "totp_secret", "totp_step")
    ):
        raise password_wrong()


def _second_factor(row: Row[Any], code: str | None, now: datetime) -> int | None:
    """The newest used step of the second factor, once this code counts; None without a second factor."""
    if row.totp_since is None:
        return None
    if code is None:
        raise SecondFactorCodeNeeded(
            "this account has a second factor", field="code", value=None,
            remedy="Send the code that your app shows now as `code`, with name and password.",
        )  # fmt: skip
    step = step_of(row.totp_secret, code, now, after=row.totp_step)
    if step is None:
        raise password_wrong()
    return step


def _check_in_use(tx: Connection, phone: Phone) -> None:
    """Judged anew where the token is made: what ends a phone ends the tokens on it that are there by then."""
    state = tx.execute(select(devices.c.state).where(devices.c.id == phone.device_id)).scalar_one()
    if state != DeviceState.ACTIVE:
        raise PhoneOut(
            "this phone has just been retired or reported stolen", field="device", value=phone.name,
            remedy="Take another phone, or ask an administrator.",
        )  # fmt: skip


def _share_site(connection: Connection, row: Row[Any], phone: Phone) -> bool:
    if Role(row.role) not in ROLES_WITH_SITES:
        return True
    query = select(person_sites.c.site).where(person_sites.c.person_id == row.id)
    return not phone.sites.isdisjoint(connection.execute(query).scalars())
