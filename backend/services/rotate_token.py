"""A bearer token gets a successor, and ends when that is first used: a lost answer costs nobody the door."""

from datetime import timedelta

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import tokens
from backend.services.audit import write_audit
from backend.services.sessions import Issued, issue_token, revoke_tokens
from pallor.clock import Clock, utc_text
from pallor.errors import Refused


class CookieNotRotated(Refused):
    """A browser's session ends when its time has come; who stays signs in again."""


class TokenReplaced(Refused):
    """Its successor was used while this token asked for another."""


def rotate_token(database: Database, clock: Clock, token_id: str, lifetime: timedelta, *, by: str) -> Issued:
    """A token for the same person and device; one that was made before and never used ends.

    Args:
        lifetime: at most; the successor lasts no longer than its predecessor was granted for.

    Raises:
        CookieNotRotated, TokenReplaced
    """
    with database.write() as tx:
        old = tx.execute(select(tokens).where(tokens.c.id == token_id)).one()
        if old.csrf_sha256 is not None:
            raise CookieNotRotated(
                "a browser's session is not renewed",
                field="Cookie",
                value="(hidden)",
                remedy="Sign in again when it ends.",
            )
        if old.revoked_at is not None:
            raise TokenReplaced(
                "this token has ended",
                field="Authorization",
                value="(hidden)",
                remedy="Use the token that followed it.",
            )
        revoke_tokens(tx, clock, tokens.c.predecessor_id == token_id)
        whose = {"person_id": old.person_id, "device_id": old.device_id}
        granted = min(lifetime, old.expires_at - old.made_at)
        issued = issue_token(tx, clock, granted, **whose, predecessor_id=token_id)
        said = {"instead_of": token_id, "expires_at": utc_text(issued.expires_at)}
        write_audit(tx, clock, by, "token.rotate", issued.token_id, new=said)
        return issued
