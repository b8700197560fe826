"""A shelf, a store, a broker and a real worker, from outside: what is sent to it, and what it says."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from pallor.digest import hex_of, sha256_of
from pallor.ids import new_id
from pallor.image.decode import encode
from pallor.messages import PredictCase, RecordPrediction, ReportWorker, queue_settings
from pallor.release.shelf import CHALLENGER, Shelf
from pallor.store.folder import FolderStore
from tests.support.releases import a_release, plain_photo
from tests.support.valkey import Valkey, free_port

VISIBILITY_SECONDS = 2
A_WHILE = 20.0  # far beyond what any of this takes, so that a slow machine does not fail a test


class Clinic:
    """A shelf, a store, a broker, one worker process, and the backend's two ends of the queue."""

    def __init__(self, folder: Path, valkey: Valkey, release_id: str | None = "tiny-1") -> None:
        self.folder = folder
        self.valkey = valkey
        self.store = FolderStore(folder / "store")
        self.log = folder / "worker.log"
        self.shelf = Shelf(folder / "shelf")
        self.metrics_port: int | None = None
        if release_id is not None:
            self.activate(release_id)
        self._arrived: list[tuple[str, dict[str, Any]]] = []

    def activate(
        self, release_id: str, *, bias: float = 0.0, trap: int | None = None, harm: bool = False
    ) -> None:  # fmt: skip
        self._lay(release_id, bias, trap)
        if harm:
            (self.shelf.root / "releases" / release_id / "model.onnx").write_bytes(b"harmed")
        self.shelf.activate(release_id)

    def challenge(self, release_id: str | None, *, bias: float = 0.0) -> None:
        if release_id is not None:
            self._lay(release_id, bias)
        self.shelf.let(CHALLENGER, release_id)

    def _lay(self, release_id: str, bias: float, trap: int | None = None) -> None:
        if not (self.folder / release_id).exists():
            self.shelf.put(a_release(self.folder / release_id, release_id, bias=bias, trap=trap).folder)

    def restart(self, *, photo_seconds: float = 60, retry_seconds: float = 0.05, metrics: bool = False) -> None:
        self.kill()
        if metrics:
            self.metrics_port = free_port()
        self.start_worker(photo_seconds=photo_seconds, retry_seconds=retry_seconds)

    def start_worker(self, *, photo_seconds: float = 60, retry_seconds: float = 0.05) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PALLOR_")} | {
            "PALLOR_BROKER_URL": self.valkey.url,
            "PALLOR_STORE_URL": f"file://{self.store.root}",
            "PALLOR_SHELF": str(self.folder / "shelf"),
            "PALLOR_VISIBILITY_SECONDS": str(VISIBILITY_SECONDS),
            "PALLOR_RETRY_SECONDS": str(retry_seconds),
            "PALLOR_REPORT_SECONDS": "1",
            "PALLOR_WORKER_PROCESSES": "1",
            "PALLOR_PHOTO_SECONDS": str(photo_seconds),
            "PALLOR_WORKER_METRICS_BIND": f"127.0.0.1:{self.metrics_port}" if self.metrics_port else "",
        }
        with self.log.open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "worker", "serve"], env=environment, stderr=log, start_new_session=True
            )

    def message(self, data: bytes) -> PredictCase:
        digest = sha256_of(data)
        return PredictCase(new_id(), new_id(), digest, f"images/{hex_of(digest)[:2]}/{hex_of(digest)}.png")

    def stored_bytes(self, data: bytes) -> PredictCase:
        message = self.message(data)
        self.store.put(message.object_key, data)
        return message

    def stored(self, green: int) -> PredictCase:
        return self.stored_bytes(encode(plain_photo(green)))

    def held_photo(self) -> tuple[PredictCase, Path]:
        """A photo that the worker cannot finish reading until the test lets it: a pipe where the file would be."""
        message = self.message(encode(plain_photo(90)))
        pipe = self.store.root / message.object_key
        pipe.parent.mkdir(parents=True)
        os.mkfifo(pipe)
        return message, pipe

    def send(self, message: PredictCase, *, photo_id: str | None = None, queue: str = PredictCase.QUEUE) -> str:
        payload = message.to_payload() | ({"photo_id": photo_id} if photo_id else {})
        self.send_raw(PredictCase.NAME, {"payload": payload}, queue)
        return str(payload["photo_id"])

    def send_raw(self, name: str, kwargs: dict[str, Any], queue: str = PredictCase.QUEUE) -> None:
        app = Celery("backend", broker=self.valkey.url, set_as_current=False)
        app.conf.update(queue_settings(VISIBILITY_SECONDS))
        app.send_task(name, kwargs=kwargs, queue=queue, retry=False)
        app.close()

    def answers(self, photo_ids: list[str], *, seconds: float = A_WHILE) -> dict[str, RecordPrediction]:
        """The answers for some photos as they arrive; for none, whatever arrives in ``seconds``."""
        found: dict[str, RecordPrediction] = {}
        deadline = time.monotonic() + seconds
        while (not photo_ids or not found.keys() >= set(photo_ids)) and time.monotonic() < deadline:
            for _, payload in self._received(RecordPrediction.NAME):
                answer = RecordPrediction.from_payload(payload)
                found[answer.photo_id] = answer
        assert found.keys() >= set(photo_ids), f"no answer for {set(photo_ids) - found.keys()}:\n{self.log.read_text()}"
        return found

    def metric(self, name: str, labels: dict[str, str]) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return next((sample.value for sample in samples if sample.name == name and sample.labels == labels), 0.0)

    def report(
        self, release_id: str = "tiny-1", *, fault: bool = False, since: datetime | None = None
    ) -> ReportWorker:  # fmt: skip
        deadline = time.monotonic() + A_WHILE
        while time.monotonic() < deadline:
            for _, payload in self._received(ReportWorker.NAME):
                report = ReportWorker.from_payload(payload)
                old = since is not None and report.reported_at < since
                if report.release_id == release_id and (report.fault is not None) == fault and not old:
                    return report
        raise AssertionError(f"no report of {release_id}:\n{self.log.read_text()}")

    def wait_for_log(self, words: str, *, count: int = 1) -> None:
        deadline = time.monotonic() + A_WHILE
        while self.log.read_text().count(words) < count:
            assert time.monotonic() < deadline, f"{words!r} never said:\n{self.log.read_text()}"
            time.sleep(0.05)

    def wait_until_in_hand(self, count: int) -> None:
        """Until nothing is queued and so many photos are with the worker."""
        deadline = time.monotonic() + A_WHILE
        with self.valkey.client() as client:
            while client.llen(PredictCase.QUEUE) or client.hlen("unacked") != count:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def waiting(self) -> int:
        """Messages to the worker that are not done with."""
        with self.valkey.client() as client:
            return int(client.llen(PredictCase.QUEUE)) + int(client.hlen("unacked"))

    def _received(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        # Read as the plain JSON it is on the wire, so that no second Celery worker is needed here.
        with self.valkey.client() as client:
            taken = client.brpop([RecordPrediction.QUEUE], timeout=0.2)
        if taken:
            envelope = json.loads(taken[1])
            body = json.loads(_decoded(envelope))
            self._arrived.append((envelope["headers"]["task"], body[1]["payload"]))
        chosen = [arrived for arrived in self._arrived if arrived[0] == name]
        self._arrived = [arrived for arrived in self._arrived if arrived[0] != name]
        return chosen

    def kill(self) -> None:
        """The parent and every process of its own, at once."""
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()

    def close(self) -> None:
        if self.worker.poll() is None:
            self.kill()


def _decoded(envelope: dict[str, Any]) -> bytes:
    assert envelope["properties"]["body_encoding"] == "base64"
    return base64.b64decode(envelope["body"])
