"""Alarms that something has moved, how far the last look for them reached; when each release might advise."""

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "drift_alarms",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("place_kind", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.Column("until", Moment(timezone=True), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("cases_before", sa.Integer(), nullable=False),
        sa.Column("value_before", sa.Float(), nullable=False),
        sa.Column("value_since", sa.Float(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("raised_at", Moment(timezone=True), nullable=False),
        sa.Column("acknowledged_at", Moment(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("learned_at", Moment(timezone=True), nullable=True),
        sa.Column("learned_in", sa.String(length=71), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_alarms")),
    )
    op.create_index(op.f("ix_drift_alarms_release_id_raised_at"), "drift_alarms", ["release_id", "raised_at"])
    op.create_index(op.f("ix_drift_alarms_raised_at_id"), "drift_alarms", ["raised_at", "id"])
    op.create_table(
        "drift_watch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("answers_until", Moment(timezone=True), nullable=True),
        sa.Column("labels_until", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_watch")),
    )
    op.create_table(
        "cleared",
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.Column("until", Moment(timezone=True), nullable=True),
        sa.Column("clearance", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("release_id", "since", name=op.f("pk_cleared")),
    )
