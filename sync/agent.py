"""The agent of one machine: look, admit, fetch, probe, activate, watch, report.

Whatever goes wrong on the way, what answers goes on answering: nothing but the one rename of the shelf changes it.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pallor.clock import Clock
from pallor.errors import PallorError, Unavailable, Untrusted
from pallor.release.channel import Channel, Named
from pallor.release.policy import Policy
from pallor.release.serving import forget
from pallor.release.shelf import CHALLENGER, PREVIOUS, SLOTS, Release, Shelf
from sync.activate import Slots
from sync.admit import MOST_TRIES, Node, ReleaseUnsigned, WorldDiffers, admit, check_channel, check_policy
from sync.alone import alone
from sync.bring import bring, here, missing_bytes, retain
from sync.fetch import Line
from sync.identity import Identity
from sync.journal import Journal, Trial
from sync.memory import Memory
from sync.probe import Probe, Probed, ProbeFailed
from sync.report import Send, make_report, sealed
from sync.rollout import Meant, meant
from sync.trust import MetadataExpired, Offered, Trust
from sync.watch import Verdict

_STALE_AFTER = timedelta(days=14)  # what is signed daily is good for so long


class DiskTrouble(Unavailable):
    """The disk cannot be read or written."""


class NotNow(Unavailable):
    """Files of releases are fetched at other hours."""


@dataclass(frozen=True)
class Machine:
    """What an agent works with.

    Attributes:
        state: its own folder. root: the metadata that it trusts from the beginning.
        have: what of a release's files it can use, until a probe has said so.
        may_fetch: whether files of releases are fetched at this hour.
        limit_seconds: for each file of metadata.
    """

    identity: Identity
    key: Ed25519PrivateKey
    state: Path
    shelf: Shelf
    root: bytes
    channel: str
    clock: Clock
    probe: Probe
    have: frozenset[str] = frozenset({"cpu"})
    may_fetch: Callable[[], bool] = lambda: True
    limit_seconds: float = 60.0


@dataclass(frozen=True)
class Said:
    """What is signed now, for this node."""

    trust: Trust
    policy: Policy
    channel: Channel | None


class Agent:
    """One machine's agent. Its methods hold the machine's folders; they raise ``AnotherAgent`` or ``DiskTrouble``.

    Args:
        send: hands reports to the server; None: nobody is told.
    """

    def __init__(self, machine: Machine, line: Line, send: Send | None) -> None:
        self._machine, self._line, self._send = machine, line, send
        self._memory = Memory(machine.state, machine.clock)
        self._slots = Slots(machine.shelf, self._memory)

    def once(self) -> Journal:
        """One round; what it could not do is among the journal's errors, newest last."""
        with self._held():
            for step in (self._slots.watch, self._know, self._go_on, self._report):
                self._try(step)
            self._memory.save()
            return self._memory.journal

    def glance(self) -> None:
        """Judge what answers by what its worker left; tell the server when that changed something."""
        with self._held():
            before = self._memory.journal
            self._try(self._slots.watch)
            after = self._memory.journal
            if (after.trial, after.stepped_back) != (before.trial, before.stepped_back):
                self._try(self._know)
                self._try(self._report)

    def step_back_by_hand(self) -> Journal:
        """Go back to the previous release now; the one that answers is not tried here again.

        Raises:
            NothingBehind
        """
        with self._held():
            self._slots.step_back(Verdict(reason="by-hand", said="somebody here wanted it"), tries=MOST_TRIES)
            self._try(self._report)
            return self._memory.journal

    def _know(self) -> None:
        """Let what answers say what it is, once: which engine, and what this machine can use."""
        current = self._slots.current
        if current is not None and (self._memory.journal.probed or {}).get("release") != current:
            self._learn(current, self._machine.probe(self._machine.shelf.folder_of(current)))

    def _go_on(self) -> None:
        """Look at what is signed, and follow it; raises ``Untrusted`` or ``Unavailable``."""
        with self._stale_in_time():
            said = self._look()
        self._memory.change(stale_since=None, looked_at=self._memory.clock.now())
        try:
            self._follow(said)
        finally:
            self._retain(said)

    def _look(self) -> Said:
        """What is signed now. What was taken back stops at once, whatever is wrong with the channel."""
        machine, clock = self._machine, self._memory.clock
        trust = Trust(machine.state / "trust", machine.root, self._line, clock, limit_seconds=machine.limit_seconds)
        trust.refresh()
        if trust.world != machine.identity.world:
            raise WorldDiffers(f"this repository is of the {trust.world} world, this node of the other")
        policy = trust.policy()
        check_policy(policy, self._node())
        self._memory.change(policy_floor=policy.floor)
        self._slots.obey(trust, policy)
        return Said(trust, policy, trust.channel(machine.channel))

    @contextmanager
    def _stale_in_time(self) -> Iterator[None]:
        """Note since when nothing that is signed is young enough to change anything."""
        try:
            yield
        except (MetadataExpired, Unavailable) as error:
            now, seen = self._memory.clock.now(), self._memory.journal.looked_at
            if isinstance(error, MetadataExpired) or (seen is not None and now - seen > _STALE_AFTER):
                self._memory.change(stale_since=self._memory.journal.stale_since or now)
            raise

    def _follow(self, said: Said) -> None:
        """Run what is meant for this node, unless something speaks against it."""
        if said.channel is None:
            return
        try:
            check_channel(said.channel, self._memory.clock.now())
        except Untrusted:
            self._memory.change(stale_since=self._memory.journal.stale_since or said.channel.expires_at)
            raise
        wanted = self._meant(said.channel)
        if wanted.release is not None:
            answers = wanted.release.release_id == self._slots.current
            if not (answers and self._slots.whole(wanted.release.release_id)):
                self._move(said, wanted.release, said.channel.rollout)
        self._memory.change(rollout=said.channel.rollout)
        self._challenge(said, wanted.challenger)

    def _move(self, said: Said, named: Named, rollout: str) -> None:
        """Let another release answer: back to one that has proved itself, or on to a new one, on trial."""
        shelf = self._machine.shelf
        if named.release_id == shelf.named(PREVIOUS) and here(shelf, named.release_id, named.manifest):
            self._slots.activate(named.release_id, trial=None)
            self._know()
            return
        offered = said.trust.release(named.release_id)
        if offered is None:
            raise ReleaseUnsigned(f"no person has signed {named.release_id}")
        self._learn(named.release_id, self._tried(self._bring(said, named, offered)))
        forget(shelf.root, named.release_id)
        self._slots.activate(named.release_id, Trial(named.release_id, rollout, self._memory.clock.now()))

    def _challenge(self, said: Said, named: Named | None) -> None:
        """Let another release answer beside the first, unseen; candidates, too, may."""
        shelf = self._machine.shelf
        there = shelf.named(CHALLENGER)
        if named is None or named.release_id == self._slots.current:
            if there is not None:
                shelf.let(CHALLENGER, None)
            return
        if named.release_id == there and here(shelf, named.release_id, named.manifest):
            return
        offered = said.trust.release(named.release_id) or said.trust.candidate(named.release_id)
        if offered is None:
            raise ReleaseUnsigned(f"nobody has signed {named.release_id}")
        self._tried(self._bring(said, named, offered))
        shelf.let(CHALLENGER, named.release_id)

    def _bring(self, said: Said, named: Named, offered: Offered) -> Release:
        """Admit a release and fetch it."""
        shelf, have = self._machine.shelf, self._have()
        there = here(shelf, named.release_id, offered.digest)
        missing = 0 if there else missing_bytes(shelf, offered.manifest, have)
        now = self._memory.clock.now()
        admit(named, offered.manifest, offered.digest, offered.number, said.policy, self._node(), now, missing)
        if missing and not self._machine.may_fetch():
            raise NotNow(f"{named.release_id} is fetched at the hours that are set for it")
        return bring(shelf, self._line, offered, have)

    def _tried(self, release: Release) -> Probed:
        """Let a release load and answer its golden photos in a process of its own."""
        try:
            return self._machine.probe(release.folder)
        except ProbeFailed as error:
            self._slots.failed(release.release_id, "golden-failure", str(error))
            raise

    def _learn(self, release_id: str, probed: Probed) -> None:
        self._memory.change(have=probed.have, probed={**probed.facts, "release": release_id})

    def _retain(self, said: Said) -> None:
        """Free what no slot names, but what is still arriving."""
        keep = {self._machine.shelf.named(slot) for slot in SLOTS}
        if said.channel is not None:
            wanted, tries = self._meant(said.channel), self._memory.journal.tries
            arriving = {one.release_id for one in (wanted.release, wanted.challenger) if one is not None}
            keep |= {name for name in arriving if tries.get(name, 0) < MOST_TRIES}
        retain(self._machine.shelf, {name for name in keep if name is not None})

    def _report(self) -> None:
        if self._send is not None:
            machine, journal = self._machine, self._memory.journal
            report = make_report(machine.identity, journal, machine.shelf, self._memory.clock.now())
            self._try(partial(self._memory.change, sequence=report.sequence))  # on a full disk it is said all the same
            self._send(sealed(report, machine.key))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            with _disk():
                step()
        except PallorError as error:
            self._memory.note(error)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with _disk(), alone(self._machine.state, self._machine.shelf.root):
            self._memory.load()
            yield

    def _meant(self, channel: Channel) -> Meant:
        identity = self._machine.identity
        return meant(channel, identity.device, identity.sites, self._have(), self._slots.current)

    def _have(self) -> frozenset[str]:
        return frozenset(self._memory.journal.have) or self._machine.have

    def _node(self) -> Node:
        journal, identity = self._memory.journal, self._machine.identity
        free = shutil.disk_usage(self._machine.shelf.root).free
        return Node(identity.world, self._have(), free, journal.policy_floor, journal.tries, journal.rest_until)


@contextmanager
def _disk() -> Iterator[None]:
    """Tell what the disk refuses by its name."""
    try:
        yield
    except OSError as error:
        raise DiskTrouble(f"{error.filename or 'the disk'}: {error.strerror}") from error
