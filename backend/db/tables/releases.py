"""Releases, which of them are meant for whom, and what nodes and workers say of them."""

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from backend.db.tables.ground import ACTOR, Moment, metadata

releases = Table(
    "releases",
    metadata,
    Column("release_id", String(64), primary_key=True),
    Column("digest", String(71), nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("registered_at", Moment, nullable=False),
)

taken_back = Table(  # releases that people have taken back for good; what they answered is shown no more
    "taken_back",
    metadata,
    Column("release_id", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("heard_at", Moment, nullable=False),
)

cleared = Table(  # when each release might advise, as it was heard: by that the record knows who was sent for blood
    "cleared",
    metadata,
    Column("release_id", String(64), primary_key=True),
    Column("since", Moment, primary_key=True),
    Column("until", Moment),  # when it counted no more
    Column("clearance", JSON, nullable=False),
)

workers = Table(  # the last word of each worker about itself
    "workers",
    metadata,
    Column("worker", String(128), primary_key=True),
    Column("slot", String(16), nullable=False),  # current | challenger
    Column("release_id", String(64), nullable=False),
    Column("engine_flavour", String(64), nullable=False),
    Column("precision", String(16)),
    Column("fallback", Text),  # why another engine serves than the one meant
    Column("processes", Integer, nullable=False),
    Column("max_difference", Float),
    Column("fault", Text),
    Column("reported_at", Moment, nullable=False),
)

channel_files = Table(  # every word of every channel, for ever; the newest is what is signed
    "channel_files",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("channel", String(32), nullable=False),
    Column("rollout_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),  # start | advance | halt | rollback
    Column("release_id", String(64), nullable=False),
    Column("previous_id", String(64)),
    Column("percent", Float, nullable=False),
    Column("content", JSON, nullable=False),  # what is signed, but for its expiry
    Column("reason", Text),
    Column("evidence", JSON, nullable=False),  # what was known when it was decided
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
    Column("signed_at", Moment),  # when it last was (outbox)
    Index(None, "channel", "seq"),
    sqlite_autoincrement=True,
)

node_reports = Table(  # the newest word of each node, signed by itself
    "node_reports",
    metadata,
    Column("device_id", String(36), ForeignKey("devices.id"), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("report", JSON, nullable=False),
    Column("received_at", Moment, nullable=False),
)

node_releases = Table(  # what became of each release on each node
    "node_releases",
    metadata,
    Column("device_id", String(36), ForeignKey("devices.id"), primary_key=True),
    Column("release_id", String(64), primary_key=True),
    Column("since", Moment),  # when the node let it answer
    Column("cases", Integer, nullable=False),
    Column("counts_at", Moment),  # when it had answered its golden photos, and then long enough
    Column("failed_at", Moment),  # when that was heard here; by the node's own clock it was ...
    Column("failed_there_at", Moment),
    Column("failed_reason", String(32)),
    Column("failed_said", Text),
    Index(None, "release_id"),
)
