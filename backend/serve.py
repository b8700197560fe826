"""gunicorn, started from our own command so that settings come from one place."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.util import close_graceful
from gunicorn.workers.gthread import ThreadWorker

# A phone on 2G may need minutes for one photo. Threads are patient; the timeout only ends a process that hangs.
_TIMEOUT_SECONDS = 120
# A browser repeats a whole body in silence when a connection that it kept dies under it: on a bad line photos would
# travel twice. So what is sealed comes on connections that are not kept.
_NOT_KEPT = "/api/v1/sealed/"


def serve(create: Callable[[], Flask], bind: str, processes: int, threads: int) -> None:
    """Answer HTTP until told to stop; each process builds its own application, so none shares a connection."""
    _Server(
        create,
        {
            "bind": bind,
            "workers": processes,
            "threads": threads,
            "worker_class": _Worker,
            "timeout": _TIMEOUT_SECONDS,
            "graceful_timeout": 10,
            "keepalive": 30,
            "limit_request_line": 8190,
            "loglevel": "error",  # its warnings repeat malformed requests word by word, tokens and names in them
            "control_socket_disable": True,
            "logger_class": _JsonLog,
            "pre_request": _end_after,
        },
    ).run()


def _end_after(_worker: Any, request: Any) -> None:
    if request.path.startswith(_NOT_KEPT):
        request.force_close()


class _Worker(ThreadWorker):  # type: ignore[misc]
    """Takes leave of a connection in the thread that answered on it.

    gunicorn waits up to two seconds for the other side's end, and does so in the one thread that accepts connections: a
    phone that is gone, or far away, would keep all others waiting.
    """

    def handle(self, conn: Any) -> Any:
        kept = super().handle(conn)
        if kept is False:
            with suppress(OSError):  # it was closed already
                close_graceful(conn.sock.dup())
                conn.sock.shutdown(socket.SHUT_RDWR)  # now there is nothing more to wait for
        return kept


class _JsonLog(Logger):  # type: ignore[misc]
    """gunicorn's own words go where ours go, through ``pallor.log``."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.setLevel(cfg.loglevel.upper())


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, create: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._create = create
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._create()
