"""What the trainer was given and what it found; what has moved since."""

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from backend.db.tables.ground import ACTOR, Moment, id_column, metadata

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", String(71), primary_key=True),
    Column("photos", Integer, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
    Column("incomplete_since", Moment),  # when the first of its cases was erased, and its object with them
    Index(None, "made_at", "digest"),
)

snapshot_cases = Table(  # which cases a snapshot holds; no foreign key, for a case may be erased
    "snapshot_cases",
    metadata,
    Column("snapshot_digest", String(71), ForeignKey("snapshots.digest"), primary_key=True),
    Column("case_id", String(36), primary_key=True),
    Column("label_id", String(36)),  # what was learned of it; not known of the first snapshots
)

same_photo_reports = Table(  # what the trainer found about a snapshot: the newest word stands
    "same_photo_reports",
    metadata,
    Column("snapshot_digest", String(71), ForeignKey("snapshots.digest"), primary_key=True),
    Column("content_digest", String(71), nullable=False),
    Column("method", String(64), nullable=False),
    Column("groups", Integer, nullable=False),
    Column("photos", Integer, nullable=False),  # of this server, among those that the report names ...
    Column("unknown_photos", Integer, nullable=False),  # ... and of nobody here
    Column("received_at", Moment, nullable=False),
    Column("received_by", ACTOR, nullable=False),
)

same_photo_members = Table(  # groups that hold photos of more than one subject; others say nothing
    "same_photo_members",
    metadata,
    Column("snapshot_digest", String(71), ForeignKey("same_photo_reports.snapshot_digest"), primary_key=True),
    Column("photo_id", String(36), ForeignKey("photos.id"), primary_key=True),
    Column("number", Integer, nullable=False),  # of the group, within its report
    Index(None, "photo_id"),
    Index(None, "snapshot_digest", "number"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("release_id", String(64), primary_key=True),
    Column("digest", String(71), nullable=False),
    Column("report", JSON, nullable=False),
    Column("snapshot_digest", String(71), nullable=False),  # no foreign key: it may have been imported
    Column("posted_at", Moment, nullable=False),
    Column("posted_by", ACTOR, nullable=False),
    Index(None, "posted_at", "release_id"),
    Index(None, "snapshot_digest"),
)

drift_alarms = Table(  # that what a release sees, says or gets right has moved somewhere
    "drift_alarms",
    metadata,
    id_column(),
    Column("release_id", String(64), nullable=False),
    Column("what", String(16), nullable=False),  # backend.record.drift.cases.What
    Column("place_kind", String(16), nullable=False),  # ... Where
    Column("place", String(64), nullable=False),  # a site, a phone's model; empty everywhere
    Column("since", Moment, nullable=False),  # when the first photo was taken that belongs to what is new
    Column("until", Moment, nullable=False),  # and the newest that was looked at
    Column("cases", Integer, nullable=False),
    Column("cases_before", Integer, nullable=False),
    Column("value_before", Float, nullable=False),
    Column("value_since", Float, nullable=False),
    Column("said", Text, nullable=False),
    Column("raised_at", Moment, nullable=False),
    # It is open until somebody has seen it, or a snapshot holds cases of what is new.
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", ACTOR),
    Column("note", Text),
    Column("learned_at", Moment),
    Column("learned_in", String(71)),
    Index(None, "release_id", "raised_at"),
    Index(None, "raised_at", "id"),
)

drift_watch = Table(  # one row: how far the last look for drift reached, so that the next looks at what is new
    "drift_watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("answers_until", Moment),
    Column("labels_until", Moment),
)
