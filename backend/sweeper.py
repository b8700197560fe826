"""The process that finishes what was begun: the database is the truth, the broker and the store may have been away."""

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select, update

from backend.db.engine import Database
from backend.db.tables import labels, photos
from backend.queue import Send
from backend.services.receive_photo import discard_stale_uploads
from backend.services.take_in_photo import message_for
from pallor.clock import Clock, utc_text
from pallor.digest import canonical_json
from pallor.errors import Unavailable
from pallor.store.port import ObjectStore

log = logging.getLogger(__name__)

_BATCH = 500
_STALE_UPLOAD = timedelta(days=30)


@dataclass(frozen=True)
class Swept:
    """What one round did."""

    resent: int
    labels_written: int
    uploads_discarded: int


def sweep(database: Database, store: ObjectStore, clock: Clock, send: Send, resend_seconds: float) -> Swept:
    """One round."""
    return Swept(
        resent=resend_waiting(database, clock, send, resend_seconds),
        labels_written=write_labels(database, store, clock),
        uploads_discarded=discard_stale_uploads(database, clock.now() - _STALE_UPLOAD),
    )


def sweep_until(stop: threading.Event, pause_seconds: float, database: Database, store: ObjectStore, clock: Clock,
                send: Send, resend_seconds: float) -> None:  # fmt: skip
    """Round after round; what is away now is tried again in the next."""
    while not stop.wait(pause_seconds):
        try:
            swept = sweep(database, store, clock, send, resend_seconds)
        except Unavailable as error:
            log.warning("not swept", extra={"code": error.code(), "fault": str(error)})
            continue
        if swept != Swept(0, 0, 0):
            log.info(f"swept: {swept.resent} sent again, {swept.labels_written} labels written", extra={})


def resend_waiting(database: Database, clock: Clock, send: Send, resend_seconds: float) -> int:
    """Send ``predict_case`` again for photos that have waited too long; how many the broker took."""
    now = clock.now()
    long_ago = or_(photos.c.sent_at.is_(None), photos.c.sent_at < now - timedelta(seconds=resend_seconds))
    query = (
        select(photos.c.id, photos.c.case_id, photos.c.stored_sha256)
        .where(photos.c.state == "waiting", long_ago)
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
        day = utc_text(row.derived_at)[:10]
        store.put(f"labels/v1/dt={day}/{row.id}.json", canonical_json(row.record))
        with database.write() as tx:
            tx.execute(update(labels).where(labels.c.id == row.id).values(written_at=clock.now()))
    return len(unwritten)
