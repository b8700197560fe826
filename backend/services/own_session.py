"""What somebody's own sign-in is, and its end."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import sites, tokens
from backend.services.audit import write_audit
from backend.services.sessions import revoke_tokens
from pallor.clock import Clock


@dataclass(frozen=True)
class Session:
    """``practice_sites``: those of the caller's sites where people practise."""

    expires_at: datetime
    practice_sites: tuple[str, ...]


def read_session(database: Database, token_id: str, within: frozenset[str] | None) -> Session:
    """The sign-in of a token.

    Args:
        within: the sites of whoever asks, None: every site.
    """
    with database.read() as connection:
        expires_at = connection.execute(select(tokens.c.expires_at).where(tokens.c.id == token_id)).scalar_one()
        practice = connection.execute(select(sites.c.code).where(sites.c.practice).order_by(sites.c.code)).scalars()
        return Session(expires_at, tuple(code for code in practice if within is None or code in within))


def end_session(database: Database, clock: Clock, token_id: str, *, by: str) -> None:
    """Sign out."""
    with database.write() as tx:
        revoke_tokens(tx, clock, tokens.c.id == token_id)
        write_audit(tx, clock, by, "session.end", token_id)
