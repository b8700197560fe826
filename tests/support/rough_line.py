"""A line as it is in the field: each connection is cut after some kilobytes, and now and then somebody else answers."""

import random
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_PIECE = 4096
_LOGIN = b"<!doctype html><title>Hotel Wi-Fi</title><form>Accept the terms to go online</form>"
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


class _Cut(Exception):
    """This connection has carried what it carries."""


@dataclass
class RoughLine:
    """Stands between a browser and the server at ``url``, and counts what the browser sends.

    ``down``: nobody answers. ``rough``: each connection is cut after ``least`` to ``most`` bytes of both directions;
    of a hundred requests ``odd`` are answered by a tired proxy (502) or a login page (200). ``static``: a folder from
    which comes what is not the API's.
    """

    url: str
    static: Path | None = None
    seed: int = 0
    least: int = 8 * 1024
    most: int = 64 * 1024
    odd: int = 6
    down: bool = False
    rough: bool = False
    sent_bytes: int = 0
    cuts: int = 0
    odd_answers: int = 0
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> "RoughLine":
        self._rng = random.Random(self.seed)
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count_anew(self) -> None:
        self.sent_bytes = self.cuts = self.odd_answers = 0
        self.requests.clear()

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            if self.down:
                browser.close()
            else:
                threading.Thread(target=self._carry, args=(browser,), daemon=True).start()

    def _carry(self, browser: socket.socket) -> None:
        host = urlsplit(self.url)
        left = [self._rng.randint(self.least, self.most)]

        def spend(data: bytes, *, sent: bool) -> bytes:
            """As much of it as the connection still carries."""
            with self._counting:
                kept = data[: left[0]] if self.rough else data
                left[0] -= len(kept) if self.rough else 0
                self.sent_bytes += len(kept) if sent else 0
                self.cuts += 1 if len(kept) < len(data) else 0
            return kept

        with browser, socket.create_connection((host.hostname or "", host.port or 80)) as server:
            back = threading.Thread(target=self._back, args=(server, browser, spend), daemon=True)
            back.start()
            try:
                while self._forward(_Reader(browser, lambda data: spend(data, sent=True)), browser, server):
                    pass
            except (_Cut, OSError):
                pass
            for one in (server, browser):  # what was passed on arrives there, and then nothing more
                _end(one)
            back.join(5)

    def _back(self, server: socket.socket, browser: socket.socket, spend: Callable[..., bytes]) -> None:
        try:
            while data := server.recv(_PIECE):
                kept = spend(data, sent=False)
                browser.sendall(kept)
                if len(kept) < len(data):
                    break
        except OSError:
            pass
        _end(browser)

    def _forward(self, reader: "_Reader", browser: socket.socket, server: socket.socket) -> bool:
        """Pass one request on, or answer it in the server's place; False when there is none any more."""
        head = reader.head()
        if not head or self.down:
            return False
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        size = int(length[1]) if length else 0
        api = path.startswith("/api/")
        if not api and self.static is not None:
            reader.skip(size)
            browser.sendall(_file(self.static, path))
            return True
        self.requests.append(f"{method} {path.split('?')[0]}")
        if api and self.rough and self._rng.randrange(100) < self.odd:
            self.odd_answers += 1
            reader.skip(size)
            browser.sendall(self._rng.choice((_answer(502, b"Bad Gateway"), _answer(200, _LOGIN))))
            return False
        server.sendall(head)
        while size:
            data = reader.some(size)
            server.sendall(data)
            size -= len(data)
        return True


class _Reader:
    """What the browser sends, as far as the connection carries it; then raises ``_Cut``."""

    def __init__(self, browser: socket.socket, spend: Callable[[bytes], bytes]) -> None:
        self._browser, self._spend, self._held, self._over = browser, spend, b"", False

    def head(self) -> bytes:
        """Up to the empty line; nothing when the browser has ended it."""
        while b"\r\n\r\n" not in self._held:
            data = self._more()
            if not data:
                return b""
            self._held += data
        head, self._held = self._held.split(b"\r\n\r\n", 1)
        return head + b"\r\n\r\n"

    def some(self, most: int) -> bytes:
        if not self._held:
            self._held = self._more()
            if not self._held:
                raise _Cut
        data, self._held = self._held[:most], self._held[most:]
        return data

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.some(size))

    def _more(self) -> bytes:
        if self._over:
            raise _Cut
        data = self._browser.recv(_PIECE)
        kept = self._spend(data)
        self._over = len(kept) < len(data)
        return kept


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _file(folder: Path, path: str) -> bytes:
    name = path.split("?")[0].split("#")[0].removeprefix("/") or "index.html"
    found = folder / name
    if not found.is_file() or ".." in name:
        return _answer(404, b"not here")
    return _answer(200, found.read_bytes(), _TYPES.get(found.suffix, "application/octet-stream"))


def _answer(status: int, body: bytes, media_type: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status} Here\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Cache-Control: no-cache\r\n\r\n".encode() + body
