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


_ACTOR = String(64)  # backend.access.actor: a person, the device, or both


def _id() -> Column[str]:
    return Column("id", String(36), primary_key=True)


def _case_id(**options: Any) -> Column[str]:
    return Column("case_id", String(36), ForeignKey("cases.id"), nullable=False, **options)


deployment = Table(  # one row, written once: the world of a deployment never changes
    "deployment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("world", String(16), nullable=False),
    Column("pseudonym_key", String(64), nullable=False),  # without it nobody tells from a pseudonym whose code it was
)

sites = Table(
    "sites",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("practice", Boolean, nullable=False),  # its cases never count; fixed when the site is made
    Column("retention_days", Integer),  # cases older than this are erased; none: kept
    Column("altitude_m", Integer),  # of whoever says that they live there; none: nobody has said
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
)

people = Table(
    "people",
    metadata,
    _id(),
    Column("name", String(32), nullable=False, unique=True),  # what they sign in with; no name of a person
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # active | disabled
    Column("ended_at", Moment),  # when it was disabled
    Column("password_hash", String(256)),
    Column("one_time_until", Moment),  # the password was given by another and must be changed; until then it works
    Column("totp_secret", String(64)),
    Column("totp_since", Moment),  # when the second factor was confirmed
    Column("totp_next", String(64)),  # made, and not confirmed yet
    Column("totp_step", Integer),  # the newest time step that was used: no code works twice
    Column("oidc_subject", String(255), unique=True),
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
)

person_sites = Table(
    "person_sites",
    metadata,
    Column("person_id", String(36), ForeignKey("people.id"), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), primary_key=True),
)

devices = Table(
    "devices",
    metadata,
    _id(),
    Column("name", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # active | retired | stolen
    Column("ended_at", Moment),  # when it was retired or stolen
    Column("public_key", Text),  # of a node, which made it itself
    Column("fingerprint", String(71)),
    Column("confirmed_at", Moment),  # when an administrator had compared the fingerprint
    Column("unsent_cases", Integer),  # as the device last told, and when
    Column("unsent_at", Moment),
    Column("wiped_at", Moment),
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
)

device_sites = Table(
    "device_sites",
    metadata,
    Column("device_id", String(36), ForeignKey("devices.id"), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), primary_key=True),
)

device_people = Table(  # who has signed in on a shared phone: in whose name it may deliver what it sealed
    "device_people",
    metadata,
    Column("device_id", String(36), ForeignKey("devices.id"), primary_key=True),
    Column("person_id", String(36), ForeignKey("people.id"), primary_key=True),
    Column("since", Moment, nullable=False),
)

tokens = Table(  # what lets somebody in: a person in a browser, a device, or a person on a device
    "tokens",
    metadata,
    _id(),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("csrf_sha256", String(64)),  # of a browser's cookie alone: the half that the cookie does not carry
    Column("person_id", String(36), ForeignKey("people.id"), index=True),
    Column("device_id", String(36), ForeignKey("devices.id"), index=True),
    Column("vouched_for", Boolean, nullable=False),  # by an identity provider: no password or code was given here
    Column("predecessor_id", String(36)),  # the token that ends when this one is first used
    Column("made_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

enrolment_codes = Table(
    "enrolment_codes",
    metadata,
    _id(),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("device_name", String(32), nullable=False),
    Column("sites", JSON, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

oidc_sign_ins = Table(  # begun at an identity provider and not yet ended
    "oidc_sign_ins",
    metadata,
    Column("state_sha256", String(64), primary_key=True),
    Column("nonce", String(64), nullable=False),
    Column("code_verifier", String(128), nullable=False),
    Column("begun_at", Moment, nullable=False),
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
    Column("received_by", _ACTOR, nullable=False),
    Column("specimen_barcode", String(24), index=True),  # of the tube that was filled at the visit, as amended
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
    Column("state", String(16), nullable=False),  # uploading | waiting | refused | scored; of a context photo: kept
    Column("declared_at", Moment, nullable=False),
    Column("declared_by", _ACTOR, nullable=False),
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

sealing_keys = Table(  # phones seal to the newest of a site; what was sealed to an older one is still opened
    "sealing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    Column("private_pem", Text, nullable=False),  # encrypted when there is a passphrase (docs/adr/0016)
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
    Index(None, "site", "made_at"),
)

sealed = Table(  # what phones sealed, from its first byte on; the blob itself lies in pieces, until it is taken in
    "sealed",
    metadata,
    _id(),
    Column("site", String(32), ForeignKey("sites.code"), nullable=False),
    Column("sealed_sha256", String(71), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # uploading | received | put-aside | discarded
    Column("declared_at", Moment, nullable=False),
    Column("declared_by", _ACTOR, nullable=False),
    Column("settled_at", Moment),  # when it left the state before
    # What it is about, as far as it could be opened; no foreign key, for its case may be what was refused.
    Column("kind", String(16)),
    Column("case_id", String(36)),
    Column("subject_code", String(32)),
    Column("receipt", JSON),
    Column("problem", JSON),  # why it was refused, as it was told
    Index(None, "state", "settled_at", "id"),
    Index(None, "case_id"),
    Index(None, "site", "subject_code"),
)

sealed_pieces = Table(
    "sealed_pieces",
    metadata,
    Column("submission_id", String(36), ForeignKey("sealed.id"), primary_key=True),
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
    Column("resulted_at", Moment),  # when the value was known at the laboratory
    Column("device", String(64)),  # the analyser
    Column("performer", String(16), nullable=False, server_default="unknown"),  # pallor.lab.Performer
    Column("received_at", Moment, nullable=False),
    Column("received_by", _ACTOR, nullable=False),
)

lab_retractions = Table(  # results that are not to count any more; each stays beside it
    "lab_retractions",
    metadata,
    _id(),
    _case_id(index=True),
    Column("result_id", String(36), ForeignKey("lab_results.id"), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),  # taken-back | entered-in-error | cancelled | specimen-rejected
    Column("reason", Text),
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
)

lab_reports = Table(  # lines of laboratories' reports: what became of each, and what it said until that is settled
    "lab_reports",
    metadata,
    _id(),
    Column("sender", String(32), nullable=False),  # the device or person, in whose numbers a business id is
    Column("key", String(71), nullable=False),  # of sender and business id: words about the same measurement
    Column("digest", String(71), nullable=False),
    Column("status", String(20), nullable=False),  # pallor.reported.ReportStatus
    Column("resulted_at", Moment),
    Column("g_per_l", String(8)),
    # recorded | noted | waiting | worklist | overtaken | superseded | retracted | dismissed
    Column("state", String(16), nullable=False),
    Column("reason", String(40)),  # why it waits, or is on the worklist
    Column("rejection", String(16)),  # of a specimen: blood has to be taken again
    Column("case_id", String(36), ForeignKey("cases.id"), index=True),
    Column("result_id", String(36), ForeignKey("lab_results.id"), index=True),
    Column("named_case_id", String(36)),  # what it names, which may not have arrived yet
    Column("barcode", String(32)),
    Column("subject_code", String(32)),
    Column("content", JSON(none_as_null=True)),  # until it is settled
    Column("received_at", Moment, nullable=False),
    Column("received_by", _ACTOR, nullable=False),
    Column("settled_at", Moment),
    Column("settled_by", _ACTOR),
    Index("uq_lab_reports_key_digest", "key", "digest", unique=True),  # the same said again is nothing new
    Index(None, "state", "received_at"),
    Index(None, "named_case_id"),
    Index(None, "barcode"),
)

lab_report_sites = Table(  # at which sites its sender was, and so whose worklist it is on
    "lab_report_sites",
    metadata,
    Column("report_id", String(36), ForeignKey("lab_reports.id"), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), primary_key=True),
    Index(None, "site"),
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
    Column("made_by", _ACTOR, nullable=False),
)

consents = Table(  # each statement as it was made; which one stands is decided when it is asked (pallor.consent)
    "consents",
    metadata,
    _id(),
    _case_id(index=True),
    Column("site", String(32), nullable=False),
    Column("subject_code", String(32), nullable=False),
    Column("purpose", String(16), nullable=False),  # care | training
    Column("given", Boolean, nullable=False),
    Column("at", Moment, nullable=False),  # by the phone's clock
    Column("counts_from", Moment, nullable=False),  # which may be wrong (pallor.consent.counts_from)
    Column("wording", String(64), nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("recorded_by", _ACTOR, nullable=False),
    Index(None, "site", "subject_code"),
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
# A case has one first label, and each label one that supersedes it: so there is one newest, whatever the code believes.
Index(
    "uq_labels_first",
    labels.c.case_id,
    unique=True,
    sqlite_where=text("supersedes IS NULL"),
    postgresql_where=text("supersedes IS NULL"),
)

follow_ups = Table(  # each word as it was said; the newest stands
    "follow_ups",
    metadata,
    _id(),
    _case_id(index=True),
    Column("digest", String(71), nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Moment, nullable=False),  # by the phone's clock
    Column("counts_from", Moment, nullable=False),  # which may be ahead
    Column("note", String(32)),
    Column("recorded_at", Moment, nullable=False),
    Column("recorded_by", _ACTOR, nullable=False),
)

alerts = Table(  # a critical value; it alarms while no other supersedes it
    "alerts",
    metadata,
    Column("result_id", String(36), ForeignKey("lab_results.id"), primary_key=True),
    _case_id(index=True),
    Column("since", Moment, nullable=False),
    Column("acknowledged_at", Moment),  # by the phone's clock
    Column("acknowledged_by", _ACTOR),
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

audit = Table(  # append-only: each row holds a digest over itself and the row before it
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", _ACTOR, nullable=False),
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
    Column("made_by", _ACTOR, nullable=False),
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

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", String(71), primary_key=True),
    Column("photos", Integer, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", _ACTOR, nullable=False),
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
    Column("received_by", _ACTOR, nullable=False),
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
    Column("posted_by", _ACTOR, nullable=False),
    Index(None, "posted_at", "release_id"),
    Index(None, "snapshot_digest"),
)

drift_alarms = Table(  # that what a release sees, says or gets right has moved somewhere
    "drift_alarms",
    metadata,
    _id(),
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
    Column("acknowledged_by", _ACTOR),
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

erasures = Table(  # that something was erased, for whom it was asked and what had learned from it; never what it was
    "erasures",
    metadata,
    _id(),
    Column("site", String(32), nullable=False),
    Column("cause", String(16), nullable=False),  # withdrawn | request | mistake | retention
    Column("cases", Integer, nullable=False),
    Column("photos", Integer, nullable=False),
    Column("snapshots", JSON, nullable=False),  # digests, incomplete since
    Column("releases", JSON, nullable=False),  # release ids that learned from it
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", _ACTOR, nullable=False),
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
    _id(),
    Column("key", String(512), nullable=False),
    Column("until", Moment, nullable=False),  # whoever claimed it has ended without a word
    Index(None, "key"),
)
