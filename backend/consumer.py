"""The process that takes the workers' messages: each is read back by the kernel and handed to a verb.

Answers that come within a twentieth of a second are recorded in one transaction and acknowledged at once: under load a
transaction, a Celery task and an acknowledgement for each cost more than what they record.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from celery import Celery
from celery.exceptions import InvalidTaskError

from backend.db.engine import Database
from backend.services.record_prediction import record_predictions
from backend.services.report_worker import report_worker
from pallor.broker import acknowledge
from pallor.clock import Clock
from pallor.errors import Unavailable
from pallor.messages import MessageUnreadable, RecordPrediction, ReportWorker

log = logging.getLogger(__name__)

Message = TypeVar("Message", RecordPrediction, ReportWorker)

MOST_AT_ONCE = 32  # that Celery takes before any is acknowledged
_GATHER_SECONDS = 0.05
_RETRY_SECONDS = 5


def register(
    app: Celery, database: Database, clock: Clock, label_table: str, ask_challenger: Callable[[Sequence[str]], object]
) -> None:
    """Put the backend's tasks on a Celery app; ``ask_challenger`` gets the photos that were answered."""
    again = {"autoretry_for": (Unavailable,), "default_retry_delay": _RETRY_SECONDS, "max_retries": None}
    answers = Answers(database, clock, label_table, ask_challenger)

    class Record(app.Task):  # type: ignore[misc]  # celery is untyped
        name = RecordPrediction.NAME

        def start_strategy(self, _app: Celery, consumer: Any, **_: Any) -> Callable[..., None]:
            return answers.strategy(consumer)

    @app.task(name=ReportWorker.NAME, **again)
    def report(payload: dict[str, Any]) -> None:
        if (message := _read(ReportWorker, payload)) is not None:
            report_worker(database, clock, message)

    app.register_task(Record())
    app.conf.worker_prefetch_multiplier = MOST_AT_ONCE


class Answers:
    """Takes answers as they come, and records those that are there; all in the consumer's own thread."""

    def __init__(
        self, database: Database, clock: Clock, label_table: str, ask_challenger: Callable[[Sequence[str]], object]
    ) -> None:
        self._database, self._clock, self._label_table = database, clock, label_table
        self._ask_challenger = ask_challenger
        self._came: list[tuple[RecordPrediction, Any]] = []
        self._timer: Any = None

    def strategy(self, consumer: Any) -> Callable[..., None]:
        """What Celery calls for each message of a new connection."""
        self._came.clear()  # those of the connection that broke come again
        self._timer = consumer.timer
        return self._take

    def _take(self, message: Any, _body: Any, *_: Any) -> None:
        try:
            _, named, _ = message.payload
            payload = named["payload"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidTaskError(f"{RecordPrediction.NAME}: {error!r}") from error  # Celery puts it aside
        if (answer := _read(RecordPrediction, payload)) is None:
            message.ack()
            return
        self._came.append((answer, message))
        if len(self._came) == 1:
            self._timer.call_after(_GATHER_SECONDS, self._record)

    def _record(self) -> None:
        came = list(self._came)
        if not came:
            return
        try:
            changed = self._recorded([answer for answer, _ in came])
        except Unavailable as error:
            log.warning("answers cannot be recorded now", extra={"fault": str(error), "count": len(came)})
            self._timer.call_after(_RETRY_SECONDS, self._record)
            return
        self._came.clear()
        answered = [answer.photo_id for answer in changed if answer.prediction is not None and not answer.shadow]
        if answered:
            self._ask(answered)
        acknowledge([message for _, message in came])

    def _ask(self, photo_ids: Sequence[str]) -> None:
        """A trial can do without a photo, and what is on record must be acknowledged: else nothing more would come."""
        try:
            self._ask_challenger(photo_ids)
        except Exception as error:
            log.warning("a challenger could not be asked", extra={"fault": error, "count": len(photo_ids)})

    def _recorded(self, answers: Sequence[RecordPrediction]) -> list[RecordPrediction]:
        """Those that changed anything; one that cannot be recorded costs no other its place."""
        try:
            return record_predictions(self._database, self._clock, answers, self._label_table)
        except Unavailable:
            raise
        except Exception:
            if len(answers) == 1:
                log.exception("an answer could not be recorded", extra={"photo_id": answers[0].photo_id})
                return []
        return [changed for answer in answers for changed in self._recorded([answer])]


def _read(kind: type[Message], payload: Any) -> Message | None:
    """The message, or None for one that nobody can read: it is noted and let go, sending it again would not help."""
    try:
        return kind.from_payload(payload)
    except MessageUnreadable as error:
        log.error("a message that cannot be read", extra={"message_name": kind.NAME, "fault": str(error)})
        return None
