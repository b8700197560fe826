"""Answers are recorded as many at once as came together; none is acknowledged before it is on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from celery import Celery

from backend.consumer import register
from backend.db.engine import DatabaseUnavailable
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from tests.support.builders import a_prediction
from tests.support.synthetic import a_good_png


def test_answers_that_come_together_are_recorded_in_one_transaction(api, consumer):
    photos = [_waiting(api, seed) for seed in (1, 2, 3)]
    come = [consumer.gets(_answer(photo_id)) for _, photo_id in photos]
    assert not any(message.acknowledged for message in come)
    before = consumer.database.transactions
    consumer.time_passes()
    assert consumer.database.transactions == before + 1
    assert [_state(api, *photo) for photo in photos] == ["scored"] * 3
    assert all(message.acknowledged for message in come)
    assert consumer.asked == [photo_id for _, photo_id in photos]


def test_an_answer_that_comes_twice_changes_nothing_and_is_acknowledged(api, consumer):
    _, photo_id = _waiting(api)
    come = [consumer.gets(_answer(photo_id)) for _ in range(2)]
    consumer.time_passes()
    assert consumer.asked == [photo_id]
    assert all(message.acknowledged for message in come)


def test_an_answer_that_cannot_be_recorded_costs_no_other_its_place(api, consumer):
    (case_id, bad), good = _waiting(api, 1), _waiting(api, 2)
    api.put_result(case_id)
    consumer.serves(api.clock, "a table that nobody knows")
    come = [consumer.gets(answer) for answer in (RecordPrediction(bad, "toy-1", refusal="blurred"), _answer(good[1]))]
    consumer.time_passes()
    assert (_state(api, case_id, bad), _state(api, *good)) == ("waiting", "scored")
    assert all(message.acknowledged for message in come)  # the sweeper sends the photo again


def test_while_the_database_is_away_answers_wait_unacknowledged(api, consumer):
    photo = _waiting(api)
    consumer.database.away = True
    message = consumer.gets(_answer(photo[1]))
    consumer.time_passes()
    later = consumer.gets(_answer(_waiting(api, 2)[1]))
    assert not message.acknowledged
    consumer.database.away = False
    consumer.time_passes()
    assert message.acknowledged
    assert later.acknowledged
    assert _state(api, *photo) == "scored"


def test_a_challenger_that_cannot_be_asked_costs_no_answer_its_acknowledgement(api, consumer):
    photo = _waiting(api)
    consumer.serves(api.clock, "who-2024", ask=_away)
    message = consumer.gets(_answer(photo[1]))
    consumer.time_passes()
    assert message.acknowledged
    assert _state(api, *photo) == "scored"


def test_what_came_over_a_connection_that_broke_is_left_to_come_again(api, consumer):
    photo = _waiting(api)
    message = consumer.gets(_answer(photo[1]))
    consumer.connects()
    consumer.time_passes()
    assert not message.acknowledged
    assert _state(api, *photo) == "waiting"
    consumer.gets(_answer(photo[1]))
    consumer.time_passes()
    assert _state(api, *photo) == "scored"


def test_an_answer_that_nobody_can_read_is_let_go(api, consumer):
    message = consumer.gets_payload({"photo_id": "nobody"})
    consumer.time_passes()
    assert message.acknowledged


def _waiting(api, seed=0):
    case_id, photo_id = api.put_case(subject_code=f"A-{seed}"), new_id()
    assert api.put_photo(case_id, a_good_png(seed=seed), photo_id).status_code == 201
    return case_id, photo_id


def _state(api, case_id, photo_id):
    return api.get(f"/cases/{case_id}/photos/{photo_id}")["state"]


def _away(_):
    raise DatabaseUnavailable("away")


def _answer(photo_id):
    return RecordPrediction(photo_id, "toy-1", prediction=a_prediction(photo_id=photo_id, release_id="toy-1"))


@dataclass
class Message:
    """As kombu hands it over."""

    payload: Any
    channel: None = None
    acknowledged: bool = False

    def ack(self) -> None:
        self.acknowledged = True


@dataclass
class Turns:
    """A database that counts its writers, or is away."""

    database: Any
    transactions: int = 0
    away: bool = False

    def write(self) -> Any:
        if self.away:
            raise DatabaseUnavailable("away")
        self.transactions += 1
        return self.database.write()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


@dataclass
class Consumer:
    """What Celery is to the consumer: it hands over messages, and calls back when time has passed."""

    database: Turns
    asked: list[str] = field(default_factory=list)
    _due: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.timer = self
        self._app = Celery("test", set_as_current=False)

    def serves(self, clock: Any, table: str, ask: Callable[[Sequence[str]], object] | None = None) -> None:
        register(self._app, self.database, clock, table, ask or self.asked.extend)
        self.connects()

    def connects(self) -> None:
        self._take = self._app.tasks[RecordPrediction.NAME].start_strategy(self._app, self)

    def call_after(self, _seconds: float, verb: Callable[[], None]) -> None:
        self._due.append(verb)

    def time_passes(self) -> None:
        due, self._due = self._due, []
        for verb in due:
            verb()

    def gets(self, answer: RecordPrediction) -> Message:
        return self.gets_payload(answer.to_payload())

    def gets_payload(self, payload: Any) -> Message:
        message = Message(([], {"payload": payload}, {}))
        self._take(message, None)
        return message


@pytest.fixture
def consumer(api):
    consumer = Consumer(Turns(api.parts.database))
    consumer.serves(api.clock, "who-2024")
    return consumer
