"""A visit and all that is said of it: photos, answers, amendments, consents, follow-ups, alerts."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from backend.db.tables.ground import ACTOR, Moment, case_id_column, id_column, metadata

cases = Table(
    "cases",
    metadata,
    id_column(),
    Column("site", String(32), nullable=False),
    Column("subject_code", String(32), nullable=False),
    Column("facts", JSON, nullable=False),  # as amended; `amendments` holds what they were before
    Column("submitted_digest", String(71), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("received_by", ACTOR, nullable=False),
    Column("specimen_barcode", String(24), index=True),  # of the tube that was filled at the visit, as amended
    Index(None, "received_at", "id"),
    Index(None, "site", "subject_code"),
)

photos = Table(
    "photos",
    metadata,
    id_column(),
    case_id_column(index=True),
    Column("uploaded_sha256", String(71), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("captured_at", Moment, nullable=False),
    Column("eye", String(8)),
    Column("state", String(16), nullable=False),  # uploading | waiting | refused | scored; of a context photo: kept
    Column("declared_at", Moment, nullable=False),
    Column("declared_by", ACTOR, nullable=False),
    Column("received_at", Moment),  # when the last byte was durable
    Column("stored_sha256", String(71)),
    Column("quality", JSON),
    Column("refusal", String(64)),  # a reason code, while state is refused
    Column("perceptual_hash", String(16)),
    # The hash in four parts: two near hashes share at least one (pallor.image.fingerprint), so an index can find them.
    *(Column(f"band{i}", Integer) for i in range(4)),
    Column("sent_at", Moment),  # when predict_case was last sent
    Column("role", String(8), nullable=False, server_default="roi"),  # pallor.photo.PhotoRole
    Column("of", String(36)),  # of a context photo: the photo that it surrounds
    Column("capture", JSON),  # facts of the capture, as the phone tells them
    *(Index(None, f"band{i}") for i in range(4)),
    Index(None, "stored_sha256"),
    Index(None, "state", "sent_at"),
    Index(None, "state", "received_at"),
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
    # The answer's embedding once more, float32, little-endian: reading twenty thousand of them as JSON takes a second.
    Column("embedding", LargeBinary),
    Index(None, "recorded_at"),
    Index(None, "release_id", "shown"),
)

# No photo gets two shown answers, whatever the code above the database believes.
Index(
    "uq_predictions_shown",
    predictions.c.photo_id,
    unique=True,
    sqlite_where=text("shown"),
    postgresql_where=text("shown"),
)

amendments = Table(
    "amendments",
    metadata,
    id_column(),
    case_id_column(index=True),
    Column("digest", String(71), nullable=False),
    Column("changes", JSON, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
)

consents = Table(  # each statement as it was made; which one stands is decided when it is asked (pallor.consent)
    "consents",
    metadata,
    id_column(),
    case_id_column(index=True),
    Column("site", String(32), nullable=False),
    Column("subject_code", String(32), nullable=False),
    Column("purpose", String(16), nullable=False),  # care | training
    Column("given", Boolean, nullable=False),
    Column("at", Moment, nullable=False),  # by the phone's clock
    Column("counts_from", Moment, nullable=False),  # which may be wrong (pallor.consent.counts_from)
    Column("wording", String(64), nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("recorded_by", ACTOR, nullable=False),
    Index(None, "site", "subject_code"),
)

follow_ups = Table(  # each word as it was said; the newest stands
    "follow_ups",
    metadata,
    id_column(),
    case_id_column(index=True),
    Column("digest", String(71), nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Moment, nullable=False),  # by the phone's clock
    Column("counts_from", Moment, nullable=False),  # which may be ahead
    Column("note", String(32)),
    Column("recorded_at", Moment, nullable=False),
    Column("recorded_by", ACTOR, nullable=False),
)

alerts = Table(  # a critical value; it alarms while no other supersedes it
    "alerts",
    metadata,
    Column("result_id", String(36), ForeignKey("lab_results.id"), primary_key=True),
    case_id_column(index=True),
    Column("since", Moment, nullable=False),
    Column("acknowledged_at", Moment),  # by the phone's clock
    Column("acknowledged_by", ACTOR),
    Column("escalated_at", Moment),
    Index(None, "acknowledged_at", "since"),
)

changes = Table(  # the feed: what a phone or a laboratory should look at again
    "changes",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("entity_id", String(36), nullable=False),
    Column("case_id", String(36), nullable=False),  # no foreign key: that a case was erased is news, too
    Column("site", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "site", "seq"),
    sqlite_autoincrement=True,  # a number is never used twice, so a cursor never skips
)
