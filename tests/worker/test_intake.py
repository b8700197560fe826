"""What is asked of the consumer's thread is done, also when the connection breaks under what was asked before it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker import state
from kombu.asynchronous import Hub

from pallor.ids import new_id
from pallor.messages import PredictCase, RecordPrediction
from worker.batch import Batch, Done, Waiting
from worker.intake import Intake

AT_FIRST = 2  # photos that Celery takes on a new connection


def test_what_waits_behind_a_connection_that_breaks_is_still_settled(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)
    pipeline = Kept()
    intake = Intake(Celery("test", set_as_current=False), PredictCase.QUEUE, pipeline)  # type: ignore[arg-type]
    old = Consumer(hub)
    old.give(intake, 6)
    for waiting in pipeline.photos[:3]:
        intake.ended(Batch([Done(waiting, back=True)]))
    for waiting in pipeline.photos[3:]:
        said = RecordPrediction(waiting.message.photo_id, "tiny-1", refusal="photo-broken")
        intake.ended(Batch([Done(waiting, said)]))
    old.breaks()
    new = Consumer(hub)
    intake.strategy(new)
    intake.retire()
    new.turn()
    assert state.should_stop == 0  # nothing is in hand any more


def test_photos_that_wait_for_their_objects_are_counted_when_the_connection_breaks(hub: Hub) -> None:
    """One that is not makes room for one photo less, for ever; after a few the process takes none."""
    pipeline = Kept()
    intake = Intake(Celery("test", set_as_current=False), PredictCase.QUEUE, pipeline)  # type: ignore[arg-type]
    old = Consumer(hub)
    old.give(intake, 4)
    for waiting in pipeline.photos:
        intake.ended(Batch([Done(waiting, back=True)]))
        intake.room(1)
    old.breaks()
    new = Consumer(hub)
    intake.strategy(new)
    new.turn()
    assert new.qos.value == AT_FIRST + 4
    for _ in range(4):
        intake.room(-1)
    new.turn()
    assert new.qos.value == AT_FIRST


class Kept:
    """Where a pipeline would be."""

    def __init__(self) -> None:
        self.photos: list[Waiting] = []

    def put(self, waiting: Waiting) -> None:
        self.photos.append(waiting)

    def retire(self) -> None:
        pass


class Consumer:
    """Celery's, on one connection, as far as the intake knows it; ``hub`` is the real loop."""

    def __init__(self, hub: Any) -> None:
        self.hub, self.channel = hub, SimpleNamespace(connection=True)
        self.initial_prefetch_count, self.qos = AT_FIRST, SimpleNamespace(value=AT_FIRST)
        self.task_consumer = None

    def call_soon(self, does: Callable[..., None], *args: Any) -> None:
        self.hub.call_soon(does, *args)

    def give(self, intake: Intake, photos: int) -> None:
        take = intake.strategy(self)
        self.turn()
        for _ in range(photos):
            take(Ticket(self.channel), None)

    def turn(self) -> None:
        next(self.hub.create_loop())

    def breaks(self) -> None:
        """The loop meets a connection that is gone, and is done with."""
        with pytest.raises(ConnectionError):
            self.turn()
        with suppress(ConnectionError):
            self.hub.reset()
        self.channel.connection = None


class Ticket:
    """A message that cannot be given back: its connection is gone, and nobody knows yet."""

    def __init__(self, channel: Any) -> None:
        photo = PredictCase(new_id(), new_id(), "sha256:" + "0" * 64, "images/aa/x.png")
        self.channel: Any = channel
        self.payload: Any = ((), {"payload": photo.to_payload()}, {})

    def requeue(self) -> None:
        raise ConnectionError

    def ack(self) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    loop: Any = Hub()  # type: ignore[no-untyped-call]
    yield loop
    loop.close()
