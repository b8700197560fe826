"""The real API in a process of its own, on the year's own time: gunicorn, SQLite, a folder as object store.

    python -m benchmarks.district.server FOLDER PORT

What ``pallor-backend serve`` does, but for the clock and the broker: there is none here, as if it were away, so the
sweeper sends each photo to be scored. That is the way a photo takes whose message was lost.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.access.throttle import Throttle
from backend.api.parts import Parts
from backend.app import create_app
from backend.db.engine import Database
from backend.serve import serve
from backend.settings import Settings
from benchmarks.district.clock import TurnedClock
from pallor.errors import Unavailable
from pallor.onebox.folder import DataFolder
from pallor.store import open_store

LABEL_TABLE = "who-2011"  # the cut-off by which the world's best possible AUROC is computed
WORLD = "synthetic"
_PATIENCE_SECONDS = 60
_THREADS = 4


class ServerSilent(Unavailable):
    """It does not begin to answer."""


def clock_of(folder: DataFolder) -> TurnedClock:
    return TurnedClock(folder.root / "clock")


def parts_of(folder: DataFolder) -> Parts:
    """What the server is made of; the one who drives the year makes the same for consumer and sweeper."""
    settings = Settings(
        database_url=folder.database_url, store_url=folder.store_url, broker_url="redis://nobody.invalid", world=WORLD,
        label_table=LABEL_TABLE, root_metadata=folder.keys / "1.root.json",
    )  # fmt: skip
    database, store = Database(settings.database_url), open_store(settings.store_url)
    return Parts(settings, database, store, clock_of(folder), lambda *_: False, Throttle(None, lambda *_: None))


@contextmanager
def running(folder: DataFolder) -> Iterator[str]:
    """Its address while it answers."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    folder.logs.mkdir(parents=True, exist_ok=True)
    with (folder.logs / "server.log").open("ab") as log:
        command = [sys.executable, "-m", "benchmarks.district.server", str(folder.root), str(port)]
        process = subprocess.Popen(command, stderr=log)
    try:
        _wait_for(port, process)
        yield url
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ServerSilent(f"port {port} does not answer; see logs/server.log")


if __name__ == "__main__":
    _folder = DataFolder(Path(sys.argv[1]))
    serve(lambda: create_app(parts_of(_folder)), f"127.0.0.1:{sys.argv[2]}", 1, _THREADS)
