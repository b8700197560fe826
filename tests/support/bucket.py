"""A plain bucket over HTTP, as S3 or a CDN is one, with whatever a bad line or a thief does to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Bucket:
    """What is served and how.

    ``lies``: other bytes for a place. ``endless``, ``drips``: places that never end, or send a byte now and then;
    ``slow_heads``: the same, and they do not even come to the end of their headers.
    ``cut_after``: so many bytes of a body are sent, then the connection breaks; counts down with each cut.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lies: dict[str, bytes | None] = {}
        self.endless: set[str] = set()
        self.drips: set[str] = set()
        self.slow_heads: set[str] = set()
        self.cut_after: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, int]] = []  # place, bytes of the body
        self.url = ""

    def asked(self, part: str) -> list[tuple[str, int]]:
        """The requests for places with this in their name."""
        return [one for one in self.requests if part in one[0]]

    def content(self, place: str) -> bytes | None:
        if place in self.lies:
            return self.lies[place]
        path = self.folder / place
        return path.read_bytes() if path.is_file() else None


@contextmanager
def a_bucket(folder: Path) -> Iterator[Bucket]:
    """Serve ``folder`` until the block ends."""
    bucket, stop = Bucket(folder), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            place = self.path.lstrip("/")
            if place in bucket.endless or place in bucket.drips:
                self._for_ever(place)
                return
            if place in bucket.slow_heads:
                self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 60_000)
                return
            data = bucket.content(place)
            if data is None:
                bucket.requests.append((place, 0))
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and bucket.ranges else 0
            body = data[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if bucket.cut_after and place.startswith("files/"):
                body = body[: bucket.cut_after.pop(0)]
                self.close_connection = True
            self.wfile.write(body)
            bucket.requests.append((place, len(body)))

        def _for_ever(self, place: str) -> None:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                while not stop.wait(0.05 if place in bucket.drips else 0):
                    self.wfile.write(b" " if place in bucket.drips else b" " * 65536)
            except OSError:
                return

        def _drip(self, words: bytes) -> None:
            self.close_connection = True
            try:
                for byte in words:
                    if stop.wait(0.05):
                        return
                    self.wfile.write(bytes([byte]))
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    bucket.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield bucket
    stop.set()
    server.shutdown()
    server.server_close()
    thread.join()
