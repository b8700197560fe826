"""Who did what; what was erased, and what has to go with it."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table

from backend.db.tables.ground import ACTOR, Moment, id_column, metadata

audit = Table(  # append-only: each row holds a digest over itself and the row before it
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", ACTOR, nullable=False),
    Column("action", String(32), nullable=False),
    Column("entity_id", String(64), nullable=False),
    Column("case_id", String(36)),
    Column("values_digest", String(71), nullable=False),
    Column("previous", String(71), nullable=False),
    Column("digest", String(71), nullable=False),
)

audit_values = Table(  # what changed, apart, so that it can be erased while the chain stands
    "audit_values",
    metadata,
    Column("seq", Integer, ForeignKey("audit.seq"), primary_key=True, autoincrement=False),
    Column("salt", String(64), nullable=False),
    Column("content", JSON, nullable=False),
)

audit_head = Table(  # the newest row, noted apart: without it the last rows could vanish unseen
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("digest", String(71), nullable=False),
)

erasures = Table(  # that something was erased, for whom it was asked and what had learned from it; never what it was
    "erasures",
    metadata,
    id_column(),
    Column("site", String(32), nullable=False),
    Column("cause", String(16), nullable=False),  # withdrawn | request | mistake | retention
    Column("cases", Integer, nullable=False),
    Column("photos", Integer, nullable=False),
    Column("snapshots", JSON, nullable=False),  # digests, incomplete since
    Column("releases", JSON, nullable=False),  # release ids that learned from it
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", ACTOR, nullable=False),
    Column("done_at", Moment),  # when the last object and the last trace in the database's files had gone
)

tombstones = Table(  # an erased case does not come back when a phone sends it again
    "tombstones",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("site", String(32), nullable=False),
    Column("erasure_id", String(36), ForeignKey("erasures.id"), nullable=False, index=True),
)

object_deletions = Table(  # objects to take away once nothing refers to them (outbox)
    "object_deletions",
    metadata,
    Column("key", String(512), primary_key=True),
    Column("asked_at", Moment, nullable=False),
)

object_claims = Table(  # objects that somebody is about to store: until then nobody can say that one has gone
    "object_claims",
    metadata,
    id_column(),
    Column("key", String(512), nullable=False),
    Column("until", Moment, nullable=False),  # whoever claimed it has ended without a word
    Index(None, "key"),
)
