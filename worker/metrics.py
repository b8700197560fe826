"""What the worker counts, for Prometheus. The parent keeps it, so nothing is lost when a process ends."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from pallor.errors import Unavailable
from worker.line import Ended
from worker.said import Said

_OF_RELEASE = ("slot", "release")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32)


class MetricsNotServed(Unavailable):
    """Nobody can listen at the address, or another process does."""


class Metrics:
    """Counters and gauges of one worker, by slot and release.

    ``serve`` opens the address at which Prometheus reads them; without it they are counted for nobody.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        it = self.registry
        self._answered = Counter("pallor_worker_photos_answered_total", "Photos scored.", _OF_RELEASE, registry=it)
        self._refused = Counter(
            "pallor_worker_photos_refused_total", "Photos refused, by reason.", (*_OF_RELEASE, "reason"), registry=it
        )
        self._queued = Histogram(
            "pallor_worker_queue_seconds", "From the message to the engine: fetched, decoded, waited.",
            _OF_RELEASE, buckets=_SECONDS, registry=it,
        )  # fmt: skip
        self._computed = Histogram(
            "pallor_worker_compute_seconds",
            "The engine's time for one batch.",
            _OF_RELEASE,
            buckets=_SECONDS,
            registry=it,
        )
        self._sizes = Histogram(
            "pallor_worker_batch_photos", "Photos inferred at once.", _OF_RELEASE, buckets=_SIZES, registry=it
        )
        self._swaps = Counter(
            "pallor_worker_releases_taken_up_total", "Releases that began to serve.", ("slot",), registry=it
        )
        self._processes = Gauge(
            "pallor_worker_processes", "Processes that serve.",
            (*_OF_RELEASE, "flavour", "version", "precision", "fallback"), registry=it,
        )  # fmt: skip
        self._difference = Gauge(
            "pallor_worker_golden_difference", "Largest difference from the golden photos.", _OF_RELEASE, registry=it
        )
        self._faulty = Gauge(
            "pallor_worker_fault", "1 while something is wrong; the reason says what.", ("slot", "reason"), registry=it
        )
        self._gauged: Sequence[Said] = ()

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer there, without a sign-in: no number here is a patient's. Returns what ends it.

        Raises:
            MetricsNotServed: nobody can listen there, or somebody else does.
        """
        try:
            server, thread = start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise MetricsNotServed(f"PALLOR_WORKER_METRICS_BIND {host}:{port}: {error.strerror}") from error

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return end

    def count(self, slot: str, release_id: str, ended: Ended) -> None:
        """Photos that left a process's hands."""
        self._answered.labels(slot, release_id).inc(ended.answered)
        for reason, many in ended.refusals.items():
            self._refused.labels(slot, release_id, reason).inc(many)
        for seconds in ended.queue_seconds:
            self._queued.labels(slot, release_id).observe(seconds)
        if ended.compute_seconds is not None:
            self._computed.labels(slot, release_id).observe(ended.compute_seconds)
            self._sizes.labels(slot, release_id).observe(len(ended.queue_seconds))

    def gauge(self, said: Sequence[Said]) -> None:
        """What serves now; what no longer does is forgotten."""
        before = {one.slot: one.release_id for one in self._gauged}
        self._gauged = said
        for gauge in (self._processes, self._difference, self._faulty):
            gauge.clear()
        for one in said:
            if one.engine is not None and one.release_id is not None:
                engine = one.engine
                self._processes.labels(
                    one.slot, one.release_id, engine.flavour, engine.version, engine.precision, engine.fallback or ""
                ).set(one.processes)
                if one.max_difference is not None:
                    self._difference.labels(one.slot, one.release_id).set(one.max_difference)
                if before.get(one.slot) != one.release_id:
                    self._swaps.labels(one.slot).inc()
            if one.fault:
                self._faulty.labels(one.slot, one.fault.partition(":")[0]).set(1)
