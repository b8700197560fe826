"""The agent of one machine: look, admit, fetch, probe, activate, watch, report.

Whatever goes wrong on the way, what answers goes on answering: nothing but the one rename of the shelf changes it.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pallor.clock import Clock
from pallor.errors import PallorError, Unavailable, Untrusted
from pallor.release.channel import Channel, Named
from pallor.release.policy import Policy
from pallor.release.serving import forget, served
from pallor.release.shelf import CHALLENGER, CURRENT, PREVIOUS, SLOTS, Release, Shelf
from sync.admit import (
    MOST_TRIES,
    Node,
    ReleaseUnsigned,
    WorldDiffers,
    admit,
    check_channel,
    check_policy,
    check_release,
)
from sync.alone import alone
from sync.bring import bring, here, missing_bytes, retain
from sync.clock import FloorClock
from sync.fetch import Line
from sync.identity import Identity
from sync.journal import Journal, StepBack, Trial, read_journal, write_journal
from sync.probe import Probe, ProbeFailed
from sync.report import Send, make_report, sealed
from sync.rollout import Meant, meant
from sync.trust import MetadataExpired, Offered, Trust
from sync.watch import LOOP_WITHIN, REST, Verdict, judge_settled, judge_trial

log = logging.getLogger(__name__)


class NothingBehind(Untrusted):
    """There is no earlier release to go back to."""


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
    """One machine's agent; hold its folders (``once``, ``step_back_by_hand``) for as long as it works."""

    def __init__(self, machine: Machine, line: Line, send: Send | None) -> None:
        self._machine, self._line, self._send = machine, line, send
        self._shelf = machine.shelf
        self._journal = Journal()
        self._clock: FloorClock = FloorClock(machine.clock, self._journal.floor)
        self._clock_read = False

    def once(self) -> Journal:
        """One round; what it could not do is among the journal's errors, newest last.

        Raises:
            AnotherAgent
        """
        with self._held():
            for step in (self._watch, self._know, self._go_on, self._report):
                try:
                    step()
                except PallorError as error:
                    self._note(error)
                except OSError as error:
                    self._note(DiskTrouble(f"{error.filename or 'the disk'}: {error.strerror}"))
            write_journal(self._machine.state, self._journal)
            return self._journal

    def glance(self) -> None:
        """Judge what answers by what its worker left, and tell the server when that changed something.

        Raises:
            AnotherAgent
        """
        with self._held():
            before = self._journal
            try:
                self._watch()
            except PallorError as error:
                self._note(error)
            if (self._journal.trial, self._journal.stepped_back) != (before.trial, before.stepped_back):
                self._report()

    def step_back_by_hand(self) -> Journal:
        """Go back to the previous release now; the one that answers is not tried here again.

        Raises:
            AnotherAgent, NothingBehind
        """
        with self._held():
            self._step_back(Verdict(reason="by-hand", said="somebody at this machine wanted it"), tries=MOST_TRIES)
            self._report()
            return self._journal

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The folders for this agent alone, and what it remembers."""
        with alone(self._machine.state, self._shelf.root):
            self._journal = read_journal(self._machine.state)
            if not self._clock_read:
                self._clock, self._clock_read = FloorClock(self._machine.clock, self._journal.floor), True
            yield

    def _remember(self, **changes: Any) -> None:
        """Write down what changes, before it is done."""
        if any(getattr(self._journal, name) != value for name, value in changes.items()):
            self._journal = replace(self._journal, floor=self._clock.floor, **changes)
            write_journal(self._machine.state, self._journal)

    def _note(self, error: PallorError) -> None:
        log.warning("not done", extra={"code": error.code(), "fault": str(error)})
        self._journal = replace(self._journal.with_error(error, self._clock.now()), floor=self._clock.floor)

    def _have(self) -> frozenset[str]:
        return frozenset(self._journal.have) or self._machine.have

    def _go_on(self) -> None:
        """Look at what is signed, and follow it."""
        said = self._look()
        try:
            self._follow(said)
        finally:
            self._retain(said)

    def _know(self) -> None:
        """Let what answers say what it is, once: which engine, and what this machine can use."""
        current = self._shelf.named(CURRENT)
        if current is not None and (self._journal.probed or {}).get("release") != current:
            probed = self._machine.probe(self._shelf.folder_of(current))
            self._remember(have=probed.have, probed={**probed.facts, "release": current})

    def _look(self) -> Said:
        """What is signed now; raises ``Untrusted`` or ``Unavailable``, which change nothing."""
        machine, now = self._machine, self._clock.now()
        trust = Trust(
            machine.state / "trust", machine.root, self._line, self._clock, limit_seconds=machine.limit_seconds
        )
        try:
            trust.refresh()
            if trust.world != machine.identity.world:
                raise WorldDiffers(f"this repository is of the {trust.world} world, this node of the other")
            policy, channel = trust.policy(), trust.channel(machine.channel)
        except MetadataExpired:
            self._remember(stale_since=self._journal.stale_since or now)
            raise
        check_policy(policy, self._node())
        self._remember(policy_floor=policy.floor, stale_since=None)
        return Said(trust, policy, channel)

    def _follow(self, said: Said) -> None:
        """Run what is meant for this node, unless something speaks against it."""
        self._obey(said)
        if said.channel is None:
            return
        try:
            check_channel(said.channel, self._clock.now())
        except Untrusted:
            self._remember(stale_since=self._journal.stale_since or said.channel.expires_at)
            raise
        wanted = self._meant(said.channel)
        if wanted.release is not None:
            serves = wanted.release.release_id == self._shelf.named(CURRENT)
            if not (serves and _whole(self._shelf, wanted.release.release_id)):
                self._move(said, wanted.release)
        self._remember(rollout=said.channel.rollout)
        self._challenge(said, wanted.challenger)

    def _meant(self, channel: Channel) -> Meant:
        identity = self._machine.identity
        return meant(channel, identity.device, identity.sites, self._have())

    def _obey(self, said: Said) -> None:
        """Stop what people have taken back, though nothing else be at hand."""
        for slot in (CHALLENGER, PREVIOUS, CURRENT):
            release_id = self._shelf.named(slot)
            if release_id is None:
                continue
            offered = said.trust.release(release_id)
            try:
                check_release(release_id, _number(offered, slot), said.policy)
            except Untrusted as error:
                self._note(error)
                behind = self._shelf.named(PREVIOUS) if slot == CURRENT else None
                if slot == CURRENT:
                    self._remember(trial=None, probed=None, since=self._clock.now())
                self._shelf.let(slot, behind)

    def _move(self, said: Said, named: Named) -> None:
        """Let another release answer: back to one that has proved itself, or on to a new one, on trial."""
        if named.release_id == self._shelf.named(PREVIOUS) and here(self._shelf, named.release_id, named.manifest):
            self._let(named.release_id, trial=None)
            return
        offered = said.trust.release(named.release_id)
        if offered is None:
            raise ReleaseUnsigned(f"no person has signed {named.release_id}")
        release = self._bring(said, named, offered)
        try:
            probed = self._machine.probe(release.folder)
        except ProbeFailed as error:
            self._failed(named.release_id, "golden-failure", str(error))
            raise
        self._remember(have=probed.have, probed={**probed.facts, "release": named.release_id})
        forget(self._shelf.root, named.release_id)
        rollout = said.channel.rollout if said.channel else ""
        self._let(named.release_id, trial=Trial(named.release_id, rollout, self._clock.now()))

    def _challenge(self, said: Said, named: Named | None) -> None:
        """Let another release answer beside the first, unseen; candidates, too, may."""
        if named is None or named.release_id == self._shelf.named(CURRENT):
            if self._shelf.named(CHALLENGER) is not None:
                self._shelf.let(CHALLENGER, None)
            return
        if named.release_id == self._shelf.named(CHALLENGER) and here(self._shelf, named.release_id, named.manifest):
            return
        offered = said.trust.release(named.release_id) or said.trust.candidate(named.release_id)
        if offered is None:
            raise ReleaseUnsigned(f"nobody has signed {named.release_id}")
        release = self._bring(said, named, offered)
        try:
            self._machine.probe(release.folder)
        except ProbeFailed as error:
            self._failed(named.release_id, "golden-failure", str(error))
            raise
        self._shelf.let(CHALLENGER, named.release_id)

    def _bring(self, said: Said, named: Named, offered: Offered) -> Release:
        """Admit a release and fetch it."""
        have, manifest = self._have(), offered.manifest
        there = here(self._shelf, named.release_id, offered.digest)
        missing = 0 if there else missing_bytes(self._shelf, manifest, have)
        now = self._clock.now()
        admit(named, manifest, offered.digest, offered.number, said.policy, self._node(), now, missing)
        if missing and not self._machine.may_fetch():
            raise NotNow(f"{named.release_id} is fetched at the hours that are set for it")
        return bring(self._shelf, self._line, offered, have)

    def _watch(self) -> None:
        """Finish what was cut off, and judge what answers."""
        journal, current, now = self._journal, self._shelf.named(CURRENT), self._clock.now()
        if current is None:
            return
        if journal.trial is not None and journal.trial.release_id != current:
            self._remember(trial=None)  # it was cut off before it answered, and is tried anew
        elif journal.trial is None and journal.stepped_back and journal.stepped_back.release_id == current:
            self._shelf.let(CURRENT, self._shelf.named(PREVIOUS))  # it was cut off while it went back
            return
        if not _whole(self._shelf, current):
            self._step_back(Verdict(reason="damaged", said="a file on the disk has changed"))
            return
        found = served(self._shelf.root, current)
        trial = self._journal.trial
        if trial is not None:
            verdict = judge_trial(trial.since, found, now)
            if verdict.commit:
                tries = {name: count for name, count in journal.tries.items() if name != current}
                self._remember(trial=None, tries=tries, crashed=found.crashed, crashes=())
        else:
            new = (now,) * max(0, found.crashed - journal.crashed)
            crashes = tuple(at for at in (*journal.crashes, *new) if now - at <= LOOP_WITHIN)
            if (crashes, found.crashed) != (journal.crashes, journal.crashed):
                self._remember(crashes=crashes, crashed=found.crashed)
            verdict = judge_settled(crashes, now)
        if verdict.reason:
            self._step_back(verdict)

    def _step_back(self, verdict: Verdict, *, tries: int | None = None) -> None:
        """Let the previous release answer again; written down first, so that it is finished after a power cut."""
        current, behind = self._shelf.named(CURRENT), self._shelf.named(PREVIOUS)
        if current is None or behind is None or behind == current:
            raise NothingBehind(f"{current} stays, though: {verdict.said}")
        self._failed(current, str(verdict.reason), verdict.said, tries=tries)
        self._shelf.let(CURRENT, behind)
        self._remember(since=self._clock.now(), probed=None, crashed=served(self._shelf.root, behind).crashed)

    def _failed(self, release_id: str, reason: str, said: str, *, tries: int | None = None) -> None:
        """Note that a release failed here, and rest before anything is tried again."""
        now = self._clock.now()
        log.error("a release failed here", extra={"release_id": release_id, "code": reason, "fault": said})
        self._remember(
            trial=None,
            tries={**self._journal.tries, release_id: tries or self._journal.tries.get(release_id, 0) + 1},
            rest_until=now + REST,
            stepped_back=StepBack(release_id, reason, said, now),
        )

    def _let(self, release_id: str, trial: Trial | None) -> None:
        """The one rename by which another release answers; what it takes to undo it stands before it."""
        current, back = self._shelf.named(CURRENT), self._journal.stepped_back
        proved = self._journal.trial is None or self._journal.trial.release_id != current
        again = None if back is None or back.release_id == release_id else back
        crashed = served(self._shelf.root, release_id).crashed
        self._remember(trial=trial, stepped_back=again, since=self._clock.now(), crashes=(), crashed=crashed)
        if trial is not None and current is not None and proved:
            self._shelf.let(PREVIOUS, current)
        self._shelf.let(CURRENT, release_id)
        log.info("another release answers", extra={"release_id": release_id})

    def _retain(self, said: Said) -> None:
        """Free what no slot names, but what is still arriving."""
        keep = {self._shelf.named(slot) for slot in SLOTS}
        if said.channel is not None:
            wanted = self._meant(said.channel)
            arriving = {one.release_id for one in (wanted.release, wanted.challenger) if one is not None}
            keep |= {name for name in arriving if self._journal.tries.get(name, 0) < MOST_TRIES}
        retain(self._shelf, {name for name in keep if name is not None})

    def _report(self) -> None:
        if self._send is None:
            return
        report = make_report(self._machine.identity, self._journal, self._shelf, self._clock.now())
        self._remember(sequence=report.sequence)
        try:
            self._send(sealed(report, self._machine.key))
        except PallorError as error:
            self._note(error)

    def _node(self) -> Node:
        journal, identity = self._journal, self._machine.identity
        free = shutil.disk_usage(self._shelf.root).free
        return Node(identity.world, self._have(), free, journal.policy_floor, journal.tries, journal.rest_until)


def _whole(shelf: Shelf, release_id: str) -> bool:
    try:
        Release.open(shelf.folder_of(release_id))
        return True
    except Untrusted:
        return False


def _number(offered: Offered | None, slot: str) -> int | None:
    """By which the floor counts: what was put here by hand is older than whatever people have signed since."""
    if offered is not None:
        return offered.number
    return None if slot == CHALLENGER else 1
