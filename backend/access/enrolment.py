"""Enrolment codes and the keys of nodes. No database, no HTTP; the code's letters are ``pallor.enrolment``'s."""

import base64
import binascii
import hashlib
import io
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import segno
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from backend.access.roles import DeviceKind
from pallor.digest import sha256_of
from pallor.enrolment import CODE_LENGTH, CODE_LETTERS, Link, fingerprint_of, signed_bytes
from pallor.errors import Refused

LEAST, USUAL, MOST = timedelta(minutes=5), timedelta(minutes=60), timedelta(days=1)
KINDS = tuple(kind for kind in DeviceKind if kind is not DeviceKind.CONSOLE)

# 50 bits under a plain hash are searched in a day; who has read the database must not find a code while it lasts.
_ROUNDS = 50_000
_SALT = b"pallor enrolment code"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


class KeyMissing(Refused):
    """A node comes with a key that it made itself."""


class KeyNotAsked(Refused):
    """Only a node has a key."""


class KeyUnreadable(Refused):
    """The key or the signature is not what Ed25519 makes, in base64."""


class KeyNotProved(Refused):
    """The signature was not made with this key for this code: whoever sends it may not have the key."""


class RootMetadataMissing(Refused):
    """Without the root metadata a node would trust whoever answers."""


@dataclass(frozen=True)
class ShownKey:
    """A node's public key with the signature that proves it, both in base64, as they came."""

    public_key: str
    signature: str


def new_code() -> str:
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def kept_of(code: str) -> str:
    """What is kept of a code: 64 hex digits that it takes a while to make."""
    return hashlib.pbkdf2_hmac("sha256", code.encode(), _SALT, _ROUNDS).hex()


def key_facts(shown: ShownKey, code: str) -> dict[str, str]:
    """A node's ``public_key`` (base64) and ``fingerprint``, once the signature is seen to be its own.

    Raises:
        KeyUnreadable, KeyNotProved
    """
    key = _bytes_of("public_key", shown.public_key, _KEY_BYTES)
    signature = _bytes_of("signature", shown.signature, _SIGNATURE_BYTES)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed_bytes(code, key))
    except InvalidSignature:
        raise KeyNotProved(
            "this signature was not made by this key for this code", field="signature", value="(hidden)",
            remedy="Sign again with the private half of the key that is sent.",
        ) from None  # fmt: skip
    return {"public_key": base64.b64encode(key).decode(), "fingerprint": fingerprint_of(key)}


def root_for(kind: DeviceKind, path: Path | None) -> str | None:
    """The digest of the root metadata that a device of this kind is to trust: a node, and nothing else.

    Raises:
        RootMetadataMissing: it is needed and not set, cannot be read or is something else.
    """
    if kind is not DeviceKind.NODE:
        return None
    try:
        data = path.read_bytes() if path else b""
        if json.loads(data)["signed"]["_type"] != "root":
            raise ValueError("other metadata")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RootMetadataMissing(
            "a node has to be told which root metadata to trust", field="PALLOR_ROOT_METADATA",
            value=path.name if path else None,
            remedy="Set it on the server to the signed root metadata of your releases (1.root.json), then try again.",
        ) from error  # fmt: skip
    return sha256_of(data)


def qr_svg(link: Link) -> str:
    """The link as a picture, for a page."""
    return str(segno.make(str(link), micro=False).svg_inline(scale=4))


def qr_text(link: Link) -> str:
    """The link as a picture of block characters, for a terminal."""
    out = io.StringIO()
    segno.make(str(link), micro=False).terminal(out, compact=True)
    return out.getvalue()


def _bytes_of(field: str, text: str, count: int) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
        if len(found) != count:
            raise ValueError(f"{len(found)} bytes")
        return found
    except (binascii.Error, ValueError):
        raise KeyUnreadable(
            f"this is not base64 of {count} bytes", field=field, value="(hidden)",
            remedy="Send an Ed25519 public key of 32 bytes and its signature of 64, each in base64.",
        ) from None  # fmt: skip
