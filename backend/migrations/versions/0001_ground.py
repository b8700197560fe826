"""The ground: cases, photos, predictions, laboratory results, labels, audit."""

import sqlalchemy as sa
from alembic import op

import backend.db.tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("entity_id", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("values_digest", sa.String(length=71), nullable=False),
        sa.Column("previous", sa.String(length=71), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("subject_code", sa.String(length=32), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("submitted_digest", sa.String(length=71), nullable=False),
        sa.Column("received_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cases_received_at_id"), ["received_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cases_site_subject_code"), ["site", "subject_code"], unique=False)

    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("world", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment")),
    )
    op.create_table(
        "releases",
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("registered_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_releases")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("revoked_at", backend.db.tables.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("name", name=op.f("uq_tokens_name")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_tokens_secret_sha256")),
    )
    op.create_table(
        "workers",
        sa.Column("worker", sa.String(length=128), nullable=False),
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("engine_flavour", sa.String(length=64), nullable=False),
        sa.Column("max_difference", sa.Float(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("reported_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_workers")),
    )
    op.create_table(
        "amendments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_amendments_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendments")),
    )
    with op.batch_alter_table("amendments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_amendments_case_id"), ["case_id"], unique=False)

    op.create_table(
        "audit_values",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["audit.seq"], name=op.f("fk_audit_values_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_values")),
    )
    op.create_table(
        "changes",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_changes_case_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lab_results",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("value", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("g_per_l", sa.String(length=8), nullable=False),
        sa.Column("taken_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("specimen", sa.String(length=16), nullable=False),
        sa.Column("loinc", sa.String(length=16), nullable=True),
        sa.Column("method", sa.String(length=64), nullable=True),
        sa.Column("supersedes", sa.String(length=36), nullable=True),
        sa.Column("received_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_lab_results_case_id")),
        sa.ForeignKeyConstraint(["supersedes"], ["lab_results.id"], name=op.f("fk_lab_results_supersedes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_results")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_lab_results_supersedes")),
    )
    with op.batch_alter_table("lab_results", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lab_results_case_id"), ["case_id"], unique=False)

    op.create_table(
        "labels",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("supersedes", sa.String(length=36), nullable=True),
        sa.Column("content_digest", sa.String(length=71), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("eligible", sa.Boolean(), nullable=False),
        sa.Column("derived_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("written_at", backend.db.tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_labels_case_id")),
        sa.ForeignKeyConstraint(["supersedes"], ["labels.id"], name=op.f("fk_labels_supersedes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_labels_supersedes")),
    )
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_labels_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_labels_derived_at_id"), ["derived_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_labels_written_at"), ["written_at"], unique=False)

    op.create_table(
        "photos",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("uploaded_sha256", sa.String(length=71), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("captured_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("eye", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("declared_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.Column("declared_by", sa.String(length=64), nullable=False),
        sa.Column("received_at", backend.db.tables.Moment(timezone=True), nullable=True),
        sa.Column("stored_sha256", sa.String(length=71), nullable=True),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("refusal", sa.String(length=64), nullable=True),
        sa.Column("perceptual_hash", sa.String(length=16), nullable=True),
        sa.Column("band0", sa.Integer(), nullable=True),
        sa.Column("band1", sa.Integer(), nullable=True),
        sa.Column("band2", sa.Integer(), nullable=True),
        sa.Column("band3", sa.Integer(), nullable=True),
        sa.Column("sent_at", backend.db.tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_photos_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    with op.batch_alter_table("photos", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_photos_band0"), ["band0"], unique=False)
        batch_op.create_index(batch_op.f("ix_photos_band1"), ["band1"], unique=False)
        batch_op.create_index(batch_op.f("ix_photos_band2"), ["band2"], unique=False)
        batch_op.create_index(batch_op.f("ix_photos_band3"), ["band3"], unique=False)
        batch_op.create_index(batch_op.f("ix_photos_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_photos_state_sent_at"), ["state", "sent_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_photos_stored_sha256"), ["stored_sha256"], unique=False)

    op.create_table(
        "predictions",
        sa.Column("photo_id", sa.String(length=36), nullable=False),
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_predictions_photo_id")),
        sa.PrimaryKeyConstraint("photo_id", "release_id", name=op.f("pk_predictions")),
    )
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.create_index(
            "uq_predictions_shown",
            ["photo_id"],
            unique=True,
            sqlite_where=sa.text("shown"),
            postgresql_where=sa.text("shown"),
        )

    op.create_table(
        "same_photo_warnings",
        sa.Column("photo_id", sa.String(length=36), nullable=False),
        sa.Column("other_photo_id", sa.String(length=36), nullable=False),
        sa.Column("bits_apart", sa.Integer(), nullable=False),
        sa.Column("noticed_at", backend.db.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["other_photo_id"], ["photos.id"], name=op.f("fk_same_photo_warnings_other_photo_id")),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_same_photo_warnings_photo_id")),
        sa.PrimaryKeyConstraint("photo_id", "other_photo_id", name=op.f("pk_same_photo_warnings")),
    )
    op.create_table(
        "upload_pieces",
        sa.Column("photo_id", sa.String(length=36), nullable=False),
        sa.Column("offset", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_upload_pieces_photo_id")),
        sa.PrimaryKeyConstraint("photo_id", "offset", name=op.f("pk_upload_pieces")),
    )


def downgrade() -> None:
    op.drop_table("upload_pieces")
    op.drop_table("same_photo_warnings")
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.drop_index("uq_predictions_shown", sqlite_where=sa.text("shown"), postgresql_where=sa.text("shown"))

    op.drop_table("predictions")
    with op.batch_alter_table("photos", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_photos_stored_sha256"))
        batch_op.drop_index(batch_op.f("ix_photos_state_sent_at"))
        batch_op.drop_index(batch_op.f("ix_photos_case_id"))
        batch_op.drop_index(batch_op.f("ix_photos_band3"))
        batch_op.drop_index(batch_op.f("ix_photos_band2"))
        batch_op.drop_index(batch_op.f("ix_photos_band1"))
        batch_op.drop_index(batch_op.f("ix_photos_band0"))

    op.drop_table("photos")
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_labels_written_at"))
        batch_op.drop_index(batch_op.f("ix_labels_derived_at_id"))
        batch_op.drop_index(batch_op.f("ix_labels_case_id"))

    op.drop_table("labels")
    with op.batch_alter_table("lab_results", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_lab_results_case_id"))

    op.drop_table("lab_results")
    op.drop_table("changes")
    op.drop_table("audit_values")
    with op.batch_alter_table("amendments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_amendments_case_id"))

    op.drop_table("amendments")
    op.drop_table("workers")
    op.drop_table("tokens")
    op.drop_table("releases")
    op.drop_table("deployment")
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cases_site_subject_code"))
        batch_op.drop_index(batch_op.f("ix_cases_received_at_id"))

    op.drop_table("cases")
    op.drop_table("audit_head")
    op.drop_table("audit")
