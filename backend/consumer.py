"""The process that takes the workers' messages: each is read back by the kernel and handed to a verb."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from celery import Celery

from backend.db.engine import Database
from backend.services.record_prediction import record_prediction
from backend.services.report_worker import report_worker
from pallor.clock import Clock
from pallor.errors import Unavailable
from pallor.messages import MessageUnreadable, RecordPrediction, ReportWorker

log = logging.getLogger(__name__)

Message = TypeVar("Message", RecordPrediction, ReportWorker)

_RETRY_SECONDS = 5


def register(
    app: Celery, database: Database, clock: Clock, label_table: str, ask_challenger: Callable[[str], object]
) -> None:
    """Put the backend's tasks on a Celery app; ``ask_challenger`` gets each photo that was answered."""
    again = {"autoretry_for": (Unavailable,), "default_retry_delay": _RETRY_SECONDS, "max_retries": None}

    @app.task(name=RecordPrediction.NAME, **again)
    def record(payload: dict[str, Any]) -> None:
        message = _read(RecordPrediction, payload)
        if message is None:
            return
        changed = record_prediction(database, clock, message, label_table)
        if changed and message.prediction is not None and not message.shadow:
            ask_challenger(message.photo_id)

    @app.task(name=ReportWorker.NAME, **again)
    def report(payload: dict[str, Any]) -> None:
        if (message := _read(ReportWorker, payload)) is not None:
            report_worker(database, clock, message)


def _read(kind: type[Message], payload: Any) -> Message | None:
    """The message, or None for one that nobody can read: it is noted and let go, sending it again would not help."""
    try:
        return kind.from_payload(payload)
    except MessageUnreadable as error:
        log.error("a message that cannot be read", extra={"message_name": kind.NAME, "fault": str(error)})
        return None
