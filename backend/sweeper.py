"""The process that finishes what was begun: the database is the truth, the broker and the store may have been away."""

import logging
import threading
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from backend.db.engine import Database
from backend.db.tables import cases, labels, photos
from backend.queue import Send
from backend.services.acknowledge_alert import escalate_alerts
from backend.services.apply_retention import apply_retention
from backend.services.derive_label import label_key
from backend.services.erase import finish_erasures
from backend.services.hear_clearances import hear_clearances
from backend.services.judge_rollouts import judge_rollouts
from backend.services.look_after_put_aside import discard_old
from backend.services.offer_challenger import offer_challenger
from backend.services.receive_photo import discard_stale_uploads
from backend.services.receive_report import Laboratory
from backend.services.receive_sealed import discard_stale_sealed
from backend.services.send_back import forget_sent_back
from backend.services.settle_waiting import forget_unmatched, settle_waiting
from backend.services.sign_channels import Signing, sign_channels, sign_newest
from backend.services.signed_clearances import Cleared
from backend.services.standing_consents import care_stands
from backend.services.take_away import ask_to_take_away, take_away_objects
from backend.services.take_in_photo import message_for
from backend.services.taken_back import hear_what_was_taken_back
from backend.services.watch_drift import watch_drift
from pallor.clock import Clock
from pallor.digest import canonical_json
from pallor.errors import PallorError, Unavailable
from pallor.label import DEFAULT_TABLE
from pallor.release.repository.ledger import Repository
from pallor.store.port import ObjectStore

log = logging.getLogger(__name__)

_BATCH = 500
_STALE_UPLOAD = timedelta(days=30)
_STALE_FILE = timedelta(minutes=10)
_HOUSEKEEPING = timedelta(hours=1)
_LOOK = timedelta(minutes=1)  # at what key holders and the trainer have published


@dataclass(frozen=True)
class Swept:
    """What one round did."""

    resent: int = 0
    labels_written: int = 0
    objects_taken_away: int = 0
    erasures_finished: int = 0
    lab_reports_settled: int = 0
    alerts_escalated: int = 0


@dataclass(frozen=True)
class Moved:
    """What became of rollouts in one round."""

    rollouts_taken_back: int
    signed: int


@dataclass(frozen=True)
class Heard:
    """What people have said of releases since the last look, and what the trainer has offered."""

    releases_taken_back: int
    clearances_changed: int
    challengers_offered: int


@dataclass(frozen=True)
class Kept:
    """What one housekeeping did."""

    uploads_discarded: int
    cases_erased: int
    lab_reports_let_go: int
    sent_back_let_go: int
    put_aside_discarded: int
    drift_alarms_raised: int


def sweep(database: Database, store: ObjectStore, clock: Clock, send: Send, resend_seconds: float,
          nothing_queued: Callable[[], bool] = lambda: True, label_table: str = DEFAULT_TABLE,
          alert_hours: float = 24.0) -> Swept:  # fmt: skip
    """One round; ``nothing_queued``: whether every message that was sent has been worked off."""
    return Swept(
        lab_reports_settled=settle_waiting(Laboratory(database, clock, label_table)),
        resent=resend_waiting(database, clock, send, resend_seconds),
        labels_written=write_labels(database, store, clock),
        objects_taken_away=take_away_objects(database, store, clock),
        # What is only half written into the store may be of somebody who was erased.
        erasures_finished=0
        if store.discard_unfinished(_STALE_FILE)
        else finish_erasures(database, clock, nothing_queued),
        alerts_escalated=escalate_alerts(database, clock, alert_hours),
    )


def keep_house(database: Database, clock: Clock, label_table: str, put_aside_days: int = 90) -> Kept:
    """What is due now and then: what is too old goes, drift is looked for, SQLite's log of changes is emptied."""
    stale = clock.now() - _STALE_UPLOAD
    kept = Kept(
        uploads_discarded=discard_stale_uploads(database, clock, stale) + discard_stale_sealed(database, stale),
        cases_erased=apply_retention(database, clock, label_table),
        lab_reports_let_go=forget_unmatched(Laboratory(database, clock, label_table)),
        sent_back_let_go=forget_sent_back(database, clock),
        put_aside_discarded=discard_old(database, clock, put_aside_days),
        drift_alarms_raised=watch_drift(database, clock),
    )
    database.checkpoint()
    return kept


def sweep_until(stop: threading.Event, pause_seconds: float, database: Database, store: ObjectStore, clock: Clock,
                send: Send, resend_seconds: float, label_table: str,
                nothing_queued: Callable[[], bool], alert_hours: float, put_aside_days: int, repository: Repository,
                cleared: Cleared, signing: Signing | None = None) -> None:  # fmt: skip
    """Round after round; what is away now is tried again in the next. ``signing``: with it, rollouts are signed."""
    kept_at: datetime | None = None
    looked_at: datetime | None = None
    while not stop.wait(pause_seconds):
        try:
            if kept_at is None or not timedelta() <= clock.now() - kept_at < _HOUSEKEEPING:
                _tell(keep_house(database, clock, label_table, put_aside_days))
                kept_at = clock.now()
            _tell(sweep(database, store, clock, send, resend_seconds, nothing_queued, label_table, alert_hours))
        except Unavailable as error:
            log.warning("not swept", extra={"code": error.code(), "fault": str(error)})
        looked_at = _look_after_rollouts(database, clock, repository, cleared, signing, looked_at)


def _look_after_rollouts(
    database: Database, clock: Clock, repository: Repository, cleared: Cleared, signing: Signing | None,
    looked_at: datetime | None,
) -> datetime | None:  # fmt: skip
    """Hear now and then what people clear and take back, move rollouts, sign what is newest; when that last was.

    Labels wait for none of it.
    """
    look = looked_at is None or not timedelta() <= clock.now() - looked_at < _LOOK
    try:
        if look:
            _tell(hear(database, clock, repository, cleared))
        moved = move_rollouts(database, clock, signing)
        _tell(moved)
        if signing is not None and (look or moved.signed):
            sign_newest(signing)
        return clock.now() if look or moved.signed else looked_at
    except PallorError as error:
        log.warning("rollouts are not looked after", extra={"code": error.code(), "fault": str(error)})
    return looked_at


def hear(database: Database, clock: Clock, repository: Repository, cleared: Cleared) -> Heard:
    """Look at what key holders and the trainer have published."""
    return Heard(
        releases_taken_back=hear_what_was_taken_back(database, clock, repository),
        clearances_changed=hear_clearances(database, clock, cleared),
        challengers_offered=_offered(database, clock, repository),
    )


def _offered(database: Database, clock: Clock, repository: Repository) -> int:
    """Whatever the trainer's key signs, it keeps nobody from taking back what does harm."""
    try:
        return offer_challenger(database, clock, repository)
    except Unavailable:
        raise
    except PallorError as error:
        log.warning("no challenger is offered", extra={"code": error.code(), "fault": str(error)})
    return 0


def move_rollouts(database: Database, clock: Clock, signing: Signing | None) -> Moved:
    """Take back what does harm, then sign what was decided, where the keys are."""
    taken_back = judge_rollouts(database, clock)
    return Moved(taken_back, signed=0 if signing is None else sign_channels(database, clock, signing))


def resend_waiting(database: Database, clock: Clock, send: Send, resend_seconds: float) -> int:
    """Send ``predict_case`` again for photos that have waited too long; how many the broker took.

    Not for those whose person has withdrawn consent to care.
    """
    now = clock.now()
    long_ago = or_(photos.c.sent_at.is_(None), photos.c.sent_at < now - timedelta(seconds=resend_seconds))
    query = (
        select(photos.c.id, photos.c.case_id, photos.c.stored_sha256)
        .join(cases, cases.c.id == photos.c.case_id)
        .where(photos.c.state == "waiting", long_ago, care_stands())
        .order_by(photos.c.sent_at)
        .limit(_BATCH)
    )
    with database.read() as connection:
        waiting = connection.execute(query).all()
    sent = []
    for row in waiting:
        if not send(message_for(row.case_id, row.id, row.stored_sha256)):
            break
        sent.append(row.id)
    if sent:
        with database.write() as tx:
            tx.execute(update(photos).where(photos.c.id.in_(sent), photos.c.state == "waiting").values(sent_at=now))
    return len(sent)


def write_labels(database: Database, store: ObjectStore, clock: Clock) -> int:
    """Lay label records that are not there yet into the object store, each under its own immutable key."""
    query = select(labels).where(labels.c.written_at.is_(None)).order_by(labels.c.derived_at, labels.c.id).limit(_BATCH)
    with database.read() as connection:
        unwritten = connection.execute(query).all()
    for row in unwritten:
        key = label_key(row.id, row.derived_at)
        store.put(key, canonical_json(row.record))
        with database.write() as tx:
            there = tx.execute(update(labels).where(labels.c.id == row.id).values(written_at=clock.now())).rowcount
            if not there:  # erased while it was being written
                ask_to_take_away(database, tx, clock.now(), [key])
    return len(unwritten)


def _tell(done: Swept | Kept | Heard | Moved) -> None:
    if any(astuple(done)):
        said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in vars(done).items() if count)
        log.info(f"swept: {said}", extra={})
