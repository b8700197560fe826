"""Which labels may teach no model, counted by reason, and the cases behind each count: many can be mended."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from backend.db.engine import Database
from backend.db.paging import past_rising
from backend.db.tables import cases, labels
from backend.services.derive_label import is_newest
from pallor.eligibility import Reason


@dataclass(frozen=True)
class Eligibility:
    """Cases by their newest label. ``withheld``: of each reason how many; a case with two reasons counts in both."""

    eligible: int
    withheld: dict[Reason, int]


def count_withheld(database: Database, *, site: str | None = None) -> Eligibility:
    """Of all cases with a label, or of those of one site."""
    reasons = labels.c.record["withheld"].as_string()
    query: Select[Any] = select(labels.c.eligible, reasons.label("reasons"), func.count().label("n"))
    query = _of_site(query.where(is_newest()).group_by(labels.c.eligible, "reasons"), site)
    eligible, withheld = 0, Counter[str]()
    with database.read() as connection:
        for row in connection.execute(query):
            eligible += row.n * bool(row.eligible)
            for reason in json.loads(row.reasons):
                withheld[reason] += row.n
    return Eligibility(eligible, {reason: withheld[reason] for reason in Reason})


def list_withheld(
    database: Database, reason: Reason, limit: int, after: tuple[datetime, str] | None, *, site: str | None = None
) -> list[Row[Any]]:
    """Cases whose newest label is withheld for a reason, the oldest first.

    Args:
        after: since when, and the label's id: from the next one on.
    """
    key = (labels.c.derived_at, labels.c.id)
    query: Select[Any] = (
        select(labels.c.id, labels.c.case_id, labels.c.derived_at, labels.c.record, cases.c.site, cases.c.subject_code)
        .join(cases, cases.c.id == labels.c.case_id)
        .where(is_newest(), ~labels.c.eligible)
        .where(labels.c.record["withheld"].as_string().contains(f'"{reason}"', autoescape=True))
        .order_by(*key)
        .limit(limit)
    )
    if site is not None:
        query = query.where(cases.c.site == site)
    if after is not None:
        query = query.where(past_rising(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def _of_site(query: Select[Any], site: str | None) -> Select[Any]:
    return query if site is None else query.join(cases, cases.c.id == labels.c.case_id).where(cases.c.site == site)
