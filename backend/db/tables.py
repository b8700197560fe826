"""Every table. Rows are facts with their time and author; what can be derived is derived when it is read."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps no time zone, so it is taken off on the way in and put back after."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id() -> Column[str]:
    return Column("id", String(36), primary_key=True)


def _case_id(**options: Any) -> Column[str]:
    return Column("case_id", String(36), ForeignKey("cases.id"), nullable=False, **options)


deployment = Table(  # one row, written once: the world of a deployment never changes
    "deployment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("world", String(16), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

cases = Table(
    "cases",
    metadata,
    _id(),
    Column("site", String(32), nullable=False),
    Column("subject_code", String(32), nullable=False),
    Column("facts", JSON, nullable=False),  # as amended; `amendments` holds what they were before
    Column("submitted_digest", String(71), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("received_by", String(64), nullable=False),
    Index(None, "received_at", "id"),
    Index(None, "site", "subject_code"),
)

photos = Table(
    "photos",
    metadata,
    _id(),
    _case_id(index=True),
    Column("uploaded_sha256", String(71), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("captured_at", Moment, nullable=False),
    Column("eye", String(8)),
    Column("state", String(16), nullable=False),  # uploading | waiting | refused | scored
    Column("declared_at", Moment, nullable=False),
    Column("declared_by", String(64), nullable=False),
    Column("received_at", Moment),  # when the last byte was durable
    Column("stored_sha256", String(71)),
    Column("quality", JSON),
    Column("refusal", String(64)),  # a reason code, while state is refused
    Column("perceptual_hash", String(16)),
    # The hash in four parts: two near hashes share at least one (pallor.image.fingerprint), so an index can find them.
    *(Column(f"band{i}", Integer) for i in range(4)),
    Column("sent_at", Moment),  # when predict_case was last sent
    *(Index(None, f"band{i}") for i in range(4)),
    Index(None, "stored_sha256"),
    Index(None, "state", "sent_at"),
)

upload_pieces = Table(  # bytes of photos that have not fully arrived; gone when they have
    "upload_pieces",
    metadata,
    Column("photo_id", String(36), ForeignKey("photos.id"), primary_key=True),
    Column("offset", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

same_photo_warnings = Table(  # the same photograph under two subjects; one row for each direction
    "same_photo_warnings",
    metadata,
    Column("photo_id", String(36), ForeignKey("photos.id"), primary_key=True),
    Column("other_photo_id", String(36), ForeignKey("photos.id"), primary_key=True),
    Column("bits_apart", Integer, nullable=False),
    Column("noticed_at", Moment, nullable=False),
)

predictions = Table(
    "predictions",
    metadata,
    Column("photo_id", String(36), ForeignKey("photos.id"), primary_key=True),
    Column("release_id", String(64), primary_key=True),
    Column("probability", Float, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("recorded_at", Moment, nullable=False),
)
# No photo gets two shown answers, whatever the code above the database believes.
Index(
    "uq_predictions_shown",
    predictions.c.photo_id,
    unique=True,
    sqlite_where=text("shown"),
    postgresql_where=text("shown"),
)

lab_results = Table(
    "lab_results",
    metadata,
    _id(),
    _case_id(index=True),
    Column("digest", String(71), nullable=False),
    Column("value", String(16), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("g_per_l", String(8), nullable=False),  # a decimal as text: neither dialect may round it
    Column("taken_at", Moment, nullable=False),
    Column("specimen", String(16), nullable=False),
    Column("loinc", String(16)),
    Column("method", String(64)),
    Column("supersedes", String(36), ForeignKey("lab_results.id"), unique=True),  # kept beside what it corrects
    Column("received_at", Moment, nullable=False),
    Column("received_by", String(64), nullable=False),
)

amendments = Table(
    "amendments",
    metadata,
    _id(),
    _case_id(index=True),
    Column("digest", String(71), nullable=False),
    Column("changes", JSON, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", String(64), nullable=False),
)

labels = Table(
    "labels",
    metadata,
    _id(),
    _case_id(index=True),
    Column("supersedes", String(36), ForeignKey("labels.id"), unique=True),
    Column("content_digest", String(71), nullable=False),
    Column("record", JSON, nullable=False),
    Column("eligible", Boolean, nullable=False),
    Column("derived_at", Moment, nullable=False),
    Column("written_at", Moment),  # when the record was durable in the object store (outbox)
    Index(None, "written_at"),
    Index(None, "derived_at", "id"),
)

changes = Table(  # the feed: what a phone or a laboratory should look at again
    "changes",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("entity_id", String(36), nullable=False),
    _case_id(),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,  # a number is never used twice, so a cursor never skips
)

audit = Table(  # append-only: each row holds a digest over itself and the row before it
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(64), nullable=False),
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

releases = Table(
    "releases",
    metadata,
    Column("release_id", String(64), primary_key=True),
    Column("digest", String(71), nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("registered_at", Moment, nullable=False),
)

workers = Table(  # the last word of each worker about itself
    "workers",
    metadata,
    Column("worker", String(128), primary_key=True),
    Column("release_id", String(64), nullable=False),
    Column("engine_flavour", String(64), nullable=False),
    Column("max_difference", Float),
    Column("fault", Text),
    Column("reported_at", Moment, nullable=False),
)
