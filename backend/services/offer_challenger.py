"""A candidate that the trainer has signed answers beside the release in use, shown to nobody, until a human decides.

Nobody has to act for that: the trainer's key counts for this slot alone, and nodes look at the signature themselves.
What is asked of a candidate here is that it arrived with its evidence and that its gate let it pass.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from backend.db.engine import Database
from backend.db.tables import candidates, channel_files
from backend.services.channel_words import CHALLENGE, newest_of_all, running, say
from backend.services.register_release import register_release
from backend.services.taken_back import reasons_against
from pallor.clock import Clock
from pallor.release.channel import Channel, Named
from pallor.release.repository.contents import Candidate, signed_candidate
from pallor.release.repository.ledger import Repository, RepositoryMissing
from pallor.release.shelf import Release

_ACTOR = "sweeper"


def offer_challenger(database: Database, clock: Clock, repository: Repository) -> int:
    """Let the newest candidate into the challenger's slot of every channel that is settled; on how many it is new.

    Once offered it is not offered again: where people have taken it off, it stays off.

    Raises:
        ReleaseIdTaken, WorldMismatch, ManifestUnreadable, RepositoryDamaged, Unavailable
    """
    with suppress(RepositoryMissing):  # where nothing is signed, nothing is offered
        with database.read() as connection:
            newest = _newest_posted(connection)
            channels = [] if newest is None else [row.channel for row in _open_channels(connection, newest.release_id)]
        found = signed_candidate(repository, newest.release_id) if newest is not None and channels else None
        if newest is not None and found is not None and found.digest == newest.report["manifest_digest"]:
            made = Release(Path(), found.manifest, found.digest)
            register_release(
                database, clock, made, repository.world, by=_ACTOR
            )  # it has a record of its own from now on
            return sum(_offer(database, clock, channel, newest.release_id, found) for channel in channels)
    return 0


def _newest_posted(tx: Connection) -> Row[Any] | None:
    """The last candidate that came with its evidence and passed, unless people have taken it back."""
    query = select(candidates).order_by(candidates.c.posted_at.desc(), candidates.c.release_id)
    newest = next((row for row in tx.execute(query) if row.report["gate"]["passed"]), None)
    return None if newest is None or newest.release_id in reasons_against(tx) else newest


def _open_channels(tx: Connection, release_id: str) -> list[Row[Any]]:
    """Channels on which no rollout is under way and that never heard of it."""
    words = tx.execute(select(channel_files.c.channel, channel_files.c.content))
    heard = {row.channel for row in words if release_id in _named_in(Channel.from_json(row.content))}
    return [row for row in newest_of_all(tx) if not running(row) and row.channel not in heard]


def _offer(database: Database, clock: Clock, channel: str, release_id: str, found: Candidate) -> bool:
    with database.write() as tx:
        there = next((row for row in _open_channels(tx, release_id) if row.channel == channel), None)
        if there is None:  # somebody was quicker
            return False
        said = replace(
            Channel.from_json(there.content), kind=CHALLENGE, challenger=Named(release_id, found.digest),
            from_release=None, to_release=None, reason=None, note="", approved_by=_ACTOR,
        )  # fmt: skip
        evidence = {
            "challenger": release_id,
            "manifest": found.digest,
            "signed_by": list(found.signed_by),
            "snapshot": found.manifest.snapshot_digest,
        }
        say(tx, clock, said, there.percent, evidence=evidence, reason=None, by=_ACTOR)
        return True


def _named_in(channel: Channel) -> set[str]:
    named = (channel.release, channel.previous, channel.challenger)
    return {one.release_id for one in named if one is not None}
