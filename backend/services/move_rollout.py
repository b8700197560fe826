"""A channel is moved: a rollout begins, reaches more nodes, is halted or taken back; every word is kept for ever.

The words are signed afterwards, by the sweeper, which alone has the keys (``sign_channels``).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from backend.db.engine import Database
from backend.services.channel_words import began_at, find_newest, newest_word, running, say
from backend.services.register_release import check_world, register_release
from backend.services.taken_back import reasons_against
from backend.services.watch_fleet import known_nodes, progress_of
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.ids import new_id
from pallor.release.channel import EVERYBODY, HALT, Channel, Cohort, Named, is_channel_name, share_for
from pallor.release.repository.contents import candidate_of, manifest_of, policy_of, releases_of
from pallor.release.repository.ledger import Repository
from pallor.release.shelf import Release

STEPS = (1.0, 10.0, 50.0, 100.0)
_UNSET = datetime(1970, 1, 1, tzinfo=UTC)  # the expiry is set when it is signed


class ChannelUnfit(Refused):
    """Not the name of a channel."""


class RolloutRunning(Refused):
    """One rollout at a time on a channel."""


class RolloutEnded(Refused):
    """There is no rollout that could be moved."""


class RolloutHalted(Refused):
    """A halted rollout goes on when somebody says why."""


class StepBackward(Refused):
    """A rollout reaches more nodes, or is taken back."""


class NobodyCounts(Refused):
    """No node has shown yet that the release answers rightly."""


class NothingToGoBackTo(Refused):
    """The first release of a channel has no other behind it."""


class ReleaseNotOffered(Refused):
    """The release was taken back, or lies below the floor."""


@dataclass(frozen=True)
class Plan:
    """What an administrator wants to roll out."""

    release_id: str
    percent: float = STEPS[0]
    cohort: Cohort = Cohort()
    challenger_id: str | None = None
    note: str = ""


def start_rollout(database: Database, clock: Clock, repository: Repository, channel: str, plan: Plan, *,
                  by: str) -> int:  # fmt: skip
    """Let a release that people have signed reach the first nodes; the number of the word.

    Raises:
        ChannelUnfit, RolloutRunning, StepBackward, ReleaseUnsigned, ReleaseNotOffered, WorldMismatch
    """
    if not is_channel_name(channel):
        raise ChannelUnfit(
            "not the name of a channel", field="channel", value=channel, remedy="Use lower-case letters, such as main."
        )
    _check_percent(plan.percent)
    named = _offered(database, clock, repository, plan.release_id, by=by)
    challenger = None if plan.challenger_id is None else _challenger(repository, plan.challenger_id)
    with database.write() as tx:
        there = find_newest(tx, channel)
        previous = None if there is None else _settled(there)
        rollout = new_id()
        share = share_for(plan.percent, rollout, _names(tx, plan.cohort))
        said = Channel(
            name=channel, rollout=rollout, kind="start", release=named, previous=previous, share=share,
            cohort=plan.cohort, expires_at=_UNSET, note=plan.note, approved_by=by, challenger=challenger,
        )  # fmt: skip
        return say(tx, clock, said, plan.percent, evidence={}, reason=plan.note or None, by=by)


def advance_rollout(database: Database, clock: Clock, channel: str, percent: float | None, note: str, *,
                    by: str) -> int:  # fmt: skip
    """Let a rollout reach more nodes; the next of ``STEPS``, unless said.

    Raises:
        ChannelUnknown, RolloutEnded, RolloutHalted, StepBackward, NobodyCounts, ReleaseNotOffered
    """
    with database.write() as tx:
        there = _running(tx, channel)
        before = Channel.from_json(there.content)
        _check_not_taken_back(tx, before.release)
        if there.kind == HALT and not note:
            raise RolloutHalted(
                f"it was halted: {there.reason}", field="note", value=None,
                remedy="Say in the note why it may go on, or take it back.",
            )  # fmt: skip
        wanted = percent if percent is not None else next((step for step in STEPS if step > there.percent), 100.0)
        _check_percent(wanted)
        if wanted < there.percent or (wanted == there.percent and there.kind != HALT):
            raise StepBackward(
                f"it reaches {there.percent:g} % already", field="percent", value=wanted,
                remedy="Name more than that, or take the rollout back.",
            )  # fmt: skip
        progress = progress_of(tx, before, began_at(tx, there), clock.now())
        if not progress.counts:
            raise NobodyCounts(
                "no node has answered its golden photos and then 5 cases, or a day long", field="percent", value=wanted,
                remedy="See what they say of themselves: pallor-backend rollout status.",
            )  # fmt: skip
        share = share_for(wanted, before.rollout, _names(tx, before.cohort))
        said = replace(before, kind="advance", share=max(share, before.share), note=note, approved_by=by)
        return say(tx, clock, said, wanted, evidence=progress.to_json(), reason=note or None, by=by)


def halt_rollout(database: Database, clock: Clock, channel: str, reason: str, *, by: str) -> int:
    """Let no more nodes take it; those that have it keep it. Raises ``ChannelUnknown`` or ``RolloutEnded``."""
    with database.write() as tx:
        there = _running(tx, channel)
        before = Channel.from_json(there.content)
        progress = progress_of(tx, before, began_at(tx, there), clock.now())
        said = replace(before, kind=HALT, reason=reason, approved_by=by)
        return say(tx, clock, said, there.percent, evidence=progress.to_json(), reason=reason, by=by)


def roll_back(database: Database, clock: Clock, channel: str, reason: str, *, by: str,
              evidence: dict[str, Any] | None = None) -> int:  # fmt: skip
    """Let every node of the channel run the previous release again.

    Args:
        evidence: by which a rule has decided it.

    Raises:
        ChannelUnknown, NothingToGoBackTo, ReleaseNotOffered
    """
    with database.write() as tx:
        there = newest_word(tx, channel)
        before = Channel.from_json(there.content)
        if before.previous in (None, before.release):
            raise NothingToGoBackTo(
                "there is no release behind it", field="channel", value=channel,
                remedy="Roll out another release, or have this one taken back: pallor-release yank.",
            )  # fmt: skip
        _check_not_taken_back(tx, before.previous)
        progress = progress_of(tx, before, began_at(tx, there), clock.now())
        said = replace(
            before, kind="rollback", release=before.previous, share=EVERYBODY, cohort=Cohort(), challenger=None,
            from_release=before.release.release_id, to_release=before.previous.release_id, reason=reason,
            approved_by=by,
        )  # fmt: skip
        known = progress.to_json() | (evidence or {})
        return say(tx, clock, said, 100.0, evidence=known, reason=reason, by=by)


def _offered(database: Database, clock: Clock, repository: Repository, release_id: str, *, by: str) -> Named:
    """A release as it is signed, known here from now on."""
    manifest, digest = manifest_of(repository, release_id)
    _check_policy(repository, release_id)
    check_world(repository.world, manifest.world, release_id)
    register_release(database, clock, Release(Path(), manifest, digest), repository.world, by=by)
    return Named(release_id, digest)


def _challenger(repository: Repository, release_id: str) -> Named:
    digest = candidate_of(repository, release_id)
    _check_policy(repository, release_id)
    return Named(release_id, digest)


def _check_policy(repository: Repository, release_id: str) -> None:
    """Raise ``ReleaseNotOffered`` for what people have taken back, or what lies below the floor."""
    policy, release = policy_of(repository), releases_of(repository).get(release_id)
    if (why := policy.reason_against(release_id)) is not None:
        raise _not_offered(release_id, f"it was taken back: {why}")
    if release is not None and (number := int(release.custom["number"])) < policy.floor:
        raise _not_offered(release_id, f"it is number {number}, and the floor is {policy.floor}")


def _check_not_taken_back(tx: Connection, named: Named) -> None:
    """Raise ``ReleaseNotOffered`` for what was taken back after its rollout had begun."""
    if (why := reasons_against(tx).get(named.release_id)) is not None:
        raise _not_offered(named.release_id, f"it was taken back: {why}")


def _not_offered(release_id: str, why: str) -> ReleaseNotOffered:
    return ReleaseNotOffered(why, field="release_id", value=release_id, remedy="Roll out another release.")


def _names(tx: Connection, cohort: Cohort) -> list[str]:
    """The known nodes of a cohort: a share of all nodes could leave out every one of them."""
    return [node.name for node in known_nodes(tx) if node.belongs_to(cohort)]


def _settled(there: Row[Any]) -> Named:
    """What the nodes of a channel run before a new rollout begins; raises ``RolloutRunning``."""
    if running(there):
        raise RolloutRunning(
            f"{there.release_id} reaches {there.percent:g} % of this channel", field="channel", value=there.channel,
            remedy="Advance it to 100 % or take it back first.",
        )  # fmt: skip
    return Channel.from_json(there.content).release


def _running(tx: Connection, channel: str) -> Row[Any]:
    there = newest_word(tx, channel)
    if not running(there):
        raise RolloutEnded(
            "no rollout is under way on this channel", field="channel", value=channel,
            remedy="See: pallor-backend rollout history.",
        )  # fmt: skip
    return there


def _check_percent(percent: float) -> None:
    if not 0 < percent <= 100:
        raise StepBackward(
            "a share is more than 0 and at most 100 %", field="percent", value=percent, remedy="Take 1, 10, 50 or 100."
        )
