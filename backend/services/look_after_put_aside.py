"""What was refused and put aside: an administrator looks at it, lets it be tried again, or lets it go with a reason."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import sealed, sites
from backend.services.audit import write_audit
from backend.services.receive_sealed import sealed_row, settle
from pallor.clock import Clock
from pallor.errors import Refused

_ACTOR = "sweeper"
_NOBODY: dict[str, Any] = {"kind": None, "case_id": None, "subject_code": None}


class NotPutAside(Refused):
    """It was taken in, was discarded, or has not fully arrived."""


def list_put_aside(database: Database, limit: int, after: tuple[datetime, str] | None) -> list[Row[Any]]:
    """Submissions that were put aside, the newest first, from the one after ``after`` (its moment and id) on."""
    key = (sealed.c.settled_at, sealed.c.id)
    query = select(sealed).where(sealed.c.state == "put-aside").order_by(*(c.desc() for c in key)).limit(limit)
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def note_another_try(database: Database, clock: Clock, submission_id: str, *, by: str) -> None:
    """Write down that an administrator lets a submission be tried again; what comes of it is in its sender's name.

    Raises:
        NotFound, NotPutAside
    """
    with database.write() as tx:
        row = sealed_row(tx, submission_id)
        _check_put_aside(row)
        write_audit(tx, clock, by, "sealed.try-again", submission_id, case_id=row.case_id)


def discard_put_aside(database: Database, clock: Clock, submission_id: str, reason: str, *, by: str) -> None:
    """Let go of a submission that was put aside; why it was refused is still told.

    Raises:
        NotFound, NotPutAside
    """
    with database.write() as tx:
        row = sealed_row(tx, submission_id)
        if not settle(tx, clock, submission_id, ("put-aside",), "discarded", **_NOBODY):
            _check_put_aside(row)
        write_audit(tx, clock, by, "sealed.discard", submission_id, case_id=row.case_id, reason=reason)


def discard_old(database: Database, clock: Clock, days: int) -> int:
    """Let go of what was put aside so many days ago, or longer ago than its site keeps cases; how many they were."""
    query = select(sealed, sites.c.retention_days).join(sites, sites.c.code == sealed.c.site)
    discarded = 0
    with database.write() as tx:
        for row in tx.execute(query.where(sealed.c.state == "put-aside")).all():
            kept = timedelta(days=min(days, row.retention_days or days))
            if row.settled_at < clock.now() - kept:
                settle(tx, clock, row.id, ("put-aside",), "discarded", **_NOBODY)
                write_audit(tx, clock, _ACTOR, "sealed.discard", row.id, case_id=row.case_id, reason="retention")
                discarded += 1
    return discarded


def _check_put_aside(row: Row[Any]) -> None:
    if row.state != "put-aside":
        raise NotPutAside(
            f"this submission is {row.state}", field="submission_id", value=row.id,
            remedy="See what is put aside: GET /api/v1/sealed.",
        )  # fmt: skip
