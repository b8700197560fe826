"""Opaque tokens: random, shown once, kept as a hash.

A token holds 256 random bits, so a plain hash cannot be searched backwards and looking it up leaks nothing.
"""

import hashlib
import secrets

_PREFIX = "pallor_"  # so that scanners for leaked secrets know one when they see it


def new_token() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is kept of a token or a CSRF half: 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()
