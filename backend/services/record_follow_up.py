"""Somebody was called back, reached, referred, treated, or lost sight of: each word is kept, the newest stands."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select, tuple_

from backend.db.engine import Database
from backend.db.tables import follow_ups
from backend.services.audit import write_audit
from backend.services.records import case_row, note_change, put_once
from pallor.clock import Clock, utc_text
from pallor.digest import digest_of
from pallor.follow_up import FollowUpNote, FollowUpState


def record_follow_up(
    database: Database,
    tx: Connection,
    clock: Clock,
    case_id: str,
    follow_up_id: str,
    state: FollowUpState,
    at: datetime,
    note: FollowUpNote | None,
    *,
    by: str,
) -> bool:
    """Record how it stands with a case; True when this word is new, False when it was here already.

    Args:
        at: when it was so, by the phone's clock.

    Raises:
        NotFound, CaseErased, ContentDiffers, IdTaken
    """
    case_row(tx, case_id)
    now = clock.now()
    said = {"state": state.value, "at": utc_text(at), "note": note.value if note else None}
    row = {
        "id": follow_up_id,
        "case_id": case_id,
        "digest": digest_of({"case_id": case_id, **said}),
        **said,
        "at": at,
        "counts_from": min(at, now),  # a clock that is ahead must not win over all that is said later
        "recorded_at": now,
        "recorded_by": by,
    }
    if not put_once(database, tx, follow_ups, row, "follow_up_id"):
        return False
    note_change(tx, clock, "follow-up", follow_up_id, case_id)
    write_audit(tx, clock, by, "follow-up.record", follow_up_id, case_id=case_id, new=said)
    return True


def is_newest_follow_up() -> ColumnElement[bool]:
    """That a row of ``follow_ups`` is the word that stands for its case."""
    later = follow_ups.alias()
    key = ("counts_from", "recorded_at", "id")
    is_later = tuple_(*(later.c[name] for name in key)) > tuple_(*(follow_ups.c[name] for name in key))
    same_case = later.c.case_id == follow_ups.c.case_id
    return ~select(later.c.id).where(same_case, is_later).correlate(follow_ups).exists()
