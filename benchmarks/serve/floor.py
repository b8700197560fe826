"""The floor: the work itself on the same cores, with nothing around it. Processes that wait for a word, one a core.

``worker``: decode, lay out, infer. ``whole``: what one photo costs from the HTTP request to the recorded answer, too:
decode, judge, encode without loss, hash, one commit that is on the disk, then the worker's part.
"""

import multiprocessing
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from pallor.digest import sha256_of
from pallor.image.decode import decode, encode
from pallor.image.preprocess import to_input
from pallor.image.quality import judge
from pallor.image.spec import PreprocessSpec
from pallor.release.shelf import Release
from worker.engines.plan import load_engine
from worker.engines.port import Engine

_BATCH = 16
WORKER, WHOLE = "worker", "whole"


class Floor:
    """Starts the processes; ``seconds`` lets them go once over all photos."""

    def __init__(self, release: Path, photos: Sequence[bytes], what: str) -> None:
        cores, spawn = os.cpu_count() or 1, multiprocessing.get_context("spawn")
        self._ends: list[Connection] = []
        self._processes = []
        for core in range(cores):
            ours, theirs = spawn.Pipe()
            arguments = theirs, release, list(photos[core::cores]), what
            self._processes.append(spawn.Process(target=_work, args=arguments, daemon=True))
            self._processes[-1].start()
            self._ends.append(ours)
        for end in self._ends:
            end.recv()  # it is warm

    def seconds(self) -> float:
        began = time.perf_counter()
        for end in self._ends:
            end.send(None)
        for end in self._ends:
            end.recv()
        return time.perf_counter() - began

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def stage_budget(release: Path, photos: Sequence[bytes]) -> dict[str, float]:
    """What each step costs on one core alone, milliseconds a photo."""
    engine, spec = _opened(release)
    images = [decode(data) for data in photos]
    inputs = [to_input(spec, image) for image in images]
    batches = [np.stack(inputs[at : at + _BATCH]) for at in range(0, len(inputs), _BATCH)]
    steps: Mapping[str, Callable[[], object]] = {
        "decode": lambda: [decode(data) for data in photos],
        "lay_out": lambda: [to_input(spec, image) for image in images],
        "infer_alone": lambda: [engine.infer(one[None]) for one in inputs],
        f"infer_in_{_BATCH}": lambda: [engine.infer(batch) for batch in batches],
        "judge": lambda: [judge(image) for image in images],
        "encode": lambda: [encode(image) for image in images],
    }
    found = {}
    for name, step in steps.items():
        step()
        began = time.perf_counter()
        step()
        found[name] = 1000 * (time.perf_counter() - began) / len(photos)
    return found


def _opened(release: Path) -> tuple[Engine, PreprocessSpec]:
    opened = Release.open(release)
    return load_engine(opened), PreprocessSpec.from_json(dict(opened.manifest.preprocess))


def _work(end: Connection, release: Path, photos: Sequence[bytes], what: str) -> None:
    engine, spec = _opened(release)
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE photos (digest TEXT)")
        engine.infer(np.zeros((_BATCH, spec.size, spec.size, 3), np.uint8))
        end.send(None)
        while True:
            end.recv()
            if what == WORKER:
                for at in range(0, len(photos), _BATCH):
                    engine.infer(np.stack([to_input(spec, decode(data)) for data in photos[at : at + _BATCH]]))
            else:
                for data in photos:
                    image = decode(data)
                    judge(image)
                    database.execute("INSERT INTO photos VALUES (?)", [sha256_of(encode(image))])
                    engine.infer(to_input(spec, image)[None])
            end.send(None)
