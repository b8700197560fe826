"""gunicorn as a process of its own, for tests that need a wire."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.valkey import free_port


@contextmanager
def web_server(folder: Path, **settings: str) -> Iterator[str]:
    """The API over ``folder``/pallor.db, which is migrated; its address. What it says lies in ``folder``/log.

    ``settings``: more environment variables, or others.
    """
    bind = f"127.0.0.1:{free_port()}"
    (folder / "store").mkdir()
    environment = os.environ | {
        "PALLOR_DATABASE_URL": f"sqlite:///{folder}/pallor.db",
        "PALLOR_STORE_URL": f"file://{folder}/store",
        "PALLOR_BROKER_URL": "redis://127.0.0.1:1/0",  # nobody listens: the API must not mind
        "PALLOR_WORLD": "real",
        "PALLOR_BIND": bind,
    }
    command = [Path(sys.executable).with_name("pallor-backend"), "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment | settings, stdout=log, stderr=log)
        _wait_until_it_answers(f"http://{bind}", process)
        yield f"http://{bind}"
        process.terminate()
        process.wait(20)


def _wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            assert process.poll() is None
            time.sleep(0.1)
    raise TimeoutError(url)
