"""HTTP connections that can be broken off while somebody waits for a byte, whatever the server is doing meanwhile.

A timeout of the socket begins anew with each byte: with a header a byte at a time a server could hold a node for days.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from weakref import WeakSet

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


class Break:
    """Breaks off the connections that were made under it, when their time is over."""

    def __init__(self) -> None:
        self.over = False
        self.made: WeakSet[_Double] = WeakSet()

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        """Give what happens in the block so long; ``over`` says afterwards that it was not long enough."""
        self.over = False
        timer = threading.Timer(seconds, self._break)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Connections that are made in the block can be broken off, for as long as they live."""
        token = _watching.set(self)
        try:
            yield
        finally:
            _watching.reset(token)

    def _break(self) -> None:
        self.over = True
        for double in list(self.made):
            double.shut()


class _Double:
    """A second handle of a socket: TLS takes the first one over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock.dup()

    def shut(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()


_watching: ContextVar[Break | None] = ContextVar("watching", default=None)


class _Breakable(HTTPConnection):
    _double: _Double | None = None

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if (watching := _watching.get()) is not None:
            self._double = _Double(sock)
            watching.made.add(self._double)
            if watching.over:
                self._double.shut()
        return sock

    def close(self) -> None:
        super().close()
        if self._double is not None:
            self._double.close()
            self._double = None


class _BreakableTls(_Breakable, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Breakable


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _BreakableTls


def breakable(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """The same manager, whose connections can be broken off."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
