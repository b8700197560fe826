"""Who comes in through which door: the rule that each route declares, and the caller that a request turns out to be."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, select, union_all, update

from backend.access.actor import actor, browser
from backend.access.roles import ROLE_OF, ROLES_WITH_SITES, DeviceKind, DeviceState, PersonState, Role
from backend.access.tokens import hash_of
from backend.db.engine import Database
from backend.db.tables import device_people, device_sites, devices, people, person_sites, tokens
from pallor.clock import Clock, utc_text
from pallor.errors import Refused

Route = TypeVar("Route", bound=Callable[..., Any])


class TokenMissing(Refused):
    """Neither a bearer token nor a session came with the request."""


class TokenUnknown(Refused):
    """The token is not one of ours, or was revoked."""


class TokenExpired(Refused):
    """The token was good, for its time."""


class CsrfMissing(Refused):
    """The cookie came without its other half: perhaps another page sent it."""


class RoleNotAllowed(Refused):
    """This role has no business here."""


class SignInNeeded(Refused):
    """A locked phone delivers; to read, a person signs in."""


class PersonUnknown(Refused):
    """Nobody of this name has signed in on this phone, or not any more when this was sealed."""


class PersonContradicted(Refused):
    """The token is one person's, the header names another."""


class PasswordChangeNeeded(Refused):
    """The password was given by another: its owner chooses one first."""


class SecondFactorNeeded(Refused):
    """An administrator has no second factor yet."""


class DeviceUnconfirmed(Refused):
    """No administrator has compared the node's fingerprint yet."""


class DeviceRetired(Refused):
    """A retired device delivers what it had sealed before, and nothing else."""


class DeviceStolen(Refused):
    """Nothing is accepted from a stolen device; it wipes itself and tells what it had not sent."""


class Reach(StrEnum):
    """How a route keeps to the caller's sites.

    ``PATH``: the case or result named in the path lies at one of them. ``BODY``: what the body names does. ``MATCH``:
    what the body says is held against what lies there, and against nothing else. ``LIST``: only what lies there is
    shown. ``NONE``: the route speaks of no site's data.
    """

    PATH = "path"
    BODY = "body"
    MATCH = "match"
    LIST = "list"
    NONE = "none"


@dataclass(frozen=True)
class Rule:
    """What a route declares.

    ``roles``: who may use it, empty for anyone, who then needs no token. ``delivers``: a locked or a retired phone may,
    with what it has sealed. ``unfinished``: also callers may who have something to do first (another password, a second
    factor, a fingerprint to be compared). ``last_word``: also a stolen device. ``large``: a machine sends more
    than people do. ``human``: a person decides here, never a machine. ``takes``: of which type a body is; none: bytes
    that the route itself reads and bounds.
    """

    roles: frozenset[Role]
    reach: Reach
    delivers: bool = False
    unfinished: bool = False
    last_word: bool = False
    large: bool = False
    human: bool = False
    takes: tuple[str, ...] = ("application/json",)


@dataclass(frozen=True)
class Shown:
    """What a request brings to show who sent it. ``changes``: its method is one that changes something."""

    authorization: str | None
    cookie: str | None
    csrf: str | None
    changes: bool


@dataclass(frozen=True)
class Caller:
    """Who sent the request. ``sites``: what they reach, None for every site. ``needs``: what they have to do first."""

    token_id: str
    role: Role
    person: str | None
    person_id: str | None
    device: str
    device_id: str | None
    kind: DeviceKind | None
    state: DeviceState
    ended_at: datetime | None
    sites: frozenset[str] | None
    needs: tuple[type[Refused], ...]
    claimed: bool = False  # the person is the locked phone's word

    @property
    def actor(self) -> str:
        """As the audit trail writes it."""
        return actor(self.person, self.device, claimed=self.claimed)

    def sites_with(self, site: str | None) -> frozenset[str] | None:
        """The sites they reach; with a ``site``, it alone, or none where they do not reach it."""
        if site is None:
            return self.sites
        return frozenset({site}) if self.sites is None else self.sites & {site}

    @property
    def locked(self) -> bool:
        """A phone on which nobody is signed in."""
        return self.kind is DeviceKind.PHONE and self.person_id is None

    @property
    def only_delivers(self) -> bool:
        """Whoever holds it may hand in what was sealed, and read nothing of it back."""
        return self.locked or self.claimed or self.state is DeviceState.RETIRED


def allow(
    *roles: Role,
    reach: Reach,
    delivers: bool = False,
    unfinished: bool = False,
    last_word: bool = False,
    large: bool = False,
    human: bool = False,
    takes: tuple[str, ...] = ("application/json",),
) -> Callable[[Route], Route]:
    """Declare who may use a route; ``app.create_app`` refuses to start with a route that declares nobody."""
    if not roles:
        raise ValueError("a rule names its roles; for everybody there is allow_anyone")
    return _declare(Rule(frozenset(roles), reach, delivers, unfinished, last_word, large, human, takes))


def allow_anyone() -> Callable[[Route], Route]:
    """Declare that a route needs no token: a door, and nothing behind it."""
    return _declare(Rule(frozenset(), Reach.NONE))


def cookie_name(secure: bool) -> str:
    """Of the browser's session; over TLS no other host and no other path can set one of this name."""
    return "__Host-pallor" if secure else "pallor"


def caller_of(database: Database, clock: Clock, shown: Shown, *, second_factor: bool) -> Caller:
    """Who a request speaks for.

    Args:
        second_factor: whether an administrator must have one.

    Raises:
        TokenMissing, TokenUnknown, TokenExpired, CsrfMissing
    """
    secret, by_cookie = _secret_of(shown)
    with database.read() as connection:
        row = connection.execute(_WHO, {"secret_sha256": hash_of(secret)}).first()
        # A cookie's token does not work as a bearer token: its thief would need no CSRF half.
        if row is None or row.revoked_at or row.person_state == PersonState.DISABLED or by_cookie != bool(row.csrf):
            raise TokenUnknown(
                "the token is unknown or was revoked", field=_field(by_cookie), value="(hidden)", remedy=_COME_AGAIN,
            )  # fmt: skip
        if row.expires_at <= clock.now():
            raise TokenExpired(
                f"the token expired at {utc_text(row.expires_at)}", field=_field(by_cookie), value="(hidden)",
                remedy=_COME_AGAIN,
            )  # fmt: skip
        if by_cookie and shown.changes and not hmac.compare_digest(hash_of(shown.csrf or ""), row.csrf):
            raise CsrfMissing(
                "a session's cookie changes nothing by itself", field="X-CSRF-Token",
                value="(hidden)" if shown.csrf else None,
                remedy="Send the csrf_token that came with the sign-in.",
            )  # fmt: skip
        found = _caller(connection, row, second_factor=second_factor)
    if row.predecessor_id:
        _end_predecessor(database, clock, row)
    return found


def check_rule(caller: Caller, rule: Rule, sealed_at: datetime | None) -> None:
    """Raise unless ``caller`` may use a route with this rule.

    Args:
        sealed_at: when the device finished and sealed what it now sends, by its own clock.

    Raises:
        DeviceStolen, DeviceRetired, RoleNotAllowed, SignInNeeded; whatever of ``caller.needs`` comes first
    """
    if caller.state is DeviceState.STOLEN and not rule.last_word:
        raise DeviceStolen(
            "this device was reported stolen", field="device", value=caller.device,
            remedy="Wipe everything on it, then tell how many cases were unsent: PUT /api/v1/device/queue.",
        )  # fmt: skip
    if caller.state is DeviceState.RETIRED and not rule.last_word:
        _check_sealed_before(caller, rule, sealed_at)
    if caller.role not in rule.roles:
        raise RoleNotAllowed(
            "this role may not do that", field="role", value=caller.role.value,
            remedy=f"It takes the role {' or '.join(sorted(rule.roles))}.",
        )  # fmt: skip
    if caller.locked and not (rule.delivers or rule.unfinished):
        raise SignInNeeded(
            "nobody is signed in on this phone", field="Authorization", value=caller.device,
            remedy="Sign in on it. What is sealed can be sent without, with Pallor-Person and Sealed-At.",
        )  # fmt: skip
    if rule.human and caller.person_id is None:
        raise SignInNeeded(
            "this is for a person to decide", field="Authorization", value=caller.device,
            remedy="Sign in with your own account (POST /api/v1/sign-in).",
        )  # fmt: skip
    if caller.needs and not rule.unfinished:
        raise _NEEDS[caller.needs[0]]()


def with_person(database: Database, caller: Caller, name: str | None, sealed_at: datetime | None) -> Caller:
    """A locked phone's caller with the person in whose name it delivers.

    Whoever has left since still delivers what was sealed before.

    Raises:
        PersonUnknown
    """
    query = (
        select(people.c.id, people.c.ended_at)
        .join(device_people, device_people.c.person_id == people.c.id)
        .where(device_people.c.device_id == caller.device_id, people.c.name == name)
        .where(people.c.role == caller.role.value)
    )
    with database.read() as connection:
        person = connection.execute(query).first()
    if person is None or (person.ended_at is not None and (sealed_at is None or sealed_at > person.ended_at)):
        raise PersonUnknown(
            "a locked phone says in whose name it sends", field="Pallor-Person",
            value=None if name is None else "(hidden)",
            remedy="Send the account name of someone who has signed in on this phone, and had an account when this was "
            "sealed (Sealed-At).",
        )  # fmt: skip
    return replace(caller, person=name, person_id=person.id, claimed=True)


def check_before_end(caller: Caller, field: str, moment: datetime) -> None:
    """Raise ``DeviceRetired`` when a retired device hands in something of a moment after its end."""
    if caller.state is DeviceState.RETIRED and caller.ended_at is not None and moment > caller.ended_at:
        raise DeviceRetired(
            f"this device was retired at {utc_text(caller.ended_at)}", field=field, value=utc_text(moment),
            remedy="It delivers what it had sealed before; ask an administrator to enrol another device.",
        )  # fmt: skip


def check_person(caller: Caller, name: str | None) -> None:
    """Raise ``PersonContradicted`` when a request with one person's token names another."""
    if name is not None and caller.person is not None and name != caller.person:
        raise PersonContradicted(
            "the token is another person's", field="Pallor-Person", value="(hidden)",
            remedy="Send what was sealed with the phone's own token; or leave the header out.",
        )  # fmt: skip


_COME_AGAIN = (
    "Keep what waits to be sent; sign in or enrol again. A phone asks GET /api/v1/session with its own token: it tells "
    "whether the phone was retired or stolen, and a locked phone goes on delivering."
)

_WHO: Select[Any] = (
    select(
        tokens.c.id, tokens.c.csrf_sha256.label("csrf"), tokens.c.expires_at, tokens.c.revoked_at,
        tokens.c.predecessor_id, tokens.c.vouched_for, tokens.c.person_id, tokens.c.device_id,
        people.c.name.label("person"), people.c.role, people.c.state.label("person_state"), people.c.one_time_until,
        people.c.totp_since,
        devices.c.name.label("device"), devices.c.kind, devices.c.state.label("device_state"), devices.c.ended_at,
        devices.c.confirmed_at,
    )
    .select_from(tokens.outerjoin(people, tokens.c.person_id == people.c.id).outerjoin(devices))
    .where(tokens.c.secret_sha256 == bindparam("secret_sha256"))
)  # fmt: skip
_SITES = union_all(
    select(person_sites.c.person_id, person_sites.c.site).where(person_sites.c.person_id == bindparam("person_id")),
    select(device_sites.c.device_id, device_sites.c.site).where(device_sites.c.device_id == bindparam("device_id")),
)


def _caller(connection: Connection, row: Row[Any], *, second_factor: bool) -> Caller:
    kind = DeviceKind(row.kind) if row.kind else None
    role = Role(row.role) if row.person_id else ROLE_OF[DeviceKind(row.kind)]
    needs: list[type[Refused]] = []
    # Whoever came by an identity provider showed no password here, and its second factor is the one that counts.
    if row.one_time_until is not None and not row.vouched_for:
        needs.append(PasswordChangeNeeded)
    if row.person_id and role is Role.ADMIN and second_factor and not (row.totp_since or row.vouched_for):
        needs.append(SecondFactorNeeded)
    if kind is DeviceKind.NODE and row.confirmed_at is None:
        needs.append(DeviceUnconfirmed)
    return Caller(
        token_id=row.id,
        role=role,
        person=row.person,
        person_id=row.person_id,
        device=row.device or browser(row.id),
        device_id=row.device_id,
        kind=kind,
        state=DeviceState(row.device_state or DeviceState.ACTIVE),
        ended_at=row.ended_at,
        sites=_sites(connection, row, role),
        needs=tuple(needs),
    )


def _sites(connection: Connection, row: Row[Any], role: Role) -> frozenset[str] | None:
    """What both the person and the device belong to."""
    if role not in ROLES_WITH_SITES:
        return None
    of: dict[str, set[str]] = {one: set() for one in (row.person_id, row.device_id) if one}
    for owner, site in connection.execute(_SITES, {"person_id": row.person_id, "device_id": row.device_id}):
        of[owner].add(site)
    return frozenset(set.intersection(*of.values()))


def _secret_of(shown: Shown) -> tuple[str, bool]:
    """The token, and whether it came by cookie."""
    scheme, _, token = (shown.authorization or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip(), False
    if shown.authorization is None and shown.cookie:
        return shown.cookie, True
    raise TokenMissing(
        "nobody is signed in", field="Authorization", value="(hidden)" if shown.authorization else None,
        remedy="Sign in (POST /api/v1/sign-in), or send 'Authorization: Bearer <token>' of an enrolled device.",
    )  # fmt: skip


def _end_predecessor(database: Database, clock: Clock, row: Row[Any]) -> None:
    """The new token has arrived where it belongs: the one before it ends."""
    with database.write() as tx:
        tx.execute(update(tokens).where(tokens.c.id == row.predecessor_id).values(revoked_at=clock.now()))
        tx.execute(update(tokens).where(tokens.c.id == row.id).values(predecessor_id=None))


def _check_sealed_before(caller: Caller, rule: Rule, sealed_at: datetime | None) -> None:
    ended_at = caller.ended_at
    if rule.delivers and sealed_at is not None and ended_at is not None and sealed_at <= ended_at:
        return
    until = utc_text(ended_at) if ended_at else "an unknown moment"
    shown = utc_text(sealed_at) if sealed_at else None
    raise DeviceRetired(
        f"this device was retired at {until}",
        field="Sealed-At" if rule.delivers else "device", value=shown if rule.delivers else caller.device,
        remedy="Deliver what it had sealed before, each with Sealed-At; ask an administrator to enrol another device.",
    )  # fmt: skip


def _declare(rule: Rule) -> Callable[[Route], Route]:
    def declare(route: Route) -> Route:
        route.rule = rule  # type: ignore[attr-defined]
        return route

    return declare


def _field(by_cookie: bool) -> str:
    return "Cookie" if by_cookie else "Authorization"


_NEEDS: dict[type[Refused], Callable[[], Refused]] = {
    PasswordChangeNeeded: lambda: PasswordChangeNeeded(
        "the password was given by an administrator", field="password", value="(hidden)",
        remedy="Choose one of your own: PUT /api/v1/session/password.",
    ),
    SecondFactorNeeded: lambda: SecondFactorNeeded(
        "an administrator needs a second factor", field="second_factor", value=None,
        remedy="Set one up: POST /api/v1/session/second-factor, then PUT its first code there.",
    ),
    DeviceUnconfirmed: lambda: DeviceUnconfirmed(
        "no administrator has confirmed this node yet", field="device", value=None,
        remedy="Read its fingerprint to an administrator, who compares and confirms it.",
    ),
}  # fmt: skip
