"""The words of channels as they are kept: the newest of each is what is signed, and none is ever changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from backend.db.tables import channel_files
from backend.services.audit import write_audit
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.release.channel import Channel

CHALLENGE = "challenge"  # the kind of word that changes nothing but who answers beside the release, unseen


class ChannelUnknown(Refused):
    """Nothing was ever rolled out on this channel."""


def running(row: Row[Any]) -> bool:
    """True while a channel's newest word is of a rollout that does not reach everybody."""
    return bool(row.kind != "rollback" and row.percent < 100)


def find_newest(tx: Connection, channel: str) -> Row[Any] | None:
    """The newest word of a channel, None before the first."""
    query = select(channel_files).where(channel_files.c.channel == channel).order_by(channel_files.c.seq.desc())
    return tx.execute(query.limit(1)).first()


def newest_word(tx: Connection, channel: str) -> Row[Any]:
    """The newest word of a channel; raises ``ChannelUnknown``."""
    there = find_newest(tx, channel)
    if there is None:
        raise ChannelUnknown(
            "nothing was ever rolled out on this channel", field="channel", value=channel,
            remedy="Begin: pallor-backend rollout start RELEASE.",
        )  # fmt: skip
    return there


def newest_of_all(tx: Connection) -> list[Row[Any]]:
    """The newest word of each channel."""
    later = channel_files.alias()
    is_newest = ~select(later.c.seq).where(
        later.c.channel == channel_files.c.channel, later.c.seq > channel_files.c.seq
    ).correlate(channel_files).exists()  # fmt: skip
    return list(tx.execute(select(channel_files).where(is_newest).order_by(channel_files.c.channel)))


def began_at(tx: Connection, row: Row[Any]) -> datetime:
    """When the rollout of a word began."""
    query = select(channel_files.c.made_at).where(channel_files.c.rollout_id == row.rollout_id)
    found: datetime = tx.execute(query.order_by(channel_files.c.seq).limit(1)).scalar_one()
    return found


def say(tx: Connection, clock: Clock, said: Channel, percent: float, *, evidence: dict[str, Any], reason: str | None,
         by: str) -> int:  # fmt: skip
    """Put a word on record, and on the audit trail; its number. It is signed later (``sign_channels``)."""
    row = {
        "channel": said.name,
        "rollout_id": said.rollout,
        "kind": said.kind,
        "release_id": said.release.release_id,
        "previous_id": said.previous and said.previous.release_id,
        "percent": percent,
        "content": said.to_json(),
        "reason": reason,
        "evidence": evidence,
        "made_at": clock.now(),
        "made_by": by,
    }
    seq = tx.execute(channel_files.insert().values(row).returning(channel_files.c.seq)).scalar_one()
    told = {"release_id": said.release.release_id, "percent": percent, "rollout": said.rollout, "evidence": evidence}
    write_audit(tx, clock, by, f"rollout.{said.kind}", said.name, new=told, reason=reason)
    return int(seq)
