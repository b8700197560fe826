"""A broker that is away stalls nobody who sends a case."""

import socket
import threading
from collections.abc import Iterator

import pytest

from backend.queue import Sender
from pallor.broker import celery_app
from pallor.ids import new_id
from pallor.messages import PredictCase


def test_a_message_for_a_broker_that_hangs_up_is_not_tried_over_and_over(hanging_up):
    sender = Sender(celery_app("test", f"redis://127.0.0.1:{hanging_up.port}/0", 60))
    assert sender(PredictCase(new_id(), new_id(), "sha256:" + "0" * 64, "images/aa/x.png")) is False
    assert 1 <= hanging_up.calls <= 4


def test_after_a_failure_the_next_messages_do_not_even_ask(hanging_up):
    sender = Sender(celery_app("test", f"redis://127.0.0.1:{hanging_up.port}/0", 60))
    message = PredictCase(new_id(), new_id(), "sha256:" + "0" * 64, "images/aa/x.png")
    sender(message)
    calls = hanging_up.calls
    assert [sender(message) for _ in range(5)] == [False] * 5
    assert hanging_up.calls == calls


class HangingUp:
    """Listens as a broker would, and closes whatever connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            caller.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def hanging_up() -> Iterator[HangingUp]:
    server = HangingUp()
    yield server
    server.close()
