"""Devices: phones, laboratory systems, the trainer, nodes; made, retired, stolen, confirmed."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from backend.access.roles import ROLE_OF, ROLES_WITH_SITES, DeviceKind, DeviceState, check_name
from backend.db.engine import Database
from backend.db.tables import device_sites, devices, tokens
from backend.services.audit import write_audit
from backend.services.manage_people import NameTaken, SitesUnfit
from backend.services.manage_sites import check_sites
from backend.services.sessions import Issued, issue_token, revoke_tokens
from pallor.clock import Clock
from pallor.enrolment import read_fingerprint
from pallor.errors import Refused
from pallor.ids import new_id

# By these the trail knows the server's own processes and the browsers of people (backend.auth).
_OTHERS = ("operator", "worker", "sweeper", "throttle")
_BROWSER = "browser-"


class DeviceNotFound(Refused):
    """There is no device of this name."""


class KeyNotThere(Refused):
    """The device has no key of its own, so there is no fingerprint to compare."""


class FingerprintDiffers(Refused):
    """What the administrator read on the machine is not what was enrolled: something else came in under its name."""


class StateFinal(Refused):
    """A device that was reported stolen does not come back under its name: it is enrolled anew."""


@dataclass(frozen=True)
class Machine:
    """A device and the sites it belongs to."""

    row: Row[Any]
    sites: tuple[str, ...]


def add_device(
    database: Database,
    clock: Clock,
    name: str,
    kind: DeviceKind,
    sites: frozenset[str],
    lifetime: timedelta,
    *,
    by: str,
) -> Issued:
    """Make a device with its token at the server's shell, where no code has to travel.

    Raises:
        NameUnfit, NameTaken, SitesUnfit, SiteUnknown
    """
    with database.write() as tx:
        device_id = make_device(tx, clock, name, kind, sites, by=by)
        return issue_token(tx, clock, lifetime, device_id=device_id)


def make_device(
    tx: Connection, clock: Clock, name: str, kind: DeviceKind, sites: frozenset[str], *, by: str, **facts: Any
) -> str:
    """Put a device on record; its id. ``facts``: more columns, such as a node's public key, or who made its code."""
    check_new_device(tx, name, kind, sites)
    device_id, said = new_id(), {"name": name, "kind": kind.value}
    stamp = {"made_at": clock.now(), "made_by": by, "state": DeviceState.ACTIVE.value}
    tx.execute(devices.insert().values(id=device_id, **said, **(stamp | facts)))
    for site in sorted(sites):
        tx.execute(device_sites.insert().values(device_id=device_id, site=site))
    fingerprint = {"fingerprint": facts["fingerprint"]} if "fingerprint" in facts else {}
    write_audit(tx, clock, by, "device.enrol", device_id, new={**said, "sites": sorted(sites), **fingerprint})
    return device_id


def check_new_device(tx: Connection, name: str, kind: DeviceKind, sites: frozenset[str]) -> None:
    """Raise ``NameUnfit``, ``NameTaken``, ``SitesUnfit`` or ``SiteUnknown`` when there can be no such device."""
    check_name(name)
    if name in _OTHERS or name.startswith(_BROWSER):
        raise NameTaken(
            "the audit trail calls something else so", field="name", value=name,
            remedy="Choose another, such as clinic-a-phone-1.",
        )  # fmt: skip
    if tx.execute(select(devices.c.id).where(devices.c.name == name)).first():
        raise NameTaken(
            "another device has it", field="name", value=name, remedy="Choose another; a retired device keeps its own."
        )
    if (ROLE_OF[kind] in ROLES_WITH_SITES) != bool(sites):
        raise SitesUnfit(
            "phones, laboratory systems and nodes belong to sites, the trainer and a console to none", field="sites",
            value=", ".join(sorted(sites)) or None, remedy="Name one site or more, or none for a trainer or console.",
        )  # fmt: skip
    check_sites(tx, sites)


def set_device_state(database: Database, clock: Clock, name: str, state: DeviceState, *, by: str) -> None:
    """Retire a device, report it stolen, or take a retirement back.

    Retired, it still delivers what it had sealed before; the sign-ins of people on it end. Stolen, nothing more is
    accepted from it but how much it had not sent.

    Raises:
        DeviceNotFound, StateFinal
    """
    with database.write() as tx:
        row = device_row(tx, name)
        if row.state == state:
            return
        if row.state == DeviceState.STOLEN:
            raise StateFinal(
                "a stolen device stays stolen", field="state", value=state.value,
                remedy="Enrol it anew, under another name.",
            )  # fmt: skip
        ended_at = None if state is DeviceState.ACTIVE else clock.now()
        tx.execute(update(devices).where(devices.c.id == row.id).values(state=state.value, ended_at=ended_at))
        if state is not DeviceState.ACTIVE:
            revoke_tokens(tx, clock, (tokens.c.device_id == row.id) & tokens.c.person_id.is_not(None))
        write_audit(
            tx, clock, by, "device.state", row.id, old={"state": row.state}, new={"name": name, "state": state.value}
        )


def confirm_device(database: Database, clock: Clock, name: str, fingerprint: str, *, by: str) -> None:
    """Let a node in whose fingerprint an administrator has read off the machine itself, and compared.

    Args:
        fingerprint: as it was read, in groups or not.

    Raises:
        DeviceNotFound, KeyNotThere, FingerprintUnreadable
        FingerprintDiffers: on the trail, too.
    """
    read = read_fingerprint(fingerprint)
    with database.write() as tx:
        row = device_row(tx, name)
        if row.fingerprint is None:
            raise KeyNotThere(
                "only a node has a fingerprint", field="name", value=name, remedy="Nothing has to be confirmed."
            )
        alike = hmac.compare_digest(read, row.fingerprint)
        if alike and row.confirmed_at is None:
            tx.execute(update(devices).where(devices.c.id == row.id).values(confirmed_at=clock.now()))
            write_audit(tx, clock, by, "device.confirm", row.id, new={"name": name, "fingerprint": read})
        if not alike:
            write_audit(tx, clock, by, "device.fingerprint-differs", row.id, new={"read": read})
    if not alike:
        raise FingerprintDiffers(
            "another key was enrolled under this name: the device may be another's", field="fingerprint", value=read,
            remedy="Have it read again, from the node's own screen. If it differs still, report the device as stolen "
            "and enrol the node anew under another name.",
        )  # fmt: skip


def list_devices(database: Database) -> list[Machine]:
    """Every device by its name."""
    with database.read() as connection:
        rows = connection.execute(select(devices).order_by(devices.c.name)).all()
        return [Machine(row, _sites_of(connection, row.id)) for row in rows]


def show_device(database: Database, name: str) -> Machine:
    """One device; raises ``DeviceNotFound``."""
    with database.read() as connection:
        row = device_row(connection, name)
        return Machine(row, _sites_of(connection, row.id))


def device_row(tx: Connection, name: str) -> Row[Any]:
    """A device's row; raises ``DeviceNotFound``."""
    row = tx.execute(select(devices).where(devices.c.name == name)).first()
    if row is None:
        raise DeviceNotFound(
            "no device has this name", field="name", value=name, remedy="See the list: pallor-backend device-list."
        )
    return row


def _sites_of(tx: Connection, device_id: str) -> tuple[str, ...]:
    query = select(device_sites.c.site).where(device_sites.c.device_id == device_id).order_by(device_sites.c.site)
    return tuple(tx.execute(query).scalars())
