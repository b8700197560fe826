"""Bytes from a repository: over HTTP, through proxies, from any byte on; or from a folder, such as a USB stick's.

Metadata has a time limit for the whole of each file, or a server that sends a byte a second would hold a node for days.
Files of releases have no least rate: a line may be that slow. What has arrived is kept, and after some hours the agent
looks first whether it is still wanted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TimedOut

from pallor.errors import Unavailable
from sync.breakable import Break, breakable

_PATIENCE = urllib3.Timeout(connect=10, read=20)
_REDIRECTS = urllib3.Retry(total=3, connect=0, read=0, status=0, other=0, redirect=3)
_PIECE = 64 * 1024
PAUSES = (1.0, 5.0)  # seconds
_LEAST_WAIT = 0.01


class RepositoryAway(Unavailable):
    """The repository cannot be reached, or the line broke."""


class FileMissing(Unavailable):
    """The repository does not have it."""


class RetrievalSlow(Unavailable):
    """It took longer than any honest server takes."""


@dataclass(frozen=True)
class Body:
    """What a repository sends. ``start``: at which byte of the file it begins; not the one asked for, if it cannot."""

    start: int
    pieces: Iterator[bytes]


class Pace:
    """Keeps to so many bytes a second; 0 means as many as there are."""

    def __init__(self, bytes_per_second: int = 0, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._rate, self._sleep = bytes_per_second, sleep
        self._owed = 0.0

    def took(self, count: int) -> None:
        """Wait for as long as so many bytes may take."""
        if not self._rate:
            return
        self._owed += count / self._rate
        if self._owed > _LEAST_WAIT:
            self._sleep(self._owed)
            self._owed = 0.0


class Line:
    """The way to a repository at ``base``: ``https://...`` or ``file:///...``."""

    def __init__(self, base: str, *, pace: Pace | None = None, rest: Callable[[float], None] = time.sleep) -> None:
        self.base = base.rstrip("/")
        self.pace = pace or Pace()
        self.rest = rest
        self.received = 0
        self._pool: urllib3.PoolManager | None = None
        self._break = Break()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give all that is fetched in the block so long, whatever the server does; then it is ``RetrievalSlow``."""
        with self._break.after(seconds):
            yield

    @contextmanager
    def open(self, place: str, start: int = 0) -> Iterator[Body]:
        """The file at a place, from a byte on; raises ``FileMissing`` or ``RepositoryAway``, also while it is read."""
        url = f"{self.base}/{place}"
        if urlsplit(url).scheme == "file":
            yield from self._from_folder(Path(unquote(urlsplit(url).path)), start)
            return
        response = self._asked(url, {"Range": f"bytes={start}-"} if start else {})
        try:
            if self._break.over:  # in the middle of its headers
                raise self._slow()
            if response.status >= HTTPStatus.BAD_REQUEST:
                _drain(response)
                raise _refused(response.status, place)
            yield Body(start if response.status == HTTPStatus.PARTIAL_CONTENT else 0, self._pieces(response))
        finally:
            # A body that was not read to its end must not be waited for; one that was leaves its connection in use.
            response.release_conn() if response.closed else response.close()

    def close(self) -> None:
        """Let go of the connections."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def _asked(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """The beginning of an answer; a line that breaks is tried again after a short rest, and after a longer one."""
        for pause in (*PAUSES, None):
            try:
                with self._break.watching():
                    return self._http(url).request(
                        "GET", url, headers=headers, preload_content=False, timeout=_PATIENCE, retries=_REDIRECTS
                    )
            except HTTPError as error:
                if self._break.over:
                    raise self._slow() from error
                if pause is None:
                    raise RepositoryAway(f"{self.base} cannot be reached: {type(error).__name__}") from error
                self.rest(pause)
        raise AssertionError("unreachable")

    def _http(self, url: str) -> urllib3.PoolManager:
        if self._pool is None:
            parts, proxies = urlsplit(url), getproxies()
            proxy = None if proxy_bypass(parts.hostname or "") else proxies.get(parts.scheme, proxies.get("all"))
            self._pool = breakable(urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager())
            self._pool.headers = {"User-Agent": "pallor-sync"}
        return self._pool

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            while piece := response.read1(_PIECE):
                self.received += len(piece)
                yield piece
                self.pace.took(len(piece))
            if self._break.over:  # where nobody says how much there is, a connection that was broken off is an end
                raise self._slow()
        except TimedOut as error:
            raise RetrievalSlow(f"{self.base} fell silent") from error
        except (HTTPError, OSError) as error:
            if self._break.over:
                raise self._slow() from error
            raise RepositoryAway(f"the line to {self.base} broke: {type(error).__name__}") from error

    def _slow(self) -> RetrievalSlow:
        return RetrievalSlow(f"{self.base} did not send it in the time there is for it")

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.received += len(piece)
            yield piece

    def _from_folder(self, path: Path, start: int) -> Iterator[Body]:
        try:
            with path.open("rb") as file:
                file.seek(start)
                yield Body(start, self._counted(iter(lambda: file.read(_PIECE), b"")))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileMissing(f"{path} is not there") from error
        except OSError as error:
            raise RepositoryAway(f"{path} cannot be read: {error.strerror}") from error


class MetadataFetcher(FetcherInterface):
    """Metadata for python-tuf, which bounds the size of each file; here its time is bounded."""

    def __init__(self, line: Line, *, limit_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._line, self._limit, self._monotonic = line, limit_seconds, monotonic

    def _fetch(self, url: str) -> Iterator[bytes]:
        """The pieces of a file; raises tuf's own errors, as its interface has it."""
        until = self._monotonic() + self._limit
        try:
            with self._line.within(self._limit), self._line.open(url.removeprefix(f"{self._line.base}/")) as body:
                for piece in body.pieces:
                    yield piece
                    if self._monotonic() > until:
                        raise SlowRetrievalError(f"{url} took longer than {self._limit:g} s")
        except FileMissing as error:
            raise DownloadHTTPError(str(error), HTTPStatus.NOT_FOUND) from error
        except RetrievalSlow as error:
            raise SlowRetrievalError(str(error)) from error
        except RepositoryAway as error:
            raise DownloadError(str(error)) from error


def _refused(status: int, place: str) -> Unavailable:
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.GONE):  # a bucket says 403 for both
        return FileMissing(f"the repository has no {place}")
    return RepositoryAway(f"the repository answers {status} for {place}")


def _drain(response: urllib3.BaseHTTPResponse) -> None:
    """Read the few words of a refusal, so that the connection can be used again."""
    with suppress(HTTPError, OSError):
        response.read(_PIECE)
