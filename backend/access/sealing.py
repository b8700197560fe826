"""What a phone seals to its site's public key, and only this server opens: JWE, ECDH-ES on P-256, A256GCM.

On the wire it is a compact JWE (RFC 7516) without base64, which would add a third:

2 bytes   how long the protected header is, big-endian
n bytes   the protected header, base64url, as it is authenticated
12 bytes  initialization vector
...       ciphertext
16 bytes  authentication tag
"""

import base64
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwk import ECKey

from pallor.errors import Refused, Unavailable

MAX_SEALED_BYTES = 1_000_000  # a case with three photos takes half of it
_LENGTH, _IV, _TAG = 2, 12, 16
_MAX_HEADER = 1024


class SealedUnreadable(Refused):
    """It cannot be opened: not sealed to a key of this site, or changed since."""


class SealingKeyLocked(Unavailable):
    """The key is in the database, and this process does not have the passphrase that opens it."""


class _Registry(jwe.JWERegistry):
    max_ciphertext_length = MAX_SEALED_BYTES * 4 // 3 + 4  # in base64url, as joserfc counts it


_REGISTRY = _Registry(algorithms=["ECDH-ES", "A256GCM"])  # and no compression: a small blob cannot become a large one


@dataclass(frozen=True)
class SealingKey:
    """A key pair. ``public_jwk``: what phones are given; ``private_pem``: never leaves the database's row."""

    kid: str
    public_jwk: dict[str, Any]
    private_pem: str = field(repr=False)


def new_sealing_key(passphrase: str | None) -> SealingKey:
    """A fresh pair; its private half is encrypted when there is a passphrase."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = ECKey.import_key(private)
    kid = key.thumbprint()
    jwk = {**key.as_dict(private=False), "kid": kid, "use": "enc", "alg": "ECDH-ES"}
    wrapping: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        wrapping = serialization.BestAvailableEncryption(passphrase.encode())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, wrapping)
    return SealingKey(kid, jwk, pem.decode("ascii"))


def kid_of(blob: bytes) -> str:
    """Which key a blob was sealed to; raises ``SealedUnreadable``."""
    try:
        header = json.loads(base64.urlsafe_b64decode(_protected(blob) + b"=="))
        return str(header["kid"])
    except (ValueError, LookupError, TypeError, RecursionError):
        _unreadable("its protected header cannot be read")


def open_sealed(blob: bytes, private_pem: str, passphrase: str | None) -> bytes:
    """What was sealed.

    Raises:
        SealedUnreadable
        SealingKeyLocked: it is not known whether it can be opened.
    """
    key = _unlocked(private_pem, passphrase)
    header = _protected(blob)
    body = blob[_LENGTH + len(header) :]
    if len(body) < _IV + _TAG:
        _unreadable("it is too short")
    parts = (header, b"", *(_base64url(part) for part in (body[:_IV], body[_IV:-_TAG], body[-_TAG:])))
    try:
        opened = jwe.decrypt_compact(b".".join(parts), key, registry=_REGISTRY)
    except Exception:  # what joserfc and cryptography raise for a forged header is nobody's promise: this is the door
        _unreadable("it was sealed to another key, or changed since")
    return bytes(opened.plaintext or b"")


def _protected(blob: bytes) -> bytes:
    length = int.from_bytes(blob[:_LENGTH])
    header = blob[_LENGTH : _LENGTH + length]
    if not 0 < length <= _MAX_HEADER or len(header) < length:
        _unreadable("it does not begin with a protected header")
    return header


@lru_cache(maxsize=256)  # every submission asks for its site's; a passphrase is slow by design
def _unlocked(private_pem: str, passphrase: str | None) -> ECKey:
    locked = "ENCRYPTED" in private_pem.partition("\n")[0]
    try:
        key = serialization.load_pem_private_key(
            private_pem.encode("ascii"), passphrase.encode() if locked and passphrase is not None else None
        )
    except (TypeError, ValueError):  # no passphrase, or another; the error's own words are not repeated
        raise SealingKeyLocked("PALLOR_SEALING_PASSPHRASE is not the one that this key was made with") from None
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  we made it
    return ECKey.import_key(key)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unreadable(why: str) -> NoReturn:
    raise SealedUnreadable(
        f"this cannot be opened: {why}", field="body", value="(sealed)",
        remedy="Keep it; ask for the sealing keys again and seal the next one to the newest. Tell an administrator.",
    ) from None  # fmt: skip
