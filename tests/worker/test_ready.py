"""One photo at a time, unless there is a backlog; all that are there, where the engine is apart."""

import threading
from collections.abc import Iterable

from worker.ready import Ready


def test_photos_are_taken_one_by_one_until_there_is_a_backlog() -> None:
    room: list[int] = []
    ready = _ready(range(20), room=room)
    taken = [ready.take() for _ in range(11)]
    assert taken == [[n] for n in range(7)] + [[7, 8, 9, 10], [11, 12, 13, 14], [15, 16, 17, 18], [19]]
    assert room == [4]


def test_a_backlog_is_over_when_a_photo_is_waited_for() -> None:
    room: list[int] = []
    ready = _ready(range(11), room=room)
    while len(ready):
        ready.take()
    threading.Timer(0.2, lambda: [ready.put(n) for n in (11, 12)]).start()
    assert ready.take() == [11]
    assert ready.take() == [12]
    assert room == [4, -4]


def test_an_engine_that_is_apart_gets_all_that_are_there() -> None:
    room: list[int] = []
    ready = _ready(range(6), room=room, together=True)
    assert [ready.take(), ready.take()] == [[0, 1, 2, 3], [4, 5]]
    for n in range(20):
        ready.put(n)
        ready.take()
    assert room == []


def _ready(photos: Iterable[int], *, room: list[int], together: bool = False) -> Ready[int]:
    ready = Ready[int](4, together=together, room=room.append)
    for photo in photos:
        ready.put(photo)
    return ready
