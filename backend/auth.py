"""Who may come in: bearer tokens, of which only a hash is kept, and the roles a route declares."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Row, select, update

from backend.db.engine import Database
from backend.db.tables import tokens
from backend.services.audit import write_audit
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.ids import new_id

_OPERATOR = "operator"  # whoever has a shell on the server
Route = TypeVar("Route", bound=Callable[..., Any])


class Role(StrEnum):
    FIELD = "field"
    LAB = "lab"
    ADMIN = "admin"


class TokenMissing(Refused):
    """No bearer token came with the request."""


class TokenUnknown(Refused):
    """The token is not one of ours, or was revoked."""


class RoleNotAllowed(Refused):
    """This role has no business here."""


class TokenNameTaken(Refused):
    """Each token has a name of its own, so that what it did can be told apart."""


@dataclass(frozen=True)
class Caller:
    """Who sent the request: the name goes on record with everything it changes."""

    name: str
    role: Role


def allow(*roles: Role) -> Callable[[Route], Route]:
    """Declare who may use a route; ``app.create_app`` refuses to start with a route that declares nobody."""

    def declare(route: Route) -> Route:
        route.roles = frozenset(roles)  # type: ignore[attr-defined]
        return route

    return declare


def create_token(database: Database, clock: Clock, name: str, role: Role) -> str:
    """Make a token and return it, once; raises ``TokenNameTaken``."""
    token = f"pallor_{secrets.token_urlsafe(32)}"
    token_id, said = new_id(), {"name": name, "role": role.value}
    row = {"id": token_id, "secret_sha256": _hash(token), "created_at": clock.now(), **said}
    with database.write() as tx:
        if tx.execute(select(tokens.c.id).where(tokens.c.name == name)).first():
            raise TokenNameTaken(
                "there is a token of this name", field="name", value=name,
                remedy="Choose another name; a revoked token keeps its own.",
            )  # fmt: skip
        tx.execute(tokens.insert().values(row))
        write_audit(tx, clock, _OPERATOR, "token.create", token_id, new=said)
    return token


def revoke_token(database: Database, clock: Clock, name: str) -> bool:
    """Revoke by name; False when there is no such token in force."""
    with database.write() as tx:
        in_force = (tokens.c.name == name) & tokens.c.revoked_at.is_(None)
        token_id = tx.execute(select(tokens.c.id).where(in_force)).scalar()
        if token_id is None:
            return False
        tx.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at=clock.now()))
        write_audit(tx, clock, _OPERATOR, "token.revoke", token_id, old={"name": name})
        return True


def list_tokens(database: Database) -> list[Row[Any]]:
    """Every token ever made: ``name``, ``role``, ``created_at``, ``revoked_at``; the tokens themselves are not kept."""
    query = select(tokens.c.name, tokens.c.role, tokens.c.created_at, tokens.c.revoked_at).order_by(tokens.c.created_at)
    with database.read() as connection:
        return list(connection.execute(query))


def caller_of(database: Database, authorization: str | None) -> Caller:
    """Who an ``Authorization`` header speaks for; raises ``TokenMissing`` or ``TokenUnknown``."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissing(
            "no bearer token", field="Authorization", value="(hidden)" if authorization else None,
            remedy="Send 'Authorization: Bearer <token>'; an administrator makes one with: pallor-backend token-add",
        )  # fmt: skip
    # A token holds 256 random bits, so a plain hash cannot be searched backwards and looking it up leaks nothing.
    wanted = (tokens.c.secret_sha256 == _hash(token.strip())) & tokens.c.revoked_at.is_(None)
    with database.read() as connection:
        row = connection.execute(select(tokens.c.name, tokens.c.role).where(wanted)).first()
    if row is None:
        raise TokenUnknown(
            "the token is unknown or was revoked", field="Authorization", value="Bearer (hidden)",
            remedy="Ask an administrator for a new token; keep what waits to be sent.",
        )  # fmt: skip
    return Caller(row.name, Role(row.role))


def check_role(caller: Caller, allowed: frozenset[Role]) -> None:
    """Raise ``RoleNotAllowed`` unless the caller's role is among ``allowed``."""
    if caller.role not in allowed:
        raise RoleNotAllowed(
            "this role may not do that", field="Authorization", value=caller.role.value,
            remedy=f"Use a token with the role {' or '.join(sorted(allowed))}.",
        )  # fmt: skip


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
