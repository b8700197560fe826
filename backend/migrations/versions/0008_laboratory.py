"""The laboratory: what is reported and cannot be matched yet, and what was taken back."""

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    first = sa.text("supersedes IS NULL")
    op.create_index(
        "uq_labels_first", "labels", ["case_id"], unique=True, sqlite_where=first, postgresql_where=first
    )  # fmt: skip
    op.add_column("snapshot_cases", sa.Column("label_id", sa.String(length=36), nullable=True))
    op.add_column("lab_results", sa.Column("resulted_at", Moment(timezone=True), nullable=True))
    op.add_column("lab_results", sa.Column("device", sa.String(length=64), nullable=True))
    performer = sa.Column("performer", sa.String(length=16), nullable=False, server_default="unknown")
    op.add_column("lab_results", performer)
    op.create_table(
        "lab_retractions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("result_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_lab_retractions_case_id")),
        sa.ForeignKeyConstraint(["result_id"], ["lab_results.id"], name=op.f("fk_lab_retractions_result_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_retractions")),
        sa.UniqueConstraint("result_id", name=op.f("uq_lab_retractions_result_id")),
    )
    op.create_index("ix_lab_retractions_case_id", "lab_retractions", ["case_id"])
    op.create_table(
        "lab_reports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("sender", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=71), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("resulted_at", Moment(timezone=True), nullable=True),
        sa.Column("g_per_l", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("rejection", sa.String(length=16), nullable=True),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("result_id", sa.String(length=36), nullable=True),
        sa.Column("named_case_id", sa.String(length=36), nullable=True),
        sa.Column("barcode", sa.String(length=32), nullable=True),
        sa.Column("subject_code", sa.String(length=32), nullable=True),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("received_at", Moment(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(length=64), nullable=False),
        sa.Column("settled_at", Moment(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_lab_reports_case_id")),
        sa.ForeignKeyConstraint(["result_id"], ["lab_results.id"], name=op.f("fk_lab_reports_result_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_reports")),
    )
    op.create_index("uq_lab_reports_key_digest", "lab_reports", ["key", "digest"], unique=True)
    for columns in (["state", "received_at"], ["named_case_id"], ["barcode"], ["case_id"], ["result_id"]):
        op.create_index(f"ix_lab_reports_{'_'.join(columns)}", "lab_reports", columns)
    op.create_table(
        "lab_report_sites",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["lab_reports.id"], name=op.f("fk_lab_report_sites_report_id")),
        sa.ForeignKeyConstraint(["site"], ["sites.code"], name=op.f("fk_lab_report_sites_site")),
        sa.PrimaryKeyConstraint("report_id", "site", name=op.f("pk_lab_report_sites")),
    )
    op.create_index("ix_lab_report_sites_site", "lab_report_sites", ["site"])
