"""Who this node is: a key that never leaves the machine, and what the server gave it when it came in.

<state>/key.pem        Ed25519, made here
<state>/identity.json  address, name, sites, world, root digest, token
<state>/root.json      the root metadata of that digest, once it was fetched

The first two are for their owner alone (0600) and appear whole or not at all. Neither is ever written over, but that
the token in the second is exchanged for its successor.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pallor.durable import sync_folder
from pallor.errors import Refused, Untrusted
from pallor.ids import new_id

_KEY, _IDENTITY = "key.pem", "identity.json"


class NotEnrolled(Refused):
    """This machine has not come in yet."""


class AlreadyEnrolled(Refused):
    """This folder holds another enrolment."""


class StateUnusable(Refused):
    """The folder cannot be read or written."""


class StateDamaged(Untrusted):
    """A file of the folder is not what was written."""


@dataclass(frozen=True)
class Identity:
    """``address``: of the server. ``root``: the digest of the root metadata that this node trusts."""

    address: str
    device: str
    sites: tuple[str, ...]
    world: str
    root: str
    fingerprint: str
    token: str = field(repr=False)


def own_key(folder: Path) -> Ed25519PrivateKey:
    """This node's key, made when there is none; raises ``StateUnusable`` or ``StateDamaged``."""
    new = Ed25519PrivateKey.generate()
    _write_once(folder / _KEY, new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(_read(folder / _KEY), password=None)
    except (ValueError, TypeError) as error:
        raise StateDamaged(f"{folder / _KEY} is no key; move it away and enrol anew") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StateDamaged(f"{folder / _KEY} is a key of another kind; move it away and enrol anew")
    return key


def check_not_enrolled(folder: Path) -> None:
    """Raise ``AlreadyEnrolled`` where an identity is kept."""
    if (folder / _IDENTITY).exists():
        raise _already(folder)


def keep_identity(folder: Path, identity: Identity) -> None:
    """Write down who this node is; raises ``AlreadyEnrolled`` or ``StateUnusable``."""
    if not _write_once(folder / _IDENTITY, json.dumps(asdict(identity), indent=1).encode()):
        raise _already(folder)


def keep_root(folder: Path, data: bytes) -> None:
    """Keep the root metadata whose digest this node was told; in the place of a damaged one, if there is any."""
    (folder / "root.json").unlink(missing_ok=True)
    _write_once(folder / "root.json", data)


def exchange_token(folder: Path, identity: Identity, token: str) -> Identity:
    """Keep a token's successor; raises ``StateUnusable``, and then the old one is as good as before."""
    path, new = folder / _IDENTITY, replace(identity, token=token)
    staged = path.with_name(f".{path.name}.{new_id()}")
    _write_once(staged, json.dumps(asdict(new), indent=1).encode())
    try:
        os.replace(staged, path)
        sync_folder(folder)
    except OSError as error:
        raise _unusable(path, error) from error
    return new


def token_age(folder: Path, now: datetime) -> timedelta:
    """How long ago the token was written down, by this machine's clock."""
    return abs(now - datetime.fromtimestamp((folder / _IDENTITY).stat().st_mtime, UTC))


def read_identity(folder: Path) -> Identity:
    """Who this node is; raises ``NotEnrolled``, ``StateUnusable`` or ``StateDamaged``."""
    path = folder / _IDENTITY
    if not path.exists():
        raise NotEnrolled(
            "this machine is not enrolled", field="--state", value=folder,
            remedy="Ask an administrator for a link (pallor-backend enrol-code node NAME --site SITE), then run: "
            "pallor-sync enrol LINK.",
        )  # fmt: skip
    try:
        said: dict[str, Any] = json.loads(_read(path))
        return Identity(**said | {"sites": tuple(said["sites"])})
    except (ValueError, TypeError, KeyError) as error:
        raise StateDamaged(f"{path} is not what was written; move it away and enrol anew") from error


def _already(folder: Path) -> AlreadyEnrolled:
    return AlreadyEnrolled(
        "this machine is enrolled already", field="--state", value=folder,
        remedy="See as whom: pallor-sync whoami. To enrol it anew, have that device retired and name an empty folder.",
    )  # fmt: skip


def _write_once(path: Path, data: bytes) -> bool:
    """Write a file for its owner alone, unless it is there; True when this call made it."""
    staged = path.with_name(f".{path.name}.{new_id()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(staged, path)  # unlike a rename, it never takes the place of a file
        except FileExistsError:
            return False
        sync_folder(path.parent)
        return True
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        with suppress(OSError):
            staged.unlink()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> StateUnusable:
    return StateUnusable(
        f"{path.name} cannot be kept there: {error.strerror}", field="--state", value=path.parent,
        remedy="Name a folder that this user may read and write, on a disk with room.",
    )  # fmt: skip
