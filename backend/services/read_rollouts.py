"""What administrators look at: how far a rollout has come, its history, the fleet."""

from typing import Any

from sqlalchemy import Row, select

from backend.db.engine import Database
from backend.db.tables import channel_files
from backend.services.channel_words import began_at, newest_word, running
from backend.services.judge_rollouts import what_speaks_against
from backend.services.watch_fleet import KnownNode, Progress, known_nodes, progress_of
from pallor.clock import Clock
from pallor.release.channel import Channel


def show_rollout(database: Database, clock: Clock, channel: str) -> tuple[Row[Any], bool, Progress, str | None]:
    """The newest word of a channel, whether its rollout is under way, how far it has come, and what speaks against it.

    Raises:
        ChannelUnknown
    """
    with database.read() as connection:
        row, now = newest_word(connection, channel), clock.now()
        progress = progress_of(connection, Channel.from_json(row.content), began_at(connection, row), now)
        why = what_speaks_against(connection, row, now) if running(row) else None
    return row, running(row), progress, None if why is None else f"{why.rule}: {why.said}"


def list_words(database: Database, channel: str, limit: int, after: int) -> list[Row[Any]]:
    """Every word of a channel from the one after a number on, oldest first."""
    query = select(channel_files).where(channel_files.c.channel == channel, channel_files.c.seq > after)
    with database.read() as connection:
        return list(connection.execute(query.order_by(channel_files.c.seq).limit(limit)))


def list_fleet(database: Database, clock: Clock) -> list[tuple[KnownNode, str]]:
    """Every node that was let in, and whether it is heard of."""
    with database.read() as connection:
        return [(node, node.voice(clock.now())) for node in known_nodes(connection)]
