"""Metrics for Prometheus, read from the database whenever somebody looks: no process keeps count, so none can be wrong.

They count photos, answers and workers, and name nobody and no site. Cases can be erased, so every number here may fall:
they are gauges. How many requests came, and how they fared, is the proxy's to tell.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from backend.db.engine import Database
from backend.services.take_stock import MOST_RECENT, Counts, Stock, count_labels, take_stock
from pallor.clock import Clock
from pallor.errors import Unavailable

_LABELS_COUNTED_EVERY = timedelta(minutes=5)
_RECENT = f"looked at are the newest {MOST_RECENT} of the last hour"


class MetricsNotServed(Unavailable):
    """Nobody can listen at the address, or another process does."""


class BackendMetrics(Collector):
    """What Prometheus is told; ``fresh_seconds``: a worker whose last report is older is silent."""

    def __init__(self, database: Database, clock: Clock, fresh_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._labels: Counts = {}
        self._labels_counted_at: datetime | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every metric, or only that the database is away."""
        up = "1 while the database answers; while it does not, nothing else is told"
        try:
            families = [*_told(take_stock(self._database, self._clock, self._fresh_seconds)), self._label_counts()]
        except Unavailable:
            yield GaugeMetricFamily("pallor_database_up", up, 0)
            return
        yield GaugeMetricFamily("pallor_database_up", up, 1)
        yield from families

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: a look at the database is not needed to register."""
        return iter(())

    def _label_counts(self) -> GaugeMetricFamily:
        now = self._clock.now()
        since = self._labels_counted_at
        if since is None or not timedelta() <= now - since < _LABELS_COUNTED_EVERY:
            self._labels, self._labels_counted_at = count_labels(self._database), now
        every = f"counted at most every {_LABELS_COUNTED_EVERY // timedelta(minutes=1)} minutes"
        return _family(
            "pallor_labels",
            f"Labels that stand, by what keeps them from training, each reason counted; or eligible ({every})",
            ("reason",),
            self._labels,
        )


@contextmanager
def serving_metrics(bind: tuple[str, int], metrics: Collector) -> Iterator[int]:
    """Answer HTTP with the metrics while the block runs, in threads of their own; the port, for 0 asks for any.

    Raises:
        MetricsNotServed
    """
    registry = CollectorRegistry()
    registry.register(metrics)
    host, port = bind
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise MetricsNotServed(f"no metrics can be served at {host}:{port}: {error}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _told(stock: Stock) -> list[GaugeMetricFamily]:
    return [
        GaugeMetricFamily("pallor_waiting_photos", "Photos that are to be scored", stock.waiting),
        GaugeMetricFamily(
            "pallor_oldest_waiting_photo_age_seconds",
            "How long the oldest photo that is to be scored has been here; 0 when none waits",
            stock.oldest_waiting_seconds,
        ),
        _family("pallor_photos", "Photos on record by state", ("state",), stock.photos),
        _family(
            "pallor_predictions",
            "Answers on record by release, and whether they are the ones that are shown",
            ("release", "shown"),
            stock.predictions,
        ),
        _family(
            "pallor_recent_refused_photos",
            f"Refused photos by reason, each reason of a photo counted; {_RECENT}",
            ("reason",),
            stock.recent_refusals,
        ),
        _family(
            "pallor_recent_answers",
            f"Answers by what computed them, and whether it stood in for the engine that was meant; {_RECENT}",
            ("flavour", "precision", "fallback"),
            stock.recent_answers,
        ),
        _family(
            "pallor_workers",
            "Workers that reported within a day, by release, engine and what they last said; silent: nothing lately",
            ("release", "flavour", "state"),
            stock.workers,
        ),
        _family(
            "pallor_alerts",
            "Haemoglobin below 70 g/L that stands, by whether somebody has acknowledged it; escalated: nobody, in time",
            ("state",),
            stock.alerts,
        ),
        GaugeMetricFamily("pallor_put_aside", "What phones sealed, was refused and waits for a look", stock.put_aside),
        _family("pallor_unsent", "What the sweeper has yet to do, by kind", ("kind",), stock.unsent),
    ]


def _family(name: str, what: str, words: Sequence[str], counts: Counts) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=words)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family
