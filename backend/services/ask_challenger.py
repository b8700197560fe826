"""A release on trial is asked about each photo that was answered; what it says is recorded and never shown."""

from collections.abc import Sequence

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import photos
from backend.queue import Send
from backend.services.report_worker import challenger_serves
from backend.services.take_in_photo import message_for
from pallor.clock import Clock


def challenger_is_asked(database: Database, clock: Clock, fresh_seconds: float) -> bool:
    """Whether a worker serves a release on trial now."""
    with database.read() as connection:
        return challenger_serves(connection, clock, fresh_seconds)


def ask_challenger(
    database: Database, clock: Clock, send: Send, fresh_seconds: float, photo_ids: Sequence[str]
) -> int:  # fmt: skip
    """Send photos to the workers that serve a challenger, if there are any; how many of them the broker took.

    It is asked once and not again: a trial can do without a photo, and no patient waits for it.
    """
    with database.read() as connection:
        if not challenger_serves(connection, clock, fresh_seconds):
            return 0
        query = select(photos.c.id, photos.c.case_id, photos.c.stored_sha256).where(photos.c.id.in_(photo_ids))
        found = connection.execute(query).all()
    messages = [message_for(photo.case_id, photo.id, photo.stored_sha256) for photo in found]
    return len(messages) if messages and send(*messages) else 0
