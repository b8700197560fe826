"""Digests, always written ``sha256:<hex>``, and the one way JSON is spelled before it is digested."""

import hashlib
import json
from pathlib import Path

_PREFIX = "sha256:"


def sha256_of(data: bytes) -> str:
    """``sha256:<64 hex digits>`` of some bytes."""
    return _PREFIX + hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """``sha256:<64 hex digits>`` of a file, read in pieces."""
    with path.open("rb") as file:
        return _PREFIX + hashlib.file_digest(file, "sha256").hexdigest()


def hex_of(digest: str) -> str:
    """The bare 64 hex digits; raises ``ValueError`` for anything else."""
    bare = digest.removeprefix(_PREFIX)
    if len(bare) != 64 or not set(bare) <= set("0123456789abcdef"):
        raise ValueError(f"not a sha256 digest: {digest!r}")
    return bare


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, UTF-8, no NaN: the same value is the same bytes on every machine."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: object) -> str:
    """The digest of a value's canonical JSON."""
    return sha256_of(canonical_json(value))
