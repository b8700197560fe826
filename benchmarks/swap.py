"""A release takes over while photos come in, again and again: is any lost or answered twice, does memory grow?

    python -m benchmarks.swap [--release DIR] [--swaps N] [--per-second RATE] [--out FILE] [--miniature]

``pallor-worker serve`` on a real Valkey answers photos that come as chance brings them (Poisson). Two releases that
differ in name alone take turns on the shelf; the next swap begins when every process serves the release. ``lost``:
photos that were never answered; ``doubled``: answered more than once, which the backend would not show, but which no
photo should need. ``memory_ratio``: resident memory of the parent and all its processes after the last swaps against
that after the first ones, a tenth of all each, medians. The last line is one JSON object.
"""

import argparse
import os
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import finish, progress
from benchmarks.serve.bench import Bench, a_bench, processes_below, some_photos
from benchmarks.serve.latency import Ear
from benchmarks.serve.ways import Ours
from pallor.errors import Unavailable
from pallor.messages import RecordPrediction, ReportWorker
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release, Shelf
from worker.engines.machine import choose
from worker.engines.probe import probe
from worker.parent import processes_for

_PATIENCE_SECONDS = 120.0
_SEED = 20_261_127
_PHOTOS = 100


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swap", description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=Path, default=bootstrap_folder(), help="a release folder (the bundled one)")
    parser.add_argument("--swaps", type=int, default=50, help="how often a release takes over (50)")
    parser.add_argument("--per-second", type=float, default=20.0, help="photos a second, in the mean (20)")
    parser.add_argument("--miniature", action="store_true", help="two swaps, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    swaps = 2 if asked.miniature else asked.swaps
    with a_bench(some_photos(8 if asked.miniature else _PHOTOS, None)) as bench:
        figures = swap_releases(bench, asked.release, swaps=swaps, per_second=asked.per_second)
    finish("swap", figures, asked.out)


def swap_releases(bench: Bench, release: Path, *, swaps: int, per_second: float) -> dict[str, Any]:
    """The figures of so many swaps between two copies of a release."""
    names = [lay(bench, release, name) for name in ("swap-a", "swap-b")]
    ours = Ours(bench, bench.folder / names[0], stderr=bench.folder / "worker.log")
    try:
        return swap(bench, ours, names, swaps, per_second)
    finally:
        ours.close()


def swap(bench: Bench, ours: Ours, names: Sequence[str], swaps: int, per_second: float) -> dict[str, Any]:
    shelf, memory, seconds = Shelf(bench.folder / "shelf"), list[float](), list[float]()
    shelf.put(bench.folder / names[1])
    with Ear(bench) as ear, Load(bench, ear, per_second) as load, progress() as bars:
        task = bars.add_task("swapping", total=swaps)
        for number in range(1, swaps + 1):
            began = time.perf_counter()
            shelf.activate(names[number % 2])
            until_serving(ear, names[number % 2])
            seconds.append(time.perf_counter() - began)
            memory.append(resident_mib(ours.process.pid))
            bars.advance(task)
        load.end()
        answers = Counter(ear.answered_when_all(load.sent))
        releases = Counter(said.release_id for said in ear.heard if isinstance(said, RecordPrediction))
    tenth = max(1, swaps // 10)
    return {
        "swaps": swaps,
        "photos": len(load.sent),
        "lost": sum(photo_id not in answers for photo_id in load.sent),
        "doubled": sum(times > 1 for times in answers.values()),
        "answered_by_release": dict(releases),
        "seconds_to_take_over_median": round(statistics.median(seconds), 2),
        "memory_first_mib": round(statistics.median(memory[:tenth]), 1),
        "memory_last_mib": round(statistics.median(memory[-tenth:]), 1),
        "memory_ratio": round(statistics.median(memory[-tenth:]) / statistics.median(memory[:tenth]), 4),
        "memory_mib": [round(value, 1) for value in memory],
    }


class Load:
    """Photos at chance times, until told to end; ``sent``: their ids."""

    def __init__(self, bench: Bench, ear: Ear, per_second: float) -> None:
        self.sent: list[str] = []
        self._bench, self._ear, self._mean = bench, ear, 1 / per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _send(self) -> None:
        chance = np.random.default_rng(_SEED)
        while not self._over.wait(chance.exponential(self._mean)):
            self.sent.append(self._ear.send(len(self.sent) % len(self._bench.messages)))


def lay(bench: Bench, release: Path, name: str) -> str:
    """A copy of the release under another name."""
    opened, folder = Release.open(release), bench.folder / name
    shutil.copytree(opened.folder, folder)
    (folder / "manifest.json").write_bytes(replace(opened.manifest, release_id=name).to_bytes())
    return name


def processes_here() -> int:
    """That serve at a time: one on a GPU, else as many as the cores bear."""
    try:
        choose(probe(), "auto")
    except Unavailable:
        return processes_for(os.cpu_count() or 1)
    return 1


def until_serving(ear: Ear, name: str) -> None:
    """Until the worker reports that every process serves this release, and nothing else."""
    until = time.monotonic() + _PATIENCE_SECONDS
    size = processes_here()
    while time.monotonic() < until:
        last = next((said for said in reversed(ear.heard) if isinstance(said, ReportWorker)), None)
        if last is not None and (last.release_id, last.processes, last.fault) == (name, size, None):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not take over")


def resident_mib(pid: int) -> float:
    """Of a process and all below it, once those that retire have gone."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while len(processes_below(pid)) > processes_here() and time.monotonic() < until:
        time.sleep(0.05)
    pages = 0
    for one in [pid, *processes_below(pid)]:
        pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
