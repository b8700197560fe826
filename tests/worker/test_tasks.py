"""The tasks work on any Celery app, beside another component's; and the worker's report says what serves."""

import queue
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from pallor.clock import SystemClock
from pallor.digest import hex_of, sha256_of
from pallor.ids import new_id
from pallor.image.decode import encode
from pallor.messages import PredictCase, RecordPrediction, ReportWorker, queue_settings
from pallor.release.shelf import Shelf
from pallor.store.folder import FolderStore
from tests.support.releases import a_release, plain_photo
from worker.engines.plan import load_engine
from worker.report import NOTHING, Reporter
from worker.resident import Resident
from worker.tasks import register


def test_both_ends_can_share_one_app_and_speak_by_name(
    app: Celery, resident: Resident, store: FolderStore, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(a_release(tmp_path / "r").folder)
    shelf.activate("tiny-1")
    recorded: queue.Queue[RecordPrediction] = queue.Queue()

    @app.task(name=RecordPrediction.NAME)
    def record_prediction(payload: Any) -> None:
        recorded.put(RecordPrediction.from_payload(payload))

    register(app, resident=resident, store=store, clock=SystemClock())
    data = encode(plain_photo(90))
    store.put(f"images/{hex_of(sha256_of(data))}.png", data)
    message = PredictCase(new_id(), new_id(), sha256_of(data), f"images/{hex_of(sha256_of(data))}.png")
    queues = [PredictCase.QUEUE, RecordPrediction.QUEUE]
    with start_worker(app, pool="solo", perform_ping_check=False, queues=queues):
        app.send_task(PredictCase.NAME, kwargs={"payload": message.to_payload()}, queue=PredictCase.QUEUE)
        answer = recorded.get(timeout=20)
    assert answer.photo_id == message.photo_id
    assert answer.prediction is not None


def test_a_report_says_what_serves_and_how_the_golden_photos_went(
    reporter: Reporter, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(a_release(tmp_path / "r").folder)
    shelf.activate("tiny-1")
    report = reporter.report()
    assert report == ReportWorker("ward-1", "tiny-1", "onnxruntime-cpu", report.max_difference, None, At().now())
    assert report.max_difference is not None
    assert 0 <= report.max_difference <= 1e-4


def test_a_report_says_why_nothing_serves(reporter: Reporter) -> None:
    report = reporter.report()
    assert (report.release_id, report.engine_flavour, report.max_difference) == (NOTHING, NOTHING, None)
    assert report.fault is not None
    assert report.fault.startswith("shelf-empty: ")


def test_a_report_says_that_the_active_release_does_not_serve(reporter: Reporter, shelf: Shelf, tmp_path: Path) -> None:
    for number in (1, 2):
        shelf.put(a_release(tmp_path / f"r{number}", f"tiny-{number}").folder)
    shelf.activate("tiny-1")
    reporter.report()
    (shelf.root / "releases" / "tiny-2" / "model.onnx").write_bytes(b"harmed")
    shelf.activate("tiny-2")
    report = reporter.report()
    assert report.release_id == "tiny-1"
    assert report.fault is not None
    assert report.fault.startswith("release-changed: tiny-2")


class At:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("one box", broker="memory://", set_as_current=False)
    app.conf.update(queue_settings(), worker_enable_remote_control=False)
    yield app
    app.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def resident(shelf: Shelf) -> Resident:
    return Resident(shelf, load_engine)


@pytest.fixture
def reporter(resident: Resident) -> Reporter:
    return Reporter("ward-1", resident=resident, send=print, clock=At(), every_seconds=60)
