"""gunicorn, started from our own command so that settings come from one place."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

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
            "worker_class": "gthread",
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
