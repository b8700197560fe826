"""Whom to call back: those of whom somebody said so, and those whose laboratory value asks for it by itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import alerts, cases, follow_ups, labels
from backend.services.alerts import alerts_of, is_standing
from backend.services.derive_label import is_newest
from backend.services.record_follow_up import is_newest_follow_up
from backend.services.records import not_found
from pallor.follow_up import FollowUpState


@dataclass(frozen=True)
class Followed:
    """``row``: the case, how it stands (``state``, ``at``, ``note``), and its ``label``, if there is one."""

    row: Row[Any]
    alert: Row[Any] | None


def list_follow_ups(
    database: Database,
    limit: int,
    after: tuple[datetime, str] | None,
    *,
    within: frozenset[str] | None,
    site: str | None,
    state: FollowUpState | None,
) -> list[Followed]:
    """Cases to follow up at some sites (None: at all), the newest first, from the one after ``after`` on.

    Without a word of anybody's, a case whose label says anaemia, or that has an alert, is one to call.

    Args:
        after: a case's arrival and id.
        site, state: only of this site, only in this state.
    """
    stands = func.coalesce(follow_ups.c.state, FollowUpState.TO_CALL.value)
    key = (cases.c.received_at, cases.c.id)
    query = (
        select(cases.c.id, cases.c.site, cases.c.subject_code, cases.c.received_at, stands.label("state"),
               follow_ups.c.at, follow_ups.c.note, follow_ups.c.recorded_by, labels.c.record.label("label"))
        .select_from(cases)
        .outerjoin(follow_ups, (follow_ups.c.case_id == cases.c.id) & is_newest_follow_up())
        .outerjoin(labels, (labels.c.case_id == cases.c.id) & is_newest())
        .where(_asks_for_it())
        .order_by(*(column.desc() for column in key))
        .limit(limit)
    )  # fmt: skip
    if within is not None:
        query = query.where(cases.c.site.in_(within))
    if site is not None:
        query = query.where(cases.c.site == site)
    if state is not None:
        query = query.where(stands == state.value)
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        rows: list[Row[Any]] = list(connection.execute(query))
        standing = alerts_of(connection, [row.id for row in rows])
    return [Followed(row, standing.get(row.id)) for row in rows]


def show_follow_up(database: Database, case_id: str, follow_up_id: str) -> Row[Any]:
    """One word about a case; raises ``NotFound``."""
    here = (follow_ups.c.id == follow_up_id) & (follow_ups.c.case_id == case_id)
    with database.read() as connection:
        row = connection.execute(select(follow_ups).where(here)).first()
    if row is None:
        raise not_found("follow_up_id", follow_up_id, "follow-up")
    return row


def _asks_for_it() -> ColumnElement[bool]:
    alarming = select(alerts.c.result_id).where(alerts.c.case_id == cases.c.id, is_standing()).correlate(cases)
    return or_(follow_ups.c.id.is_not(None), labels.c.record["anaemic"].as_boolean(), alarming.exists())
