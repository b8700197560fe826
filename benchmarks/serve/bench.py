"""What every way of serving is given: photos in a store, a broker of its own, messages that are ready to go."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import redis
from celery import Celery

from pallor.digest import hex_of, sha256_of
from pallor.ids import new_id
from pallor.image.decode import decode, encode
from pallor.image.population import draw_person, signal_for_auroc
from pallor.image.synthetic import draw, render
from pallor.messages import PredictCase, RecordPrediction, queue_settings
from pallor.onebox.broker import prepare_broker
from pallor.store.folder import FolderStore

_STAGED = "staged"
_LOOK_SECONDS = 0.005
_PATIENCE_SECONDS = 300.0
_SEED = 20_261_127


@dataclass(frozen=True)
class Bench:
    """``photos``: their messages; ``stored``: the bytes of each, as the backend stores them."""

    folder: Path
    store: FolderStore
    url: str
    stored: Sequence[bytes]
    messages: Sequence[PredictCase]

    def environ(self, database: int = 0) -> dict[str, str]:
        """For a process that reads this store and one of this broker's databases."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PALLOR_")}
        return own | {
            "PALLOR_BROKER_URL": self.url_of(database),
            "PALLOR_STORE_URL": f"file://{self.store.root}",
            "PALLOR_SHELF": str(self.folder / "shelf"),
        }

    def url_of(self, database: int) -> str:
        """Valkey has numbered databases: one a way of serving, so that all can stay up and none sees the others."""
        return (
            f"{self.url}?virtual_host={database}" if self.url.startswith("redis+socket") else f"{self.url}/{database}"
        )

    def client(self, database: int = 0) -> "redis.Redis":
        if self.url.startswith("redis+socket"):
            return redis.Redis(unix_socket_path=self.url.removeprefix("redis+socket://"), db=database)
        return redis.Redis.from_url(f"{self.url}/{database}")

    def stage(self, database: int, *, fresh: bool = True) -> list[str]:
        """Lay all messages ready where no worker looks, so that letting them go costs nothing; their photos' ids."""
        app = Celery("benchmark", broker=self.url_of(database), set_as_current=False)
        app.conf.update(queue_settings())
        photo_ids = [new_id() if fresh else message.photo_id for message in self.messages]
        for message, photo_id in zip(self.messages, photo_ids, strict=True):
            payload = message.to_payload() | {"photo_id": photo_id}
            app.send_task(PredictCase.NAME, kwargs={"payload": payload}, queue=_STAGED, retry=False)
        app.close()
        return photo_ids

    def seconds_until_answered(self, database: int) -> float:
        """Let what is staged go; seconds until each has an answer on the queue of answers, which is emptied."""
        with self.client(database) as client:
            client.delete(RecordPrediction.QUEUE)
            began = time.perf_counter()
            client.rename(_STAGED, PredictCase.QUEUE)
            while client.llen(RecordPrediction.QUEUE) < len(self.messages):
                if time.perf_counter() - began > _PATIENCE_SECONDS:
                    raise RuntimeError(f"{client.llen(RecordPrediction.QUEUE)} of {len(self.messages)} answered")
                time.sleep(_LOOK_SECONDS)
            seconds = time.perf_counter() - began
            client.delete(RecordPrediction.QUEUE)
        return seconds


class Wire:
    """One command of a client, again and again, without what a client does around it: that would take the processor
    whose work is measured.
    """

    def __init__(self, client: "redis.Redis", *command: str | float) -> None:
        self._connection = cast(Any, client.connection_pool.get_connection())  # its methods are untyped
        self._command = self._connection.pack_command(*command)

    def ask(self) -> Any:
        self._connection.send_packed_command(self._command)
        return self._connection.read_response()


def let_one_go(client: "redis.Redis") -> Wire:
    """What was staged first of what is left comes to whoever serves this client's database."""
    return Wire(client, "LMOVE", _STAGED, PredictCase.QUEUE, "RIGHT", "LEFT")


@contextmanager
def a_bench(photos: Sequence[bytes]) -> Iterator[Bench]:
    """A folder, a store with these photos, a Valkey server; all gone at the end."""
    with tempfile.TemporaryDirectory(prefix="pallor-bench-") as place:
        folder = Path(place)
        (folder / "run").mkdir()
        broker = prepare_broker(folder / "run", None)
        server = subprocess.Popen(broker.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 10
            while not broker.answers():
                if time.monotonic() > until:
                    raise RuntimeError("Valkey did not start")
                time.sleep(0.02)
            store = FolderStore(folder / "store")
            messages = [_store(store, data) for data in photos]
            yield Bench(folder, store, broker.url, photos, messages)
        finally:
            server.terminate()
            server.wait()


def some_photos(n: int, data: Path | None) -> list[bytes]:
    """As the backend stores them: from a folder in CP-AnemiC's layout, from the first again if too few; or drawn."""
    if data is not None:
        found = sorted(path for path in data.rglob("*.png"))
        kept = [encode(decode(path.read_bytes())) for path in found[:n]]
        return [kept[at % len(kept)] for at in range(n)]
    rng, signal = np.random.default_rng(_SEED), signal_for_auroc(0.9)
    return [encode(render(draw(rng, draw_person(rng).hb_g_per_l, signal=signal))) for _ in range(n)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all below it, those that have ended included."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(sum(map(int, _stat(one)[11:15])) for one in [pid, *processes_below(pid)]) / ticks


def processes_below(pid: int) -> list[int]:
    """Every process that this one started, and that those started."""
    parents = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    children = [one for one, stat in parents.items() if stat and int(stat[1]) == pid]
    return children + [below for one in children for below in processes_below(one)]


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/<pid>/stat`` from the state on; none when it has ended."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _store(store: FolderStore, data: bytes) -> PredictCase:
    digest = sha256_of(data)
    key = f"images/{hex_of(digest)[:2]}/{hex_of(digest)}.png"
    store.put(key, data)
    return PredictCase(new_id(), new_id(), digest, key)


def plain(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment whose libraries start no threads of their own accord."""
    return {**environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
