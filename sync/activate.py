"""What answers on this machine: let another release answer, judge it, go back, and stop what was taken back.

Every step stands in the journal before it is done, and the next start finishes what a power cut broke off.
"""

import logging

from pallor.errors import Untrusted
from pallor.release.policy import Policy
from pallor.release.serving import served
from pallor.release.shelf import CHALLENGER, CURRENT, PREVIOUS, Release, Shelf
from sync.admit import check_release
from sync.journal import StepBack, Trial
from sync.memory import Memory
from sync.trust import Trust
from sync.watch import LOOP_WITHIN, REST, Verdict, judge_settled, judge_trial

log = logging.getLogger(__name__)

_DAMAGED = "damaged"


class NothingBehind(Untrusted):
    """There is no earlier release to go back to."""


class ReleaseDamaged(Untrusted):
    """What answers is not what was brought: the disk fails, or somebody changed it."""


class Slots:
    """The slots of a shelf, with what is remembered of them."""

    def __init__(self, shelf: Shelf, memory: Memory) -> None:
        self.shelf, self._memory = shelf, memory

    @property
    def current(self) -> str | None:
        return self.shelf.named(CURRENT)

    def whole(self, release_id: str) -> bool:
        """True when a release is here, and every file of it is what it should be."""
        try:
            Release.open(self.shelf.folder_of(release_id))
            return True
        except Untrusted:
            return False

    def activate(self, release_id: str, trial: Trial | None) -> None:
        """Let a release answer, by one rename; on trial unless it has proved itself here before."""
        journal, current = self._memory.journal, self.current
        proved = journal.trial is None or journal.trial.release_id != current
        back = journal.stepped_back
        self._memory.change(
            trial=trial,
            stepped_back=None if back is None or back.release_id == release_id else back,
            since=self._memory.clock.now(),
            crashes=(),
            crashed=served(self.shelf.root, release_id).crashed,
        )
        if trial is not None and current is not None and proved and self.whole(current):
            self.shelf.let(PREVIOUS, current)
        self.shelf.let(CURRENT, release_id)
        log.info("another release answers", extra={"release_id": release_id})

    def watch(self) -> None:
        """Finish what was cut off, and judge what answers; raises ``NothingBehind``."""
        journal, current = self._memory.journal, self.current
        if current is None:
            return
        if journal.trial is not None and journal.trial.release_id != current:
            self._memory.change(trial=None)  # it was cut off before it answered, and is tried anew
        elif journal.trial is None and journal.stepped_back and journal.stepped_back.release_id == current:
            self.shelf.let(CURRENT, self.shelf.named(PREVIOUS))  # it was cut off while it went back
            return
        if not self.whole(current):  # the disk's doing and not the release's, which is brought anew at the next look
            self._memory.note(ReleaseDamaged(f"a file of {current} has changed on the disk"))
            self.step_back(Verdict(reason=_DAMAGED, said="a file has changed on the disk"))
        elif (verdict := self._verdict(current)).reason:
            self.step_back(verdict)

    def step_back(self, verdict: Verdict, *, tries: int | None = None) -> None:
        """Let the previous release answer again.

        Args:
            tries: count so many failures of the one that is taken off; one more, unless said.

        Raises:
            NothingBehind
        """
        current, behind = self.current, self.shelf.named(PREVIOUS)
        if current is None or behind is None or behind == current or not self.whole(behind):
            raise NothingBehind(f"{current} stays: no whole release lies behind it (why it was to go: {verdict.said})")
        self.failed(current, str(verdict.reason), verdict.said, tries=tries)
        self.shelf.let(CURRENT, behind)
        now = self._memory.clock.now()
        self._memory.change(since=now, probed=None, crashes=(), crashed=served(self.shelf.root, behind).crashed)

    def failed(self, release_id: str, reason: str, said: str, *, tries: int | None = None) -> None:
        """Note that a release failed here, and rest before anything that failed is tried again."""
        now, before = self._memory.clock.now(), self._memory.journal.tries
        counted = {} if reason == _DAMAGED else {release_id: tries or before.get(release_id, 0) + 1}
        log.error("a release failed here", extra={"release_id": release_id, "code": reason, "fault": said})
        self._memory.change(
            trial=None if release_id == self.current else self._memory.journal.trial,
            tries={**before, **counted},
            rest_until=now + REST if counted else self._memory.journal.rest_until,
            stepped_back=StepBack(release_id, reason, said, now),
        )

    def obey(self, trust: Trust, policy: Policy) -> None:
        """Stop what people have taken back, though nothing else be at hand."""
        for slot in (CHALLENGER, PREVIOUS, CURRENT):
            if (release_id := self.shelf.named(slot)) is None:
                continue
            offered = trust.release(release_id)
            # What was put here by hand is older than whatever people have signed since; a candidate has no number.
            number = offered.number if offered is not None else None if slot == CHALLENGER else 1
            try:
                check_release(release_id, number, policy)
            except Untrusted as error:
                self._memory.note(error)
                if slot == CURRENT:
                    self._memory.change(trial=None, probed=None, since=self._memory.clock.now())
                self.shelf.let(slot, self.shelf.named(PREVIOUS) if slot == CURRENT else None)

    def _verdict(self, current: str) -> Verdict:
        journal, now = self._memory.journal, self._memory.clock.now()
        found = served(self.shelf.root, current)
        if journal.trial is not None:
            verdict = judge_trial(journal.trial.since, found, now)
            if verdict.commit:
                tries = {name: count for name, count in journal.tries.items() if name != current}
                self._memory.change(trial=None, tries=tries, crashed=found.crashed, crashes=())
            return verdict
        new = (now,) * max(0, found.crashed - journal.crashed)
        crashes = tuple(at for at in (*journal.crashes, *new) if now - at <= LOOP_WITHIN)
        self._memory.change(crashes=crashes, crashed=found.crashed)
        return judge_settled(crashes, now)
