"""The whole of Pallor on one machine: every part started by its command name, its data in one folder."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pallor.clock import SystemClock
from pallor.errors import Refused
from pallor.ids import new_id
from pallor.onebox.broker import Broker, Settings, free_port, prepare_broker
from pallor.onebox.client import Client, RequestRefused
from pallor.onebox.commands import CommandFailed, find_command, run_command
from pallor.onebox.folder import DataFolder, claimed
from pallor.onebox.keeper import Keeper, Part, Tell
from pallor.onebox.ready import START_SECONDS, wait_until_ready
from pallor.onebox.signing import OwnKeys, own_keys
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import Shelf, ShelfEmpty
from pallor.settings import load

FIRST_ADMIN = "admin"
_CHANNEL = "main"  # which nodes follow unless they are told otherwise
_SERVERS = {
    "worker": ("pallor-worker", "serve"),
    "consume": ("pallor-backend", "consume"),
    "sweep": ("pallor-backend", "sweep"),
    "serve": ("pallor-backend", "serve"),
}


class PortTaken(Refused):
    """Somebody listens there already."""


@dataclass(frozen=True)
class Box:
    """A machine that runs: the API answers at ``url``, and a worker has answered the golden photos, or ``fault`` says
    why none may score.

    ``token``: of a console, the administrator's own. ``first_password``: the first administrator's one-time password,
    when this start made that account. ``environ``: what the parts were started with, secrets included.
    """

    folder: DataFolder
    world: str
    url: str
    broker: str
    token: str = field(repr=False)
    first_password: str | None = field(repr=False)
    keeper: Keeper
    environ: Mapping[str, str] = field(repr=False)
    fault: str | None

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.folder.shelf)

    def backend(self, *arguments: str) -> str:
        """Run ``pallor-backend``; what it printed. Raises ``CommandFailed``."""
        return run_command("pallor-backend", arguments, self.environ)


@contextmanager
def running(
    data: Path, *, world: str, port: int | None, stays: bool, environ: Mapping[str, str], tell: Tell
) -> Iterator[Box]:
    """Start everything, and end everything when the block ends.

    Args:
        data: the data folder, made if need be.
        port: of the loopback interface, for the API; None takes a free one.
        stays: the machine is somebody's: the console's token is saved in ``data`` or taken from there, a first
            administrator is made, and a release that may not serve keeps no case from coming in; without it the token
            is in memory alone.
        environ: for the parts; what this machine decides itself is replaced in it.
        tell: gets one sentence for each thing that a person should know.

    Raises:
        Refused, Unavailable: something is missing or did not start; then nothing runs.
    """
    address = f"127.0.0.1:{_checked_port(port)}"
    with claimed(data) as folder:
        began = SystemClock().now()
        broker = prepare_broker(folder.run, load(Settings, environ).valkey_server)
        signing = own_keys(folder, world, SystemClock(), environ)
        environ = _environment(environ, folder, world, address, broker, signing)
        folder.save_environment(environ, passphrase=None if signing is None else signing.passphrase)
        first = _fill(Shelf(folder.shelf))
        with _kept(_parts(folder, broker, signing), environ, tell) as keeper:
            tell("starting Valkey and a worker, preparing the database")
            keeper.start("valkey")
            keeper.wait_for("valkey", broker.answers, "Valkey", START_SECONDS)
            keeper.start("worker")
            run_command("pallor-backend", ["migrate"], environ)
            tell("starting consumer, sweeper and web server")
            keeper.start()
            token, first_password = _let_in(folder, environ, stays)
            fault = wait_until_ready(keeper, f"http://{address}", token, began if stays else None)
            if signing is not None:
                _roll_out(f"http://{address}", token, first)
            keeper.keep()
            yield Box(folder, world, f"http://{address}", broker.where, token, first_password, keeper, environ, fault)


def _checked_port(port: int | None) -> int:
    if port is None:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does: a port just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(
                f"cannot listen there: {error.strerror}", field="--port", value=port,
                remedy="End what uses it, or choose another with --port.",
            ) from error  # fmt: skip
    return port


def _environment(
    environ: Mapping[str, str], folder: DataFolder, world: str, address: str, broker: Broker, signing: OwnKeys | None
) -> dict[str, str]:
    usual = {
        "PALLOR_SWEEP_SECONDS": "1",  # nobody else waits for this database
        "OMP_NUM_THREADS": "1",  # there are processes enough: numpy starts no threads of its own
        "OPENBLAS_NUM_THREADS": "1",
    }
    decided = {
        "PALLOR_DATABASE_URL": folder.database_url,
        "PALLOR_STORE_URL": folder.store_url,
        "PALLOR_BROKER_URL": broker.url,
        "PALLOR_SHELF": str(folder.shelf),
        "PALLOR_WORLD": world,
        "PALLOR_BIND": address,
    }
    trusted = {} if signing is None else {"PALLOR_ROOT_METADATA": str(signing.root_file)}
    return {**usual, **environ, **decided, **trusted}


def _to_sign(signing: OwnKeys | None) -> dict[str, str]:
    """What the sweeper signs with; the web server is told nothing of it."""
    if signing is None:
        return {}
    return {"PALLOR_KEYS": str(signing.server), "PALLOR_KEY_PASSPHRASE": signing.passphrase}


def _fill(shelf: Shelf) -> str:
    """Put the release that comes with Pallor on the shelf, and let it serve unless another one does; its id."""
    release = shelf.put(bootstrap_folder(), trusted_digest=BOOTSTRAP_DIGEST)
    try:
        shelf.current_id()
    except ShelfEmpty:
        shelf.activate(release.release_id)
    return release.release_id


def _roll_out(url: str, token: str, release_id: str) -> None:
    """Let nodes that are pointed at this machine have its first release, unless something was rolled out already."""
    with Client(url, token) as admin:
        try:
            admin.get(f"/rollouts/{_CHANNEL}")
        except RequestRefused as error:
            if error.problem != "channel-unknown":
                raise
            said = {"release_id": release_id, "percent": 100, "note": "the release that comes with Pallor"}
            with suppress(RequestRefused):  # people have taken it back, perhaps: then they name another
                admin.post(f"/rollouts/{_CHANNEL}/start", said)


def _parts(folder: DataFolder, broker: Broker, signing: OwnKeys | None) -> list[Part]:
    commands = {"valkey": broker.command} | {
        name: (find_command(command), verb) for name, (command, verb) in _SERVERS.items()
    }
    alone = {"sweep": _to_sign(signing)}
    return [Part(name, command, folder.logs / f"{name}.log", alone.get(name, {})) for name, command in commands.items()]


@contextmanager
def _kept(parts: list[Part], environ: Mapping[str, str], tell: Tell) -> Iterator[Keeper]:
    keeper = Keeper(parts, environ, tell)
    try:
        yield keeper
    finally:
        try:
            tell("ending every part")
            keeper.stop(*_SERVERS)  # those that speak to Valkey first
            keeper.stop()
        finally:  # a second Ctrl-C ends the patience
            keeper.close()


def _let_in(folder: DataFolder, environ: Mapping[str, str], stays: bool) -> tuple[str, str | None]:
    """The console's token; and the first administrator's one-time password, when it was made now."""
    if stays and (saved := folder.saved_token()) is not None:
        return saved, None
    token = run_command(
        "pallor-backend", ["device-add", f"console-{new_id()[:8]}", "console", "--days", "3650"], environ
    )
    if not stays:
        return token, None
    folder.save_token(token)
    try:
        return token, run_command("pallor-backend", ["first-admin", FIRST_ADMIN], environ).split()[-1]
    except CommandFailed:  # the token was lost, not the people: somebody administers this machine already
        return token, None
