"""A rollout that does harm is taken back at once, by rule, and what speaks against it is kept with the decision."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from backend.db.engine import Database
from backend.db.tables import channel_files, labels, photos, predictions
from backend.services.channel_words import CHALLENGE, began_at, newest_of_all, running
from backend.services.derive_label import is_newest
from backend.services.halt_rules import Why, of_agreement, of_failures, of_shift
from backend.services.move_rollout import NothingToGoBackTo, roll_back
from backend.services.taken_back import reasons_against
from backend.services.watch_fleet import progress_of
from pallor.clock import Clock
from pallor.release.channel import Channel

log = logging.getLogger(__name__)

_ACTOR = "sweeper"
_WATCHED_DAYS = 14
_LOOKED_AT = 2000  # of each release, the newest answers


def judge_rollouts(database: Database, clock: Clock) -> int:
    """Take back what the rules speak against; how many rollouts that was."""
    with database.read() as connection:
        found = [(row, why) for row in newest_of_all(connection) if (why := _why(connection, row, clock.now()))]
    for row, why in found:
        log.error("a rollout is taken back", extra={"release_id": row.release_id, "code": why.rule, "fault": why.said})
        reason = f"{why.rule}: {why.said}"
        with suppress(NothingToGoBackTo):  # somebody was quicker
            roll_back(database, clock, row.channel, reason, by=_ACTOR, evidence={"rule": asdict(why)})
    return len(found)


def what_speaks_against(tx: Connection, row: Row[Any], now: datetime) -> Why | None:
    """Why a channel's newest word should be taken back, None when nothing speaks against it."""
    channel, since = Channel.from_json(row.content), began_at(tx, row)
    if (reason := reasons_against(tx).get(channel.release.release_id)) is not None:
        return Why("taken-back", reason)
    if why := of_failures(progress_of(tx, channel, since, now)):
        return why
    if channel.previous is None:
        return None
    new, old = channel.release.release_id, channel.previous.release_id
    return of_shift(_scores(tx, new), _scores(tx, old)) or of_agreement(_losses(tx, new), _losses(tx, old))


def _why(tx: Connection, row: Row[Any], now: datetime) -> Why | None:
    against = reasons_against(tx)
    if row.previous_id in (None, row.release_id) or row.previous_id in against:
        return None  # there is nothing to go back to: what was taken back, the nodes stop by themselves
    watched = running(row) or _young(tx, row, now) or row.release_id in against
    return what_speaks_against(tx, row, now) if watched else None


def _young(tx: Connection, row: Row[Any], now: datetime) -> bool:
    """A release that reaches everybody is watched for a while yet; a challenger beside it begins no new watch."""
    words = select(channel_files.c.made_at).where(
        channel_files.c.rollout_id == row.rollout_id, channel_files.c.kind != CHALLENGE
    )
    moved_at = tx.execute(words.order_by(channel_files.c.seq.desc()).limit(1)).scalar_one()
    return bool((now - moved_at).days < _WATCHED_DAYS)


def _scores(tx: Connection, release_id: str) -> Sequence[float]:
    """The newest probabilities that were shown of a release."""
    return tx.execute(_shown(select(predictions.c.probability), release_id)).scalars().all()


def _losses(tx: Connection, release_id: str) -> Sequence[float]:
    """Squared distances between what was shown of a release and what the laboratory found."""
    query = (
        select(predictions.c.probability, labels.c.record)
        .join(photos, photos.c.id == predictions.c.photo_id)
        .join(labels, (labels.c.case_id == photos.c.case_id) & is_newest())
    )
    rows = tx.execute(_shown(query, release_id))
    return [(row.probability - row.record["anaemic"]) ** 2 for row in rows if row.record.get("anaemic") is not None]


def _shown(query: Select[Any], release_id: str) -> Select[Any]:
    return (
        query.where(predictions.c.release_id == release_id, predictions.c.shown)
        .order_by(predictions.c.recorded_at.desc())
        .limit(_LOOKED_AT)
    )
