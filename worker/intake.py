"""Messages in, acknowledgements out: Celery's consumer, with a pipeline where Celery would run a task.

Celery connects, takes messages off the queue, comes back from a broker that died and ends on a signal. But a task a
photo costs it milliseconds, so its `strategy`, the hook for what happens to a message, hands photos to the pipeline;
each is acknowledged with its answer (measured: benchmarks/results/serving.json).

Everything here happens in the consumer's own thread; ``ended`` and ``retire`` may be called from others, and ask it.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from celery import Celery
from celery.exceptions import InvalidTaskError
from celery.worker import state

from pallor.broker import acknowledge, forget
from pallor.messages import MessageUnreadable, PredictCase
from worker.batch import Batch, Done, Waiting
from worker.pipeline import PhotoStopsWorker, Pipeline

log = logging.getLogger(__name__)

_MOST_MORE = 8  # while more wait for their object, the store is away for all
_DEADLY = 2  # processes that died with a photo in hand, the second with no other


class Intake:
    """Takes photos from ``queue``."""

    def __init__(self, app: Celery, queue: str, pipeline: Pipeline) -> None:
        self._queue, self._pipeline = queue, pipeline
        self._suspects: dict[str, int] = {}
        self._held: deque[Waiting] = deque()
        self._in_hand: set[Waiting] = set()
        self._alone = False  # the only photo in hand is one that a process may have died of
        self._more = 0  # photos in hand than Celery takes at first
        self._asked: deque[Callable[[], None]] = deque()
        self._retiring = False
        self._consumer: Any = None
        _put_task(app, self)

    def suspect(self, suspects: Mapping[str, int]) -> None:
        """Processes have died with these photos in hand: each is tried alone, and after another death no more."""
        self._suspects.update(suspects)

    def ended(self, batch: Batch) -> None:
        """Acknowledge what ended, and give back what somebody else is to try."""
        self._ask(partial(self._settle_all, batch))

    def room(self, more: int) -> None:
        """So many more photos may be in hand, because some wait for their object, or for a backlog."""
        self._ask(partial(self._make_room, more))

    def retire(self) -> None:
        """Take no more, and end the consumer when nothing is in hand."""
        self._pipeline.retire()
        self._retiring = True
        if self._consumer is not None:
            self._consumer.call_soon(self._stop_taking)

    def strategy(self, consumer: Any) -> Callable[..., None]:
        """What Celery calls for each message of a new connection."""
        self._consumer = consumer
        self._ask(partial(self._make_room, 0))  # each connection begins with what Celery takes at first
        if self._retiring:
            consumer.call_soon(self._stop_taking)
        return self._take

    def _ask(self, does: Callable[[], None]) -> None:
        """Have something done in the consumer's thread: on the next connection, if this one breaks before.

        Celery's loop calls what it was asked to in no order, and forgets what is left when one of them fails.
        """
        self._asked.append(does)
        self._consumer.call_soon(self._do_what_was_asked)

    def _do_what_was_asked(self) -> None:
        while self._asked:
            self._asked.popleft()()

    def _take(self, message: Any, _body: Any, *_: Any) -> None:
        try:
            _, named, _ = message.payload
            photo = PredictCase.from_payload(named["payload"])
        except (MessageUnreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidTaskError(f"{PredictCase.NAME}: {error!r}") from error  # Celery puts it aside
        if self._retiring:
            message.requeue()
            return
        self._held.append(Waiting(photo, message))
        self._pass_on()

    def _make_room(self, more: int) -> None:
        self._more += more
        self._consumer.qos.value = self._consumer.initial_prefetch_count + min(self._more, _MOST_MORE)

    def _pass_on(self) -> None:
        while self._held and not self._alone:
            deaths = self._suspects.get(self._held[0].message.photo_id, 0)
            if deaths and self._in_hand:
                return
            waiting = self._held.popleft()
            self._in_hand.add(waiting)
            self._alone = bool(deaths)
            if deaths >= _DEADLY:
                self._pipeline.refuse(waiting, PhotoStopsWorker(f"{deaths} processes died of it"))
            else:
                self._pipeline.put(waiting)

    def _settle_all(self, batch: Batch) -> None:
        for done in batch.done:
            self._suspects.pop(done.waiting.message.photo_id, None)
            self._in_hand.discard(done.waiting)
        self._alone = False
        try:
            _settle(batch.done)
        finally:
            self._pass_on()
            if self._retiring:
                self._stop_taking()

    def _stop_taking(self) -> None:
        if self._consumer.task_consumer and self._consumer.task_consumer.consuming_from(self._queue):
            self._consumer.cancel_task_queue(self._queue)
        while self._held:
            _settle([Done(self._held.popleft(), back=True)])
        if not self._in_hand:
            state.should_stop = 0  # Celery's own way to end: the loop looks at it


def _settle(ended: Sequence[Done]) -> None:
    """Forget what was answered, acknowledge what is given up, give back the rest; a message of a connection that broke
    comes again, whatever is said here.

    Raises what the connection raises: the loop must connect anew then, or the queue would stand still.
    """
    live = [done for done in ended if (channel := done.waiting.ticket.channel) and channel.connection]
    for done in live:
        if done.back:
            done.waiting.ticket.requeue()
        elif done.fault is not None:
            message = done.waiting.message
            told = {"case_id": message.case_id, "photo_id": message.photo_id, "fault": done.fault}
            log.error("a photo is given up here; the backend sends it again", extra=told)
    acknowledge([done.waiting.ticket for done in live if not done.back and done.said is None])
    forget([done.waiting.ticket for done in live if done.said is not None])


def _put_task(app: Celery, intake: Intake) -> None:
    """Celery looks up by the task's name what to do with a message."""

    class Predict(app.Task):  # type: ignore[misc]  # celery is untyped
        name = PredictCase.NAME

        def start_strategy(self, _app: Celery, consumer: Any, **_: Any) -> Callable[..., None]:
            return intake.strategy(consumer)

    app.register_task(Predict())
