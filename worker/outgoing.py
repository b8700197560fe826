"""Answers on their way to the broker."""

import logging
import queue
import threading
import time
from collections.abc import Callable

from pallor.messages import RecordPrediction
from worker.batch import Batch, Done
from worker.send import BrokerAway

log = logging.getLogger(__name__)

_SEND_AGAIN_SECONDS = 1.0
_FAR_SECONDS = 0.003  # half of what a photo costs a CPU


class Outgoing:
    """Sends batches, and sends them again while the broker is away.

    Args:
        send: hands answers to the broker, all at once, with the tickets of what they answer; raises ``BrokerAway``.
        ended: gets every batch when its answers are with the broker.
        sound: whether what the engine said last is to be trusted; otherwise its photos are given back.
        apart: whether the engine computes elsewhere than on this process's core.
    """

    def __init__(
        self, send: Callable[..., None], ended: Callable[[Batch], None], *, sound: Callable[[], bool], apart: bool
    ) -> None:
        self._send, self._ended, self._sound, self._apart = send, ended, sound, apart
        self._seconds_a_photo = 0.0
        self._behind: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        threading.Thread(target=self._send_behind, name="send", daemon=True).start()

    def put(self, batch: Batch) -> None:
        """Have it sent by a thread of its own."""
        self._behind.put(batch)

    def hand_over(self, batch: Batch) -> None:
        """Send it in the thread that infers: another would share this core with the next photo, and both would be late.
        It is worth that where a trip to the broker takes long, or the engine does not wait for this core.
        """
        if self._apart or self._seconds_a_photo > _FAR_SECONDS:
            self.put(batch)
            return
        try:
            self._send_now(batch)
        except BrokerAway:
            self.put(batch)

    def _send_behind(self) -> None:
        while True:
            batch = self._behind.get()
            while True:
                try:
                    self._send_now(batch)
                    break
                except BrokerAway as error:
                    log.warning("answers could not be sent; they are tried again", extra={"fault": error})
                    time.sleep(_SEND_AGAIN_SECONDS)

    def _send_now(self, batch: Batch) -> None:
        """Send what is said of a batch; raises ``BrokerAway``."""
        if not self._sound():
            batch = Batch([Done(done.waiting, fault=done.fault, back=True) for done in batch.done])
        said = [(done.said, done.waiting.ticket) for done in batch.done if done.said is not None]
        if said:
            began = time.perf_counter()
            messages, tickets = zip(*said, strict=True)
            self._send(*messages, answering=tickets)
            self._seconds_a_photo = (time.perf_counter() - began) / len(said)
        for done in batch.done:
            if done.said is not None:
                log.info("answered", extra=done.waiting.told() | _told(done.said))
        self._ended(batch)


def _told(said: RecordPrediction) -> dict[str, object]:
    seconds = said.prediction.seconds if said.prediction else None
    return {"release_id": said.release_id, "code": said.refusal, "seconds": seconds}
