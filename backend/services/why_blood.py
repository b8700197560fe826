"""Why each case's blood was taken, by what its person was told: the release that was shown decided who was sent.

So the record of a challenger, which nobody saw, weighs by the release beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from backend.db.tables import cases, cleared, photos, predictions, releases
from backend.services.records import case_of
from pallor.advice import doubts_of
from pallor.release.manifest import Manifest
from pallor.release.policy import Clearance
from pallor.verification import WhyBlood, why_blood

_ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class _Span:
    """``until``: None while it still counts."""

    since: datetime
    until: datetime | None
    clearance: Clearance
    manifest: Manifest

    def holds(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


def why_blood_of(tx: Connection, case_ids: Sequence[str] | None = None) -> dict[str, WhyBlood]:
    """Of each case with an answer that was shown while its release might advise; every other is investigational.

    Args:
        case_ids: of these alone; None: of all.
    """
    spans = _spans(tx)
    if not spans:
        return {}
    found: dict[str, WhyBlood] = {}
    for row in tx.execute(_shown(min(span.since for some in spans.values() for span in some), case_ids)):
        span = next((span for span in spans.get(row.release_id, ()) if span.holds(row.captured_at)), None)
        if span is not None:
            found[row.id] = why_blood(row.id, cleared=True, referred=_referred(row, span))
    return found


def _referred(row: Row[Any], span: _Span) -> bool:
    doubts = doubts_of(case_of(row), row.release_id, row.probability, span.manifest, span.clearance)
    return bool(doubts) or bool(row.probability >= span.manifest.threshold)


def _spans(tx: Connection) -> dict[str, list[_Span]]:
    query: Select[Any] = select(cleared, releases.c.manifest, releases.c.digest).join(
        releases, releases.c.release_id == cleared.c.release_id
    )
    found: dict[str, list[_Span]] = {}
    for row in tx.execute(query):
        clearance = Clearance.from_json(row.clearance)
        if clearance.manifest == row.digest:
            span = _Span(row.since, row.until, clearance, Manifest.from_json(row.manifest))
            found.setdefault(row.release_id, []).append(span)
    return found


def _shown(since: datetime, case_ids: Sequence[str] | None) -> Select[Any]:
    """Of several photos of a case the one that looks most like anaemia comes last, as in what is said of it."""
    query: Select[Any] = (
        select(cases.c.id, cases.c.facts, photos.c.captured_at, predictions.c.release_id, predictions.c.probability)
        .join(photos, photos.c.case_id == cases.c.id)
        .join(predictions, predictions.c.photo_id == photos.c.id)
        .where(predictions.c.shown, photos.c.captured_at >= since)
        .order_by(predictions.c.probability)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    return query if case_ids is None else query.where(cases.c.id.in_(case_ids))
