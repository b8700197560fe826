"""The accounts of people: made, moved between sites, given a new password, disabled."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from backend.access.passwords import ONE_TIME_LASTS, hash_password, one_time_password
from backend.access.roles import ROLES_OF_PEOPLE, ROLES_WITH_SITES, PersonState, Role, check_name
from backend.db.engine import Database
from backend.db.tables import people, person_sites, tokens
from backend.services.audit import write_audit
from backend.services.manage_sites import check_sites
from backend.services.sessions import revoke_tokens
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.ids import new_id


class NameTaken(Refused):
    """Each account and each device has a name of its own, for ever: the audit trail knows them by it."""


class PersonNotFound(Refused):
    """There is no account of this name."""


class RoleUnfit(Refused):
    """People are field staff, laboratory staff or administrators; the other roles are machines'."""


class SitesUnfit(Refused):
    """Field and laboratory staff belong to one site at least; an administrator reaches all and belongs to none."""


class RoleFixed(Refused):
    """An account keeps its role for ever: what it did is read in that light."""


class LastAdministrator(Refused):
    """Somebody must be left to let people in."""


class AdministratorThere(Refused):
    """The first administrator is made once; the next ones are made by administrators."""


@dataclass(frozen=True)
class Account:
    """An account and the sites it belongs to."""

    row: Row[Any]
    sites: tuple[str, ...]


def add_person(
    database: Database,
    clock: Clock,
    name: str,
    role: Role,
    sites: frozenset[str],
    *,
    by: str,
    oidc_subject: str | None = None,
) -> str:
    """Make an account; its one-time password, which is not kept.

    Raises:
        NameUnfit, NameTaken, RoleUnfit, SitesUnfit, SiteUnknown
    """
    password = one_time_password()
    kept = hash_password(password)
    with database.write() as tx:
        _add(tx, clock, name, role, sites, kept, oidc_subject=oidc_subject, by=by)
    return password


def add_first_admin(database: Database, clock: Clock, name: str, *, by: str) -> str:
    """Make the first administrator's account; its one-time password.

    Raises:
        AdministratorThere: an administrator can sign in already.
    """
    password = one_time_password()
    kept = hash_password(password)
    with database.write() as tx:
        if there := tx.execute(select(people.c.name).where(_ADMINS)).scalar():
            raise AdministratorThere(
                "there is an administrator already", field="name", value=there,
                remedy="Let them make the account, or reset their password: pallor-backend person-reset NAME.",
            )  # fmt: skip
        _add(tx, clock, name, Role.ADMIN, frozenset(), kept, oidc_subject=None, by=by)
    return password


def put_person(
    database: Database,
    clock: Clock,
    name: str,
    role: Role,
    sites: frozenset[str],
    *,
    by: str,
    oidc_subject: str | None = None,
    unlink: bool = False,
) -> str | None:
    """Make an account, or let the one that is there belong to these sites; its one-time password when it is new.

    Args:
        oidc_subject: by what the identity provider knows this person; None leaves it as it is. unlink: it does not
            know them any more, or only by ``oidc_subject``. Either way the sign-ins by what was there before end.

    Raises:
        NameUnfit, NameTaken, RoleUnfit, RoleFixed, SitesUnfit, SiteUnknown
    """
    with database.read() as connection:
        there = connection.execute(select(people.c.role).where(people.c.name == name)).scalar()
    if there is None:
        return add_person(database, clock, name, role, sites, by=by, oidc_subject=oidc_subject)
    if there != role:
        raise RoleFixed(
            f"this account is for the role {there}, for ever", field="role", value=role.value,
            remedy="Make another account under a name of its own, and disable this one if it is not needed any more.",
        )  # fmt: skip
    move_person(database, clock, name, sites, by=by)
    if oidc_subject is not None or unlink:
        _link(database, clock, name, oidc_subject, by=by)
    return None


def move_person(database: Database, clock: Clock, name: str, sites: frozenset[str], *, by: str) -> None:
    """Let somebody belong to these sites and to no others.

    Raises:
        PersonNotFound, SitesUnfit, SiteUnknown
    """
    with database.write() as tx:
        row = person_row(tx, name)
        _check_sites(tx, Role(row.role), sites)
        old = _sites_of(tx, row.id)
        if frozenset(old) != sites:
            tx.execute(delete(person_sites).where(person_sites.c.person_id == row.id))
            _join_sites(tx, row.id, sites)
            write_audit(
                tx, clock, by, "person.move", row.id, old={"sites": old}, new={"name": name, "sites": sorted(sites)}
            )


def reset_password(database: Database, clock: Clock, name: str, *, by: str) -> str:
    """Give somebody a new one-time password; the old one, every sign-in and the second factor end.

    By what the identity provider knows them stays: ``put_person`` takes that away.

    Raises:
        PersonNotFound
    """
    password = one_time_password()
    kept = hash_password(password)
    with database.write() as tx:
        row = person_row(tx, name)
        new = {"password_hash": kept, "one_time_until": clock.now() + ONE_TIME_LASTS}
        factor = {"totp_secret": None, "totp_since": None, "totp_next": None, "totp_step": None}
        tx.execute(update(people).where(people.c.id == row.id).values(**new, **factor))
        ended = revoke_tokens(tx, clock, tokens.c.person_id == row.id)
        write_audit(tx, clock, by, "person.reset-password", row.id, new={"name": name, "sign_ins_ended": ended})
    return password


def set_person_state(database: Database, clock: Clock, name: str, state: PersonState, *, by: str) -> None:
    """Disable an account, which ends its sign-ins at once, or enable it again.

    Raises:
        PersonNotFound, LastAdministrator
    """
    with database.write() as tx:
        row = person_row(tx, name)
        if row.state == state:
            return
        ended_at = clock.now() if state is PersonState.DISABLED else None
        if ended_at is not None:
            _check_not_last(tx, row)
            revoke_tokens(tx, clock, tokens.c.person_id == row.id)
        tx.execute(update(people).where(people.c.id == row.id).values(state=state.value, ended_at=ended_at))
        new = {"name": name, "state": state.value}
        write_audit(tx, clock, by, "person.state", row.id, old={"state": row.state}, new=new)


def list_people(database: Database) -> list[Account]:
    """Every account by its name."""
    with database.read() as connection:
        rows = connection.execute(select(people).order_by(people.c.name)).all()
        return [Account(row, tuple(_sites_of(connection, row.id))) for row in rows]


def show_person(database: Database, name: str) -> Account:
    """One account; raises ``PersonNotFound``."""
    with database.read() as connection:
        row = person_row(connection, name)
        return Account(row, tuple(_sites_of(connection, row.id)))


def person_row(tx: Connection, name: str) -> Row[Any]:
    """An account's row; raises ``PersonNotFound``."""
    row = tx.execute(select(people).where(people.c.name == name)).first()
    if row is None:
        raise PersonNotFound(
            "no account has this name", field="name", value=name, remedy="See the list: pallor-backend person-list."
        )
    return row


_ADMINS = (people.c.role == Role.ADMIN.value) & (people.c.state == PersonState.ACTIVE.value)


def _add(
    tx: Connection,
    clock: Clock,
    name: str,
    role: Role,
    sites: frozenset[str],
    kept: str,
    *,
    oidc_subject: str | None,
    by: str,
) -> None:
    check_name(name)
    if role not in ROLES_OF_PEOPLE:
        raise RoleUnfit(
            "this role is a machine's", field="role", value=role.value,
            remedy=f"Use {', '.join(ROLES_OF_PEOPLE)}; enrol a machine by a code.",
        )  # fmt: skip
    _check_sites(tx, role, sites)
    if tx.execute(select(people.c.id).where(people.c.name == name)).first():
        raise NameTaken(
            "another account has it",
            field="name",
            value=name,
            remedy="Choose another; a disabled account keeps its own.",
        )
    if oidc_subject is not None:
        _check_subject(tx, oidc_subject)
    person_id, said = new_id(), {"name": name, "role": role.value}
    stamp = {"made_at": clock.now(), "made_by": by, "state": PersonState.ACTIVE.value}
    secret = {"password_hash": kept, "one_time_until": clock.now() + ONE_TIME_LASTS, "oidc_subject": oidc_subject}
    tx.execute(people.insert().values(id=person_id, **said, **stamp, **secret))
    _join_sites(tx, person_id, sites)
    linked = {} if oidc_subject is None else {"oidc_subject": oidc_subject}
    write_audit(tx, clock, by, "person.create", person_id, new={**said, "sites": sorted(sites), **linked})


def _link(database: Database, clock: Clock, name: str, oidc_subject: str | None, *, by: str) -> None:
    with database.write() as tx:
        row = person_row(tx, name)
        if row.oidc_subject == oidc_subject:
            return
        if oidc_subject is not None:
            _check_subject(tx, oidc_subject)
        tx.execute(update(people).where(people.c.id == row.id).values(oidc_subject=oidc_subject))
        ended = revoke_tokens(tx, clock, (tokens.c.person_id == row.id) & tokens.c.vouched_for.is_(True))
        old = {"oidc_subject": row.oidc_subject}
        new = {"name": name, "oidc_subject": oidc_subject, "sign_ins_ended": ended}
        write_audit(tx, clock, by, "person.link", row.id, old=old, new=new)


def _check_subject(tx: Connection, oidc_subject: str) -> None:
    if tx.execute(select(people.c.id).where(people.c.oidc_subject == oidc_subject)).first():
        raise NameTaken(
            "another account signs in by it", field="oidc_subject", value=oidc_subject,
            remedy="Let each person have one account.",
        )  # fmt: skip


def _check_sites(tx: Connection, role: Role, sites: frozenset[str]) -> None:
    if (role in ROLES_WITH_SITES) != bool(sites):
        raise SitesUnfit(
            "field and laboratory staff belong to sites, an administrator to none", field="sites",
            value=", ".join(sorted(sites)) or None, remedy="Name one site or more, or none for an administrator.",
        )  # fmt: skip
    check_sites(tx, sites)


def _check_not_last(tx: Connection, row: Row[Any]) -> None:
    others = tx.execute(select(people.c.id).where(_ADMINS, people.c.id != row.id)).first()
    if row.role == Role.ADMIN and others is None:
        raise LastAdministrator(
            "this is the last administrator who can sign in", field="name", value=row.name,
            remedy="Make another administrator first.",
        )  # fmt: skip


def _join_sites(tx: Connection, person_id: str, sites: frozenset[str]) -> None:
    for site in sorted(sites):
        tx.execute(person_sites.insert().values(person_id=person_id, site=site))


def _sites_of(tx: Connection, person_id: str) -> list[str]:
    query = select(person_sites.c.site).where(person_sites.c.person_id == person_id).order_by(person_sites.c.site)
    return list(tx.execute(query).scalars())
