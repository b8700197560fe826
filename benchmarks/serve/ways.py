"""Each way of serving as something to be started, timed and stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.serve.bench import Bench, cpu_seconds, plain
from pallor.onebox.broker import free_port
from pallor.release.shelf import Release, Shelf

_OURS, _OBVIOUS = 0, 1  # Valkey's databases
_START_SECONDS = 60.0
_CLIENTS = 16


@dataclass(frozen=True)
class Timed:
    """``seconds``: until all were answered. ``generator_seconds``: CPU time that whoever sent them took meanwhile."""

    seconds: float
    generator_seconds: float = 0.0

    @property
    def less_generator(self) -> float:
        """As if the load had come from another machine: what it took is spread over all cores."""
        return self.seconds - self.generator_seconds / (os.cpu_count() or 1)


class Ours:
    """``pallor-worker serve`` with all its defaults."""

    def __init__(self, bench: Bench, release: Path, *, stderr: Path) -> None:
        self._bench, self.database = bench, _OURS
        shelf = Shelf(bench.folder / "shelf")
        shelf.activate(shelf.put(release).release_id)
        command = [sys.executable, "-m", "worker", "serve"]
        self._log = stderr.open("ab")
        environ = bench.environ(_OURS) | {"PALLOR_LOG_LEVEL": "INFO"}
        self.process = subprocess.Popen(command, env=environ, stderr=self._log)
        try:
            self.warm_up()
        except BaseException:
            self.close()
            raise

    def warm_up(self) -> None:
        """Until every photo was answered once."""
        self._bench.stage(_OURS)
        self._bench.seconds_until_answered(_OURS)

    def timed(self) -> Timed:
        self._bench.stage(_OURS)
        return Timed(self._bench.seconds_until_answered(_OURS))

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self._log.close()


class Obvious:
    """``benchmarks.serve.obvious`` under Celery's own command, with Celery's and ONNX Runtime's defaults."""

    def __init__(self, bench: Bench, fp32: Path, release: Release) -> None:
        self._bench = bench
        environ = bench.environ(_OBVIOUS) | _model(fp32, release)
        command = [
            sys.executable, "-m", "celery", "-A", "benchmarks.serve.obvious", "worker", "-Q", "predict", "-l", "ERROR",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.timed()
        except BaseException:
            self.close()
            raise

    def timed(self) -> Timed:
        self._bench.stage(_OBVIOUS)
        return Timed(self._bench.seconds_until_answered(_OBVIOUS))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class Lit:
    """LitServe, fed by as many connections as keep it busy."""

    def __init__(self, bench: Bench, int8: Path, release: Release, *, most: int = 16) -> None:
        self._photos = bench.stored
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "benchmarks.serve.lit", str(port), str(most)]
        environ = plain(os.environ) | _model(int8, release)
        self._process = subprocess.Popen(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            _until(lambda: _answers(f"{self._url}/health"), "LitServe")
            self.timed()
        except BaseException:  # else it would go on without us
            self.close()
            raise

    def timed(self) -> Timed:
        os.killpg(self._process.pid, signal.SIGCONT)
        timed = self._timed()
        self.pause()
        return timed

    def _timed(self) -> Timed:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client:

            def ask(photo: bytes) -> None:
                client.post("/predict", files={"content": photo}).raise_for_status()

            own, began = time.process_time(), time.perf_counter()
            with ThreadPoolExecutor(_CLIENTS) as pool:
                list(pool.map(ask, self._photos))
            return Timed(time.perf_counter() - began, time.process_time() - own)

    def pause(self) -> None:
        """Out of its turn: its processes look for work without end, which would slow whoever is timed."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _model(path: Path, release: Release) -> dict[str, str]:
    return {"BENCHMARK_MODEL": str(path), "BENCHMARK_PREPROCESS": json.dumps(dict(release.manifest.preprocess))}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _until(holds: Callable[[], bool], what: str, seconds: float = _START_SECONDS) -> None:
    pause, until = threading.Event(), time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not start")
        pause.wait(0.1)


def in_turns(ways: Sequence[Callable[[], float]], rounds: int, done: Callable[[], None]) -> list[list[float]]:
    """What each of ``ways`` gives in each round, all taking turns, so that what slows the machine slows all."""
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for values, way in zip(found, ways, strict=True):
            values.append(way())
            done()
    return found
