"""How much waits, and what became of what came: numbers for whoever watches over the server, and of nobody.

What grows with the years is counted in an index alone, and what takes a look into an answer is bounded: to the last
hour, and in it to the newest ``MOST_RECENT``.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from backend.db.engine import Database
from backend.db.tables import alerts, cases, erasures, labels, object_deletions, photos, predictions, sealed, workers
from backend.services.alerts import is_standing
from backend.services.derive_label import is_newest
from backend.services.standing_consents import care_stands
from pallor.clock import Clock

RECENT = timedelta(hours=1)
MOST_RECENT = 10_000
_GONE = timedelta(days=1)  # a worker that said nothing for so long does not run any more

Counts = dict[tuple[str, ...], int]


@dataclass(frozen=True)
class Stock:
    """Every count by the words that tell it from the others.

    Attributes:
        waiting: photos that are to be scored.
        oldest_waiting_seconds: since the oldest of them had arrived; 0 when none waits.
        photos: by state.
        predictions: by release, and ``yes`` or ``no``: is it the one that is shown?
        recent_refusals: photos refused of those that came lately, by reason; one may have several.
        recent_answers: by engine flavour, precision, and ``yes`` or ``no``: did it stand in for another engine?
        workers: by release, engine flavour, and ``ready``, ``faulty`` or ``silent``.
        unsent: what the sweeper has yet to do, by kind.
        alerts: critical values that stand, by ``open``, ``escalated`` or ``acknowledged``.
        put_aside: what phones sealed, was refused and is kept.
    """

    waiting: int
    oldest_waiting_seconds: float
    photos: Counts
    predictions: Counts
    recent_refusals: Counts
    recent_answers: Counts
    workers: Counts
    unsent: Counts
    alerts: Counts
    put_aside: int


def take_stock(database: Database, clock: Clock, fresh_seconds: float) -> Stock:
    """Count everything, in one moment of the database.

    Args:
        fresh_seconds: a worker whose last report is older is silent.
    """
    now = clock.now()
    with database.read() as connection:
        waiting, oldest = _waiting(connection)
        return Stock(
            waiting=waiting,
            oldest_waiting_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
            photos=_counted(connection, select(photos.c.state, func.count()).group_by(photos.c.state)),
            predictions=_counted(connection, _predictions()),
            recent_refusals=_recent_refusals(connection, now - RECENT),
            recent_answers=_counted(connection, _recent_answers(now - RECENT)),
            workers=_counted(connection, _workers(now, timedelta(seconds=fresh_seconds))),
            unsent=_unsent(connection),
            alerts=_counted(connection, _alerts()),
            put_aside=connection.execute(
                select(func.count()).select_from(sealed).where(sealed.c.state == "put-aside")
            ).scalar_one(),
        )


def count_labels(database: Database) -> Counts:
    """Newest labels by what keeps them from training, or ``eligible``; one may be withheld for several reasons.

    It reads every label, and that takes its time: nothing to do at every look.
    """
    withheld = labels.c.record["withheld"].as_string()
    query = select(withheld, func.count()).where(is_newest()).group_by(withheld)
    found: Counter[tuple[str, ...]] = Counter()
    with database.read() as connection:
        for reasons, count in connection.execute(query):
            for reason in json.loads(reasons) or ("eligible",):
                found[(reason,)] += count
    return dict(found)


def _waiting(connection: Connection) -> tuple[int, datetime | None]:
    """How many and since when; photos whose person has withdrawn consent to care wait for nothing."""
    query = (
        select(func.count(), func.min(photos.c.received_at))
        .join(cases, cases.c.id == photos.c.case_id)
        .where(photos.c.state == "waiting", care_stands())
    )
    count, oldest = connection.execute(query).one()
    return count, oldest


def _predictions() -> Select[Any]:
    key = (predictions.c.release_id, predictions.c.shown)
    return select(key[0], case((key[1], "yes"), else_="no"), func.count()).group_by(*key)


def _recent_answers(since: datetime) -> Select[Any]:
    answer = predictions.c.answer
    stood_in = answer[("engine", "fallback")].as_string().is_not(None)
    newest = (
        select(
            answer[("engine", "flavour")].as_string().label("flavour"),
            answer[("engine", "precision")].as_string().label("precision"),
            case((stood_in, "yes"), else_="no").label("fallback"),
        )
        .where(predictions.c.recorded_at >= since)
        .order_by(predictions.c.recorded_at.desc())
        .limit(MOST_RECENT)
        .subquery()
    )
    return select(newest, func.count()).group_by(*newest.c)


def _recent_refusals(connection: Connection, since: datetime) -> Counts:
    """What the judgement of quality found, or the worker's code."""
    query = (
        select(photos.c.refusal, photos.c.quality)
        .where(photos.c.state == "refused", photos.c.received_at >= since)
        .order_by(photos.c.received_at.desc())
        .limit(MOST_RECENT)
    )
    found: Counter[tuple[str, ...]] = Counter()
    for row in connection.execute(query):
        found.update((reason,) for reason in (row.quality or {}).get("reasons") or (row.refusal,))
    return dict(found)


def _alerts() -> Select[Any]:
    seen, overdue = alerts.c.acknowledged_at.is_not(None), alerts.c.escalated_at.is_not(None)
    state = case((seen, "acknowledged"), (overdue, "escalated"), else_="open")
    return select(state, func.count()).where(is_standing()).group_by(state)


def _workers(now: datetime, fresh: timedelta) -> Select[Any]:
    silent, faulty = workers.c.reported_at < now - fresh, workers.c.fault.is_not(None)
    state = case((silent, "silent"), (faulty, "faulty"), else_="ready")
    key = (workers.c.release_id, workers.c.engine_flavour, state)
    return select(*key, func.count()).where(workers.c.reported_at >= now - _GONE).group_by(*key)


def _unsent(connection: Connection) -> Counts:
    left = {
        "label-record": select(func.count()).where(labels.c.written_at.is_(None)),
        "object-deletion": select(func.count()).select_from(object_deletions),
        "erasure": select(func.count()).where(erasures.c.done_at.is_(None)),
    }
    return {(kind,): connection.execute(query).scalar_one() for kind, query in left.items()}


def _counted(connection: Connection, query: Select[Any]) -> Counts:
    """Rows of words with their count at the end."""
    return {tuple(words): count for *words, count in connection.execute(query)}
