"""From a message to its answer, photo by photo, as a patient would wait: one at a time, or as chance brings them."""

import json
import threading
import time
from base64 import b64decode
from collections import deque
from collections.abc import Sequence

import numpy as np
from celery import Celery
from numpy.typing import NDArray

from benchmarks.serve.bench import Bench, Wire, let_one_go
from pallor.ids import new_id
from pallor.messages import PredictCase, RecordPrediction, ReportWorker, queue_settings

_OURS = 0  # Valkey's database
_SEED = 20_261_127
_PATIENCE_SECONDS = 60.0


def latencies(bench: Bench, photos_per_second: float, seed: int) -> tuple[Sequence[float], Sequence[float]]:
    """Seconds of each photo: sent when the one before was answered, and sent at chance times of this mean rate.

    ``seed``: of the chance.
    """
    with Ear(bench) as ear:
        alone = [ear.wait(ear.let_go(photo_id)) for photo_id in bench.stage(_OURS)]
        photo_ids = bench.stage(_OURS)
        due = time.perf_counter()
        for photo_id, pause in zip(photo_ids, _pauses(photos_per_second, len(photo_ids), seed), strict=True):
            due += pause
            time.sleep(max(0.0, due - time.perf_counter()))
            ear.let_go(photo_id)
        return alone, [ear.wait(photo_id) for photo_id in photo_ids]


def _pauses(photos_per_second: float, n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng([_SEED, seed]).exponential(1 / photos_per_second, n)


class Ear:
    """Sends photos and takes what the worker says off the queue as it comes; ``heard`` is all of it.

    What comes is only laid aside with its moment, and read when it is asked for: reading takes the processor that the
    worker needs.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._app = Celery("benchmark", broker=bench.url_of(_OURS), set_as_current=False)
        self._app.conf.update(queue_settings())
        self._heard: list[RecordPrediction | ReportWorker] = []
        self._unread: deque[tuple[bytes, float]] = deque()
        self._sent: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._news = threading.Condition()
        self._over = False
        self._client = bench.client(_OURS)
        self._one_goes = let_one_go(self._client)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def send(self, at: int) -> str:
        photo_id = new_id()
        payload = {"payload": self._bench.messages[at].to_payload() | {"photo_id": photo_id}}
        self._sent[photo_id] = time.perf_counter()
        self._app.send_task(PredictCase.NAME, kwargs=payload, queue=PredictCase.QUEUE, retry=False)
        return photo_id

    def let_go(self, photo_id: str) -> str:
        """Send what was staged next, which is this photo; it takes the machine next to nothing."""
        self._sent[photo_id] = time.perf_counter()
        self._one_goes.ask()
        return photo_id

    @property
    def heard(self) -> Sequence[RecordPrediction | ReportWorker]:
        self._read()
        return self._heard

    def wait(self, photo_id: str) -> float:
        with self._news:
            if not self._news.wait_for(lambda: self._read() and photo_id in self._took, _PATIENCE_SECONDS):
                raise RuntimeError("a photo was not answered")
        return self._took[photo_id]

    def answered_when_all(self, photo_ids: Sequence[str]) -> list[str]:
        """Wait until each was answered, or nothing more comes; every answer's photo, as often as it was answered."""
        with self._news:
            self._news.wait_for(lambda: self._read() and all(one in self._took for one in photo_ids), _PATIENCE_SECONDS)
        return [said.photo_id for said in self.heard if isinstance(said, RecordPrediction)]

    def __enter__(self) -> "Ear":
        self._client.delete(RecordPrediction.QUEUE)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._app.close()
        self._client.close()

    def _listen(self) -> None:
        with self._bench.client(_OURS) as client:
            answer = Wire(client, "BRPOP", RecordPrediction.QUEUE, 0.5)
            while not self._over:
                taken = answer.ask()
                if taken is None:
                    continue
                with self._news:
                    self._unread.append((taken[1], time.perf_counter()))
                    self._news.notify_all()

    def _read(self) -> bool:
        """Read what was laid aside; always True."""
        while True:
            try:
                data, now = self._unread.popleft()
            except IndexError:
                return True
            envelope = json.loads(data)
            payload = json.loads(b64decode(envelope["body"]))[1]["payload"]
            kind = RecordPrediction if envelope["headers"]["task"] == RecordPrediction.NAME else ReportWorker
            said = kind.from_payload(payload)
            self._heard.append(said)
            if isinstance(said, RecordPrediction) and said.photo_id in self._sent:
                self._took.setdefault(said.photo_id, now - self._sent[said.photo_id])
