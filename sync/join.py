"""The agent's parts, joined by hand, and the loop in which it lives."""

import logging
import random
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pallor.clock import SystemClock
from pallor.digest import sha256_of
from pallor.release.shelf import Shelf
from pallor.settings import number, path, setting, text, url, whole
from sync.agent import Agent, DiskTrouble, Machine
from sync.alone import AnotherAgent
from sync.fetch import Line, Pace
from sync.identity import Identity, keep_root, own_key, read_identity
from sync.probe import by_command
from sync.report import send_to
from sync.rhythm import fetch_hours, hours, pause_after
from sync.trust import fetch_root

log = logging.getLogger(__name__)

_GLANCE_SECONDS = 30.0  # at what this machine's own worker left; it costs no network


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """What ``once``, ``watch``, ``rollback`` and ``import`` read from the environment."""

    shelf: Path = setting("PALLOR_SHELF", path, "The folder that holds this machine's releases")
    state: Path = setting("PALLOR_NODE_STATE", path, "The folder that holds this machine's key and who it is")
    repository_url: str | None = setting(
        "PALLOR_REPOSITORY_URL", url("http", "https", "file"),
        "Where releases are fetched: a bucket or a CDN; default: the server, under /tuf", default=None,
    )  # fmt: skip
    channel: str = setting("PALLOR_CHANNEL", text, "The channel that this machine follows", default="main")
    poll_seconds: float = setting("PALLOR_POLL_SECONDS", number(10), "Pause between two looks", default=1800.0)
    bytes_per_second: int = setting(
        "PALLOR_BYTES_PER_SECOND", whole(0), "Fetch no faster than this; 0: as fast as the line is", default=0
    )
    fetch_hours: tuple[int, int] = setting(
        "PALLOR_FETCH_HOURS", hours, "Fetch releases at these hours of the day, such as 22-5", default=(0, 24)
    )
    worker_command: str = setting(
        "PALLOR_WORKER_COMMAND", text, "What tries a release before it answers", default="pallor-worker"
    )


@dataclass
class Joined:
    """An agent with what it was made of."""

    agent: Agent
    line: Line
    identity: Identity
    settings: AgentSettings
    chance: random.Random = field(default_factory=random.SystemRandom)


def join(settings: AgentSettings, *, base: str | None = None) -> Joined:
    """The parts of this machine's agent.

    Args:
        base: a repository to look at instead, such as a stick's; nothing is reported then.

    Raises:
        NotEnrolled, StateUnusable, StateDamaged, RootUnknown, RepositoryAway
    """
    identity = read_identity(settings.state)
    line = Line(base or settings.repository_url or f"{identity.address}/tuf", pace=Pace(settings.bytes_per_second))
    machine = Machine(
        identity=identity,
        key=own_key(settings.state),
        state=settings.state,
        shelf=Shelf(settings.shelf),
        root=_root(settings.state, identity, line),
        channel=settings.channel,
        clock=SystemClock(),
        probe=by_command(shlex.split(settings.worker_command)),
        may_fetch=(lambda: True) if base else fetch_hours(settings.fetch_hours, _local_time),
    )
    return Joined(
        Agent(machine, line, None if base else send_to(settings.state, SystemClock())), line, identity, settings
    )


def live(joined: Joined, stop: threading.Event) -> None:
    """Look, and look again, until told to stop; glance at the worker in between.

    Raises:
        AnotherAgent, DiskTrouble: at the start; later it is tried again.
    """
    poll = timedelta(seconds=joined.settings.poll_seconds)
    failures, said = 0, joined.agent.once().errors
    while not stop.is_set():
        left = pause_after(poll, failures, joined.chance.random()).total_seconds()
        while left > 0 and not stop.wait(min(left, _GLANCE_SECONDS)):
            left -= _GLANCE_SECONDS
            with _if_possible():
                joined.agent.glance()
        if not stop.is_set():
            with _if_possible():
                errors = joined.agent.once().errors
                failures, said = failures + 1 if errors != said else 0, errors


@contextmanager
def _if_possible() -> Iterator[None]:
    """Somebody at the machine may run a command of their own, or the disk be full: it is this one's turn again soon."""
    try:
        yield
    except (AnotherAgent, DiskTrouble) as error:
        log.warning("not now", extra={"code": error.code(), "fault": str(error)})


def _root(state: Path, identity: Identity, line: Line) -> bytes:
    """The root metadata that this node was told to trust, fetched once."""
    kept = state / "root.json"
    if kept.exists() and sha256_of(data := kept.read_bytes()) == identity.root:
        return data
    data = fetch_root(line, identity.root)
    keep_root(state, data)
    return data


def _local_time() -> datetime:
    return SystemClock().now().astimezone()
