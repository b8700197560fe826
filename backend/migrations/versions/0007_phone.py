"""The phone: what it seals, more facts of a case and of its photos, and what comes after the visit."""

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("sites", sa.Column("altitude_m", sa.Integer(), nullable=True))
    op.add_column("cases", sa.Column("specimen_barcode", sa.String(length=24), nullable=True))
    op.create_index("ix_cases_specimen_barcode", "cases", ["specimen_barcode"])
    _photos()
    _sealed()
    _after_the_visit()


def _photos() -> None:
    op.add_column("photos", sa.Column("role", sa.String(length=8), server_default="roi", nullable=False))
    op.add_column("photos", sa.Column("of", sa.String(length=36), nullable=True))
    op.add_column("photos", sa.Column("capture", sa.JSON(), nullable=True))


def _sealed() -> None:
    op.create_table(
        "sealing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("private_pem", sa.Text(), nullable=False),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["sites.code"], name=op.f("fk_sealing_keys_site")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_sealing_keys")),
    )
    op.create_index("ix_sealing_keys_site_made_at", "sealing_keys", ["site", "made_at"])
    op.create_table(
        "sealed",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("sealed_sha256", sa.String(length=71), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("declared_at", Moment(timezone=True), nullable=False),
        sa.Column("declared_by", sa.String(length=64), nullable=False),
        sa.Column("settled_at", Moment(timezone=True), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("subject_code", sa.String(length=32), nullable=True),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["sites.code"], name=op.f("fk_sealed_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sealed")),
    )
    op.create_index("ix_sealed_state_settled_at_id", "sealed", ["state", "settled_at", "id"])
    op.create_index("ix_sealed_case_id", "sealed", ["case_id"])
    op.create_index("ix_sealed_site_subject_code", "sealed", ["site", "subject_code"])
    op.create_table(
        "sealed_pieces",
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("offset", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["sealed.id"], name=op.f("fk_sealed_pieces_submission_id")),
        sa.PrimaryKeyConstraint("submission_id", "offset", name=op.f("pk_sealed_pieces")),
    )


def _after_the_visit() -> None:
    op.create_table(
        "follow_ups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("counts_from", Moment(timezone=True), nullable=False),
        sa.Column("note", sa.String(length=32), nullable=True),
        sa.Column("recorded_at", Moment(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_follow_ups_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
    )
    op.create_index("ix_follow_ups_case_id", "follow_ups", ["case_id"])
    op.create_table(
        "alerts",
        sa.Column("result_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.Column("acknowledged_at", Moment(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("escalated_at", Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_alerts_case_id")),
        sa.ForeignKeyConstraint(["result_id"], ["lab_results.id"], name=op.f("fk_alerts_result_id")),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_case_id", "alerts", ["case_id"])
    op.create_index("ix_alerts_acknowledged_at_since", "alerts", ["acknowledged_at", "since"])
