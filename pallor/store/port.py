"""What an object store promises, and what a key looks like.

A key is a relative path of plain ASCII parts: ``images/ab/<hex>.png``, ``labels/v1/dt=2026-11-21/<id>.json``. No key
may be the folder of another (``a`` beside ``a/b``): a file system cannot hold both.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from pallor.digest import hex_of
from pallor.errors import Refused, Unavailable

MAX_KEY_BYTES = 512
MAX_PART_BYTES = 255  # what a file name may have on the usual file systems

# A list of what may stand in a part says no to `..`, hidden files, backslashes, control characters and every spelling
# that two file systems would read differently.
_PART = re.compile(r"[A-Za-z0-9_=+@~-][A-Za-z0-9._=+@~-]*")


class ObjectMissing(Unavailable):
    """Nothing lies under this key now."""


class StoreUnavailable(Unavailable):
    """The store does not answer, is full, or lets nobody in."""


class StoreUnknown(Refused):
    """The address is of no kind of store that there is."""


class KeyRefused(Refused):
    """The key is not one that every store can hold."""


class ObjectStore(Protocol):
    """Bytes under keys.

    Every method raises ``KeyRefused`` for a bad key and ``StoreUnavailable`` when it cannot work.
    """

    def put(self, key: str, data: bytes) -> None:
        """Keep ``data``, durable when this returns; readers see the whole of it or what was there before."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes under ``key``; raises ``ObjectMissing``."""
        ...

    def has(self, key: str) -> bool:
        """True when something lies under ``key``."""
        ...

    def delete(self, key: str) -> None:
        """Take ``key`` away; nothing happens when it is not there."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with ``prefix`` (text, not a folder), in the order of its bytes."""
        ...

    def discard_unfinished(self, older_than: timedelta) -> int:
        """Drop what a ``put`` that never ended has left and is older than this; how many younger ones there are."""
        ...


def image_key(digest: str) -> str:
    """Where a stored photo lies: ``images/<aa>/<sha256>.png``."""
    bare = hex_of(digest)
    return f"images/{bare[:2]}/{bare}.png"


def checked_key(key: str) -> str:
    """The key itself, or ``KeyRefused``."""
    parts = key.split("/")
    if len(key) > MAX_KEY_BYTES or not all(_PART.fullmatch(part) and len(part) <= MAX_PART_BYTES for part in parts):
        raise KeyRefused(
            "not a key for an object store",
            field="key",
            value=key,
            remedy=f"Use at most {MAX_KEY_BYTES} bytes: parts joined by '/', none empty, none beginning with a dot, of "
            "letters, digits and . _ = + @ ~ -",
        )
    return key


def checked_prefix(prefix: str) -> str:
    """The prefix itself, or ``KeyRefused``: its whole parts must be those of a key, its last may be cut short."""
    folder, _, rest = prefix.rpartition("/")
    for part in (folder, rest):
        if part:
            checked_key(part)
    return prefix
