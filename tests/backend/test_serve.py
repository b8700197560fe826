"""The web server on the wire: a process of its own, with an application that only says yes."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from pallor.onebox.broker import free_port
from tests.support.stack import clean_environ, wait_until

_SEALED, _OTHER = "/api/v1/sealed/x", "/api/v1/cases/x"
_GONE = 8  # phones
_TOGETHER_SECONDS = 7.0  # gunicorn would wait two for each
_SERVER = """
import sys
from flask import Flask
from backend.serve import serve

def app():
    made = Flask("yes")
    made.add_url_rule("/<path:what>", view_func=lambda what: "yes")
    return made

serve(app, sys.argv[1], processes=1, threads=16)
"""


@pytest.fixture
def port() -> Iterator[int]:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", _SERVER, f"127.0.0.1:{port}"], env=clean_environ())
    try:
        wait_until(lambda: _accepts(port), "the server accepts connections")
        yield port
    finally:
        server.terminate()
        server.wait()


def test_phones_that_are_gone_keep_nobody_waiting(port: int) -> None:
    until = time.monotonic() + _TOGETHER_SECONDS
    with ExitStack() as gone:
        for _ in range(_GONE):
            phone = gone.enter_context(_connected(port))
            phone.settimeout(max(0.1, until - time.monotonic()))
            assert b" 200 " in _ask(phone, _SEALED)  # and is never heard of again


def test_only_what_is_sealed_comes_on_a_connection_that_is_not_kept(port: int) -> None:
    with _connected(port) as phone:
        assert b"keep-alive" in _ask(phone, _OTHER)
        assert b"Connection: close" in _ask(phone, _SEALED)
        assert phone.recv(1) == b""


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as phone:
        yield phone


def _ask(phone: socket.socket, path: str) -> bytes:
    """The answer, which is short."""
    phone.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    said = b""
    while not said.endswith(b"yes"):
        said += phone.recv(4096) or pytest.fail(f"the connection ended after {said!r}")
    return said


def _accepts(port: int) -> bool:
    try:
        with _connected(port):
            return True
    except OSError:
        return False
