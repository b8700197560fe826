"""A device comes in: an administrator makes a code, the device shows it once and gets its token."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.access.enrolment import (
    KINDS,
    LEAST,
    MOST,
    KeyMissing,
    KeyNotAsked,
    ShownKey,
    kept_of,
    key_facts,
    new_code,
)
from backend.access.roles import DeviceKind
from backend.db.engine import Database
from backend.db.tables import enrolment_codes
from backend.services.audit import write_audit
from backend.services.manage_devices import check_new_device, make_device
from backend.services.sessions import issue_token
from pallor.clock import Clock, utc_text
from pallor.enrolment import CodeUnreadable, read_code
from pallor.errors import Refused
from pallor.ids import new_id


class CodeUnknown(Refused):
    """No code like this waits to be used; whether there ever was one is not said."""


class KindUnfit(Refused):
    """A console is made at the server's shell alone."""


class TimeUnfit(Refused):
    """A code lasts long enough to be carried to the device, and no longer than a day."""


@dataclass(frozen=True)
class Code:
    """A code in the moment in which it is known."""

    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Enrolled:
    """A device that has just come in, with its token in the moment in which it is known."""

    token: str = field(repr=False)
    name: str
    kind: DeviceKind
    sites: tuple[str, ...]


def make_code(
    database: Database,
    clock: Clock,
    kind: DeviceKind,
    device_name: str,
    sites: frozenset[str],
    lasts: timedelta,
    *,
    by: str,
) -> Code:
    """Make a code by which one device can enrol, once; one that waited for the same device ends.

    Raises:
        KindUnfit, TimeUnfit; NameUnfit, NameTaken, SitesUnfit, SiteUnknown as ``manage_devices.check_new_device``
    """
    _check_kind(kind)
    _check_time(lasts)
    code, code_id = Code(new_code(), clock.now() + lasts), new_id()
    kept = kept_of(code.text)
    said = {"kind": kind.value, "device_name": device_name, "sites": sorted(sites)}
    with database.write() as tx:
        check_new_device(tx, device_name, kind, sites)
        now = clock.now()
        before = enrolment_codes.c.device_name == device_name
        tx.execute(update(enrolment_codes).where(before, _waiting(now)).values(expires_at=now))
        secret = {"secret_sha256": kept, "expires_at": code.expires_at}
        tx.execute(enrolment_codes.insert().values(id=code_id, **said, **secret, made_at=now, made_by=by))
        new = said | {"expires_at": utc_text(code.expires_at)}
        write_audit(tx, clock, by, "enrolment-code.create", code_id, new=new)
    return code


def enrol_device(database: Database, clock: Clock, typed: str, key: ShownKey | None, lifetime: timedelta) -> Enrolled:
    """Let the device in that shows a code; of two that show the same one, the first.

    Args:
        typed: the code as it was typed. key: of a node, which stays unconfirmed until its fingerprint was compared.
        lifetime: of the token.

    Raises:
        CodeUnknown: wrong, used or expired.
        KeyMissing, KeyNotAsked, KeyUnreadable, KeyNotProved, NameTaken, SiteUnknown: the code can be used again.
    """
    try:
        code = read_code(typed)
    except CodeUnreadable:
        raise _unknown() from None
    kept = kept_of(code)
    with database.write() as tx:
        row = _take(tx, clock, kept)
        kind, name, sites = DeviceKind(row.kind), str(row.device_name), frozenset(row.sites)
        facts = _facts(kind, key, code)
        device_id = make_device(tx, clock, name, kind, sites, by=name, made_by=row.made_by, **facts)
        write_audit(tx, clock, name, "enrolment-code.use", row.id, new={"device_id": device_id})
        issued = issue_token(tx, clock, lifetime, device_id=device_id)
    return Enrolled(issued.token, name, kind, tuple(sorted(sites)))


def _take(tx: Connection, clock: Clock, kept: str) -> Row[Any]:
    """The code's row, used from now on; raises ``CodeUnknown``."""
    now = clock.now()
    row = tx.execute(select(enrolment_codes).where(enrolment_codes.c.secret_sha256 == kept, _waiting(now))).first()
    if row is None:
        raise _unknown()
    tx.execute(update(enrolment_codes).where(enrolment_codes.c.id == row.id).values(used_at=now))
    return row


def _waiting(now: datetime) -> Any:
    return enrolment_codes.c.used_at.is_(None) & (enrolment_codes.c.expires_at > now)


def _facts(kind: DeviceKind, key: ShownKey | None, code: str) -> dict[str, str]:
    """What a device's row holds of its key."""
    if kind is not DeviceKind.NODE:
        if key is None:
            return {}
        raise KeyNotAsked(
            "only a node enrols with a key", field="public_key", value="(hidden)",
            remedy="Send the code alone; on a node, use a code that was made for a node.",
        )  # fmt: skip
    if key is None:
        raise KeyMissing(
            "a node enrols with a key of its own", field="public_key", value=None,
            remedy="Enrol it by its own command: pallor-sync enrol LINK.",
        )  # fmt: skip
    return key_facts(key, code)


def _unknown() -> CodeUnknown:
    return CodeUnknown(
        "no such code is waiting to be used", field="code", value="(hidden)",
        remedy="Check each letter; a code works once and not for long. Ask an administrator for another.",
    )  # fmt: skip


def _check_kind(kind: DeviceKind) -> None:
    if kind not in KINDS:
        raise KindUnfit(
            "a console is not enrolled by a code", field="kind", value=kind.value,
            remedy="Make it at the server's shell: pallor-backend device-add NAME console.",
        )  # fmt: skip


def _check_time(lasts: timedelta) -> None:
    if not LEAST <= lasts <= MOST:
        raise TimeUnfit(
            "a code does not last so long or so short", field="minutes", value=f"{lasts / timedelta(minutes=1):g}",
            remedy=f"Take {LEAST / timedelta(minutes=1):g} to {MOST / timedelta(minutes=1):g} minutes.",
        )  # fmt: skip
