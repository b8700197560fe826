"""The worker's parts, joined by hand.

One process serves one photo at a time (Celery's solo pool): onnxruntime's threads do not survive a fork. Scale by
starting more processes. Celery's time limits do not work in the solo pool; what bounds a photo's time is the limits
of ``pallor.image.decode``.
"""

import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import Celery, signals

from pallor.broker import celery_app, serve_solo
from pallor.clock import Clock
from pallor.messages import PredictCase
from pallor.release.shelf import Shelf
from pallor.store.port import ObjectStore
from worker.engines.plan import load_engine
from worker.report import Reporter
from worker.resident import Resident
from worker.send import Sender
from worker.settings import Settings
from worker.tasks import register


@dataclass(frozen=True)
class Worker:
    """A worker, ready to serve."""

    app: Celery
    resident: Resident
    reporter: Reporter
    name: str

    def serve(self) -> int:
        """Score until a signal ends the process (SIGTERM: after the photo in hand); the exit code."""
        self.resident.look()  # before the first photo is taken, so that none waits for the engine
        signals.worker_ready.connect(self._ready, weak=False)
        return serve_solo(self.app, PredictCase.QUEUE, self.name)

    def _ready(self, **_: Any) -> None:
        signals.worker_ready.disconnect(self._ready)  # it is sent again after each new connection
        self.reporter.start()


def create_worker(settings: Settings, *, store: ObjectStore, clock: Clock) -> Worker:
    """Join the parts; nothing is opened before ``serve``."""
    app = celery_app("pallor-worker", settings.broker_url, settings.visibility_seconds)
    name = settings.worker_name or f"{socket.gethostname()}-{os.getpid()}"
    resident = Resident(Shelf(settings.shelf), partial(load_engine, threads=settings.engine_threads))
    register(app, resident=resident, store=store, clock=clock, first_retry_seconds=settings.retry_seconds)
    reporter = Reporter(
        name,
        resident=resident,
        send=Sender(app),
        clock=clock,
        every_seconds=settings.report_seconds,
    )
    return Worker(app, resident, reporter, name)
