"""Tokens are issued, take the place of each other, and end."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, update

from backend.access.tokens import hash_of, new_token
from backend.db.tables import tokens
from pallor.clock import Clock
from pallor.ids import new_id


@dataclass(frozen=True)
class Issued:
    """A token in the moment in which it is known. ``csrf``: the other half of a browser's cookie."""

    token_id: str
    token: str = field(repr=False)
    csrf: str | None = field(repr=False)
    expires_at: datetime


def issue_token(
    tx: Connection,
    clock: Clock,
    lifetime: timedelta,
    *,
    person_id: str | None = None,
    device_id: str | None = None,
    cookie: bool = False,
    vouched_for: bool = False,
    predecessor_id: str | None = None,
) -> Issued:
    """Make a token for a person, a device, or a person on a device.

    Args:
        cookie: for a browser: the token works in the cookie alone, and changes something only with its CSRF half.
        vouched_for: an identity provider said who it is, and how well it looked is its business.
        predecessor_id: the token that ends when this one is first used; a lost answer then costs nobody the door.
    """
    now = clock.now()
    issued = Issued(new_id(), new_token(), new_token() if cookie else None, now + lifetime)
    tx.execute(
        tokens.insert().values(
            id=issued.token_id,
            secret_sha256=hash_of(issued.token),
            csrf_sha256=hash_of(issued.csrf) if issued.csrf else None,
            person_id=person_id,
            device_id=device_id,
            vouched_for=vouched_for,
            predecessor_id=predecessor_id,
            made_at=now,
            expires_at=issued.expires_at,
        )
    )
    return issued


def revoke_tokens(tx: Connection, clock: Clock, which: ColumnElement[bool]) -> int:
    """End the tokens in force among ``which`` (a condition on the table ``tokens``); how many they were."""
    in_force = which & tokens.c.revoked_at.is_(None)
    return tx.execute(update(tokens).where(in_force).values(revoked_at=clock.now())).rowcount
