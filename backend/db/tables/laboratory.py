"""The laboratory's word, what was sent back to it, and the labels that come of it."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from backend.db.tables.ground import ACTOR, Moment, case_id_column, id_column, metadata

lab_results = Table(
    "lab_results",
    metadata,
    id_column(),
    case_id_column(index=True),
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
    Column("reason", Text),  # why it corrects another
    Column("received_at", Moment, nullable=False),
    Column("received_by", ACTOR, nullable=False),
    Index(None, "received_at"),
)

lab_retractions = Table(  # results that are not to count any more; each stays beside it
    "lab_retractions",
    metadata,
    id_column(),
    case_id_column(index=True),
    Column("result_id", String(36), ForeignKey("lab_results.id"), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),  # taken-back | entered-in-error | cancelled | specimen-rejected
    Column("reason", Text),
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
)

lab_reports = Table(  # lines of laboratories' reports: what became of each, and what it said until that is settled
    "lab_reports",
    metadata,
    id_column(),
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
    Column("received_by", ACTOR, nullable=False),
    Column("settled_at", Moment),
    Column("settled_by", ACTOR),
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

lab_sent_back = Table(  # lines that were refused, and why; what they said is kept nowhere
    "lab_sent_back",
    metadata,
    id_column(),
    Column("sender", String(32), nullable=False),
    Column("way", String(8), nullable=False),  # json | batch | fhir | hl7 | sheet
    Column("number", Integer),  # of the row, item, entry or OBX
    Column("code", String(64), nullable=False),
    Column("field", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("barcode", String(32), index=True),
    Column("case_id", String(36), index=True),  # no foreign key: as the sender named it
    Column("digest", String(71), nullable=False, index=True),  # of all above: the same again is counted
    Column("times", Integer, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("looked_after_at", Moment),
    Column("looked_after_by", ACTOR),
    Index(None, "last_at", "id"),
)

lab_sent_back_sites = Table(  # at which sites its sender was
    "lab_sent_back_sites",
    metadata,
    Column("sent_back_id", String(36), ForeignKey("lab_sent_back.id"), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), primary_key=True),
    Index(None, "site"),
)

labels = Table(
    "labels",
    metadata,
    id_column(),
    case_id_column(index=True),
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
