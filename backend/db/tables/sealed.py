"""What phones sealed, and the keys that open it."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from backend.db.tables.ground import ACTOR, Moment, id_column, metadata

sealing_keys = Table(  # phones seal to the newest of a site; what was sealed to an older one is still opened
    "sealing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("site", String(32), ForeignKey("sites.code"), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    Column("private_pem", Text, nullable=False),  # encrypted when there is a passphrase (docs/adr/0016)
    Column("made_at", Moment, nullable=False),
    Column("made_by", ACTOR, nullable=False),
    Index(None, "site", "made_at"),
)

sealed = Table(  # what phones sealed, from its first byte on; the blob itself lies in pieces, until it is taken in
    "sealed",
    metadata,
    id_column(),
    Column("site", String(32), ForeignKey("sites.code"), nullable=False),
    Column("sealed_sha256", String(71), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # uploading | received | put-aside | discarded
    Column("declared_at", Moment, nullable=False),
    Column("declared_by", ACTOR, nullable=False),
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
