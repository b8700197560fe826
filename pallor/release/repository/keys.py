"""Signing keys: a file each, locked by a passphrase, or a key that never leaves AWS KMS and is used by its URI.

NAME.key  {"name", "public": {...}, "private": "-----BEGIN ENCRYPTED PRIVATE KEY-----..."} or {..., "uri": "awskms:..."}
NAME.pub  the same without what is secret, to be handed to whoever writes down who may sign
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import AWSSigner, CryptoSigner, Key, Signer, SSlibKey

from pallor.digest import digest_of
from pallor.errors import Refused, Unavailable

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,30}")
_LEAST_PASSPHRASE = 12
NAME_FIELD = "x-pallor-name"  # within the metadata, so that people see whose key it is


class KeyNameUnfit(Refused):
    """It names a file, and a person's or a machine's key in the metadata."""


class KeyThere(Refused):
    """A key is never written over: what it signed could not be renewed."""


class KeyUnreadable(Refused):
    """The file holds no key."""


class PassphraseShort(Refused):
    """Whoever finds the file has all the time there is to guess."""


class PassphraseWrong(Refused):
    """It does not open this key."""


class KmsAway(Unavailable):
    """AWS KMS does not answer, does not know the key or lets nobody in."""


def new_key(folder: Path, name: str, passphrase: str) -> Key:
    """Make an Ed25519 key: ``NAME.key`` for its owner alone, ``NAME.pub`` to be handed on.

    Raises:
        KeyNameUnfit, KeyThere, PassphraseShort
    """
    _check_name(name)
    if len(passphrase) < _LEAST_PASSPHRASE:
        raise PassphraseShort(
            "a passphrase this short is guessed", field="passphrase", value="(hidden)",
            remedy=f"Take at least {_LEAST_PASSPHRASE} characters: four or five words, written down and locked away.",
        )  # fmt: skip
    private = Ed25519PrivateKey.generate()
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    return _keep(folder, name, SSlibKey.from_crypto(private.public_key()), {"private": locked.decode()})


def kms_key(folder: Path, name: str, key_id: str) -> Key:
    """Write down a key of AWS KMS (id, ARN or alias) under a name; only KMS can sign with it.

    Raises:
        KeyNameUnfit, KeyThere, KmsAway
    """
    _check_name(name)
    try:
        uri, public = AWSSigner.import_(key_id)
    except Exception as error:  # boto3 is perhaps not there, and raises what it likes
        raise KmsAway(f"AWS KMS gives no key {key_id}: {type(error).__name__}: {error}") from error
    return _keep(folder, name, public, {"uri": uri})


def read_public(path: Path) -> Key:
    """The public half of a ``.pub`` or ``.key`` file; raises ``KeyUnreadable``."""
    return _public(_read(path), path)


def open_key(path: Path, passphrase: Callable[[], str]) -> Signer:
    """A key that can sign.

    Args:
        passphrase: asked only where the file is locked.

    Raises:
        KeyUnreadable, PassphraseWrong, KmsAway
    """
    data = _read(path)
    public = _public(data, path)
    if "uri" in data:
        try:
            return Signer.from_priv_key_uri(data["uri"], public)
        except Exception as error:
            raise KmsAway(f"{data['uri']} cannot be used: {type(error).__name__}: {error}") from error
    if "private" not in data:
        raise _unreadable(path, "it is the public half")
    try:
        private = load_pem_private_key(data["private"].encode(), passphrase().encode())
    except (ValueError, TypeError) as error:
        raise PassphraseWrong(
            "this passphrase does not open the key", field=path.name, value="(hidden)",
            remedy="Type it again; without it the key is lost and has to be replaced by another.",
        ) from error  # fmt: skip
    return CryptoSigner(private, public)  # type: ignore[arg-type]


def name_of(key: Key) -> str:
    """Whose key it is, in words."""
    return str(key.unrecognized_fields.get(NAME_FIELD, key.keyid[:8]))


def _keep(folder: Path, name: str, public: SSlibKey, secret: dict[str, str]) -> Key:
    said: dict[str, Any] = {"name": name, "public": public.to_dict()}
    card = {**said, "public": {**said["public"], NAME_FIELD: name}}
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content, mode in ((".key", card | secret, 0o600), (".pub", card, 0o644)):
        path = folder / f"{name}{suffix}"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                json.dump(content, file, indent=1)
        except FileExistsError:
            raise KeyThere(
                "there is a key of this name", field="name", value=path,
                remedy="Choose another name, such as anna-2; a key is never written over.",
            ) from None  # fmt: skip
    return read_public(folder / f"{name}.pub")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
        if not isinstance(data, dict):
            raise ValueError("no object")
        return data
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _public(data: dict[str, Any], path: Path) -> Key:
    """The key under an id that follows from its content, so that nobody can let two keys pass for one."""
    try:
        said = dict(data["public"])
        keyid = digest_of({name: said[name] for name in ("keytype", "scheme", "keyval")}).removeprefix("sha256:")
        return Key.from_dict(keyid, said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, repr(error)) from error


def _unreadable(path: Path, reason: str) -> KeyUnreadable:
    return KeyUnreadable(
        f"this is no key: {reason}", field="key", value=path, remedy="Name a file that `pallor-release key` made."
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise KeyNameUnfit(
            "not a name for a key", field="name", value=name,
            remedy="Use 2 to 31 lower-case letters, digits and hyphens, such as anna or online-channels.",
        )  # fmt: skip
