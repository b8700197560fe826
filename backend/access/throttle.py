"""Tries at a door are counted in Valkey or Redis, across all processes, and slowed when there are too many.

Each try counts before it is judged, so that a hundred at once are a hundred; in the end a good one is not counted.
While the server is away each process counts for itself: people can still sign in, and guessing is still slow.
"""

import hashlib
import ipaddress
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string

from pallor.errors import Refused

log = logging.getLogger(__name__)

T = TypeVar("T")
Report = Callable[[str, str], None]


class TooManyAttempts(Refused):
    """Too many tries; ``retry_after`` is how many seconds to wait."""

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(
            f"too many tries to {what}", field=what, value="(hidden)", remedy=f"Wait {retry_after} s, then try again."
        )
        self.what = what
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return TooManyAttempts, (self.what, self.retry_after)


@dataclass(frozen=True)
class Limit:
    """At most so many tries at ``what`` by one ``who``: ``name``, ``address``, both (``name+address``) or ``all``."""

    what: str
    who: str
    item: RateLimitItem


# A person mistypes a few times; a clinic behind one address mistypes more; a guesser needs millions. One address that
# fails for somebody's name is stopped at fifteen an hour, before the thirty at which nobody can sign in by that name.
LIMITS = (
    Limit("sign-in", "name+address", RateLimitItemPerMinute(5, 5)),
    Limit("sign-in", "name+address", RateLimitItemPerHour(15)),
    Limit("sign-in", "name", RateLimitItemPerHour(30)),
    Limit("sign-in", "address", RateLimitItemPerHour(60)),
    Limit("sign-in-oidc", "address", RateLimitItemPerMinute(30, 5)),
    Limit("sign-in-oidc", "all", RateLimitItemPerHour(2000)),
    Limit("enrol", "address", RateLimitItemPerMinute(10, 10)),
    # All together, only to slow guessing: a code lasts a day at most, and 120 000 tries find one of 50 bits with a
    # chance of one in ten thousand million. A low limit would let a few strangers keep every device out.
    Limit("enrol", "all", RateLimitItemPerHour(5000)),
)
# Some proxies add the port: 192.0.2.1:50321, [2001:db8::1]:50321.
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*))(?::[0-9]{1,5})?")


class Throttle:
    """``report(what, who)`` is called once in each window of a limit, by the first try that goes over it.

    Args:
        url: of Valkey or Redis; None counts in this process alone.
    """

    def __init__(self, url: str | None, report: Report, limits: tuple[Limit, ...] = LIMITS) -> None:
        self._own, self._own_turn = MemoryStorage(), threading.Lock()
        self._shared: Storage | None = None
        if url is not None:
            url = url.replace("redis+socket://", "redis+unix://", 1)
            patience = {"socket_connect_timeout": 1, "socket_timeout": 2}
            self._shared = cast(Storage, storage_from_string(url, wrap_exceptions=True, key_prefix="doors", **patience))
        self._quiet_until = 0.0
        self._report = report
        self._limits = limits

    def attempt(self, what: str, address: str, name: str = "") -> None:
        """Count one try; raises ``TooManyAttempts``."""
        for limit, key in self._of(what, address, name):
            tries, ends_at = self._count(limit.item, key)
            if tries > limit.item.amount:
                if tries == limit.item.amount + 1:
                    self._report(limit.what, limit.who)
                raise TooManyAttempts(limit.what, max(1, math.ceil(ends_at - time.time())))

    def forgive(self, what: str, address: str, name: str = "") -> None:
        """A try was good: the count for this name at this address begins anew, the others do without this try."""
        for limit, key in self._of(what, address, name):
            self._ask(partial(_wipe if limit.who == "name+address" else _take_back, limit.item, key))

    def take_back(self, what: str, address: str, name: str = "") -> None:
        """A try could not be judged, and nobody knows more by it: the counts do without it."""
        for limit, key in self._of(what, address, name):
            self._ask(partial(_take_back, limit.item, key))

    def _count(self, item: RateLimitItem, key: str) -> tuple[int, float]:
        """How many tries there have been in this window, and when it ends (seconds since 1970)."""
        return self._ask(lambda counter: (counter.incr(key, item.get_expiry()), counter.get_expiry(key)))

    def _ask(self, question: Callable[[Storage], T]) -> T:
        """Put a question to the server or, when it fails and for five seconds after, to this process's own counter."""
        if self._shared is not None and time.monotonic() >= self._quiet_until:
            try:
                return question(self._shared)
            except StorageError as error:
                log.warning("tries are counted in this process alone", extra={"fault": str(error.__cause__ or error)})
                self._quiet_until = time.monotonic() + 5
        with self._own_turn:  # its own locks do not outlive the end of a window
            return question(self._own)

    def _of(self, what: str, address: str, name: str) -> Iterator[tuple[Limit, str]]:
        """The limits a try falls under, each with its key: hashed, since what was typed as a name may be a password."""
        network = _network(address)
        whose = {"name": name, "address": network, "name+address": f"{name} {network}", "all": ""}
        for limit in self._limits:
            if limit.what == what:
                hashed = hashlib.sha256(whose[limit.who].encode()).hexdigest()[:32]
                yield limit, limit.item.key_for(what, limit.who, hashed)


def _wipe(_item: RateLimitItem, key: str, counter: Storage) -> None:
    counter.clear(key)


def _take_back(item: RateLimitItem, key: str, counter: Storage) -> None:
    counter.incr(key, item.get_expiry(), -1)


def _network(address: str) -> str:
    """Who counts as one address: with IPv6 everybody has 2^64 of them; those that cannot be read are one together."""
    apart = _WITH_PORT.fullmatch(address)
    try:
        found = ipaddress.ip_address((apart and (apart["six"] or apart["four"])) or address)
    except ValueError:  # a socket in the file system has none
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
