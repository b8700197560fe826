"""What a worker sends is with the broker before what it answers is gone from there."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pallor.broker import celery_app
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from tests.support.valkey import Valkey
from worker.send import BrokerAway, Sender


def test_a_photo_is_acknowledged_with_its_answer(valkey: Valkey) -> None:
    asked = given(valkey)
    Sender(celery_app("test", valkey.url, 60))(an_answer(), answering=[asked])
    assert held(valkey) == (1, 0)


def test_a_broker_too_full_for_the_answer_keeps_the_photo(valkey: Valkey) -> None:
    asked = given(valkey)
    with valkey.client() as client:
        client.config_set("maxmemory", 1)
    with pytest.raises(BrokerAway):
        Sender(celery_app("test", valkey.url, 60))(an_answer(), answering=[asked])
    assert held(valkey) == (0, 1)


@dataclass
class Asked:
    """A message off the queue, as far as acknowledging it goes."""

    delivery_tag: str


def given(valkey: Valkey) -> Asked:
    """A message that is noted as being worked on."""
    asked = Asked(new_id())
    with valkey.client() as client:
        client.zadd("unacked_index", {asked.delivery_tag: 1})
        client.hset("unacked", asked.delivery_tag, "a photo")
    return asked


def held(valkey: Valkey) -> tuple[int, int]:
    """How many answers the broker has, and how many photos that are being worked on."""
    with valkey.client() as client:
        noted = int(client.hlen("unacked"))
        assert client.zcard("unacked_index") == noted
        return int(client.llen(RecordPrediction.QUEUE)), noted


def an_answer() -> RecordPrediction:
    return RecordPrediction(new_id(), "tiny-1", refusal="photo-broken")


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server
