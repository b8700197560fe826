"""Rollouts: every word of every channel, what nodes say of themselves, what became of each release on each."""

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "channel_files",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("previous_id", sa.String(length=64), nullable=True),
        sa.Column("percent", sa.Float(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("made_at", Moment(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("signed_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_channel_files")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_channel_files_channel_seq", "channel_files", ["channel", "seq"])
    op.create_table(
        "node_reports",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("received_at", Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_node_reports_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_node_reports")),
    )
    op.create_table(
        "node_releases",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=True),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("counts_at", Moment(timezone=True), nullable=True),
        sa.Column("failed_at", Moment(timezone=True), nullable=True),
        sa.Column("failed_there_at", Moment(timezone=True), nullable=True),
        sa.Column("failed_reason", sa.String(length=32), nullable=True),
        sa.Column("failed_said", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_node_releases_device_id")),
        sa.PrimaryKeyConstraint("device_id", "release_id", name=op.f("pk_node_releases")),
    )
    op.create_index("ix_node_releases_release_id", "node_releases", ["release_id"])
