"""The worker's parts, joined by hand."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from pallor.broker import celery_app
from pallor.clock import Clock
from worker.metrics import Metrics
from worker.parent import Parent
from worker.report import Reporter
from worker.send import Sender
from worker.settings import Settings


@dataclass(frozen=True)
class Worker:
    """A machine's worker, ready to serve."""

    parent: Parent
    reporter: Reporter
    metrics: Metrics
    metrics_bind: tuple[str, int] | None

    def serve(self) -> int:
        """Serve until a signal ends the process (after the photos in hand); the exit code."""
        end_metrics = self.metrics.serve(*self.metrics_bind) if self.metrics_bind else None
        self.reporter.start()
        try:
            return self.parent.run()
        finally:
            if end_metrics:
                end_metrics()


def create_worker(settings: Settings, *, clock: Clock, environ: Mapping[str, str]) -> Worker:
    """Join the parts; nothing is opened or started before ``serve``. ``environ``: for the processes that serve."""
    app = celery_app("pallor-worker", settings.broker_url, settings.visibility_seconds)
    name = settings.worker_name or f"{socket.gethostname()}-{os.getpid()}"
    metrics = Metrics()
    parent = Parent(settings, metrics, environ)
    reporter = Reporter(
        name, speaker=parent, send=Sender(app), clock=clock, every_seconds=settings.report_seconds
    )  # fmt: skip
    return Worker(parent, reporter, metrics, settings.metrics_bind)
