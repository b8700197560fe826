"""A person gets a second factor: a secret for their app, which counts once a first code has shown that it is there."""

from typing import Any

from sqlalchemy import Row, select, update

from backend.access.passwords import password_fits
from backend.access.second_factor import (
    SecondFactorCodeNeeded,
    SecondFactorCodeWrong,
    SecondFactorNotBegun,
    new_secret,
    step_of,
)
from backend.db.engine import Database
from backend.db.tables import people
from backend.services.audit import write_audit
from backend.services.sign_in import check_unchanged, password_wrong, standing_password
from pallor.clock import Clock


def begin_second_factor(
    database: Database, clock: Clock, person_id: str, *, password: str | None, code: str | None, by: str
) -> str:
    """A new secret, to be confirmed; what was confirmed before counts until then.

    Args:
        password, code: one of them is needed when there is a second factor already, so that whoever got hold of a
            session does not get hold of the account.

    Raises:
        SecondFactorCodeNeeded, PasswordWrong, DoorBusy
    """
    secret = new_secret()
    with database.read() as connection:
        row = connection.execute(select(people).where(people.c.id == person_id)).one()
    step = row.totp_step if row.totp_since is None else _shown(row, password, code, clock)
    with database.write() as tx:
        check_unchanged(tx, row)
        tx.execute(update(people).where(people.c.id == person_id).values(totp_next=secret, totp_step=step))
        write_audit(tx, clock, by, "second-factor.begin", person_id)
    return secret


def confirm_second_factor(database: Database, clock: Clock, person_id: str, code: str, *, by: str) -> None:
    """Let the new secret count, of which ``code`` was made; every sign-in asks for a code from now on.

    Raises:
        SecondFactorNotBegun, SecondFactorCodeWrong
    """
    with database.write() as tx:
        row = tx.execute(select(people).where(people.c.id == person_id)).one()
        if row.totp_next is None:
            raise SecondFactorNotBegun(
                "no second factor waits to be confirmed", field="code", value="(hidden)",
                remedy="Get a secret for your app first: POST /api/v1/session/second-factor.",
            )  # fmt: skip
        now = clock.now()
        step = step_of(row.totp_next, code, now, after=None)
        if step is None:
            raise SecondFactorCodeWrong(
                "this is not the code that belongs to the new secret now", field="code", value="(hidden)",
                remedy="Check the clock of the phone that shows it, and send the next code.",
            )  # fmt: skip
        new = {"totp_secret": row.totp_next, "totp_since": now, "totp_next": None, "totp_step": step}
        tx.execute(update(people).where(people.c.id == person_id).values(**new))
        write_audit(tx, clock, by, "second-factor.confirm", person_id)


def _shown(row: Row[Any], password: str | None, code: str | None, clock: Clock) -> int:
    """The newest used step of the second factor that stands, once whoever asks has shown that it is theirs."""
    now = clock.now()
    if code is not None:
        step = step_of(row.totp_secret, code, now, after=row.totp_step)
        if step is None:
            raise password_wrong()
        return step
    if password is None:
        raise SecondFactorCodeNeeded(
            "there is a second factor already", field="code", value=None,
            remedy="Send a code of it as `code`, or your password as `password`.",
        )  # fmt: skip
    if not password_fits(standing_password(row, now), password):
        raise password_wrong()
    return int(row.totp_step)
