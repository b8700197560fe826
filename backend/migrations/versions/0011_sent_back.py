"""Lines of laboratories' reports that were sent back, and why a value was corrected."""

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("lab_results", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index("ix_lab_results_received_at", "lab_results", ["received_at"])
    op.create_table(
        "lab_sent_back",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("sender", sa.String(length=32), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("barcode", sa.String(length=32), nullable=True),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", Moment(timezone=True), nullable=False),
        sa.Column("last_at", Moment(timezone=True), nullable=False),
        sa.Column("looked_after_at", Moment(timezone=True), nullable=True),
        sa.Column("looked_after_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_sent_back")),
    )
    for columns in (["digest"], ["last_at", "id"], ["barcode"], ["case_id"]):
        op.create_index(f"ix_lab_sent_back_{'_'.join(columns)}", "lab_sent_back", columns)
    op.create_table(
        "lab_sent_back_sites",
        sa.Column("sent_back_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["sent_back_id"], ["lab_sent_back.id"], name=op.f("fk_lab_sent_back_sites_sent_back_id")
        ),
        sa.ForeignKeyConstraint(["site"], ["sites.code"], name=op.f("fk_lab_sent_back_sites_site")),
        sa.PrimaryKeyConstraint("sent_back_id", "site", name=op.f("pk_lab_sent_back_sites")),
    )
    op.create_index("ix_lab_sent_back_sites_site", "lab_sent_back_sites", ["site"])
