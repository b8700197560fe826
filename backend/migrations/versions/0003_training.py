"""Snapshots that are exported, what the trainer finds in them, candidates, and the key of pseudonyms."""

import secrets

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "candidates",
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("snapshot_digest", sa.String(length=71), nullable=False),
        sa.Column("posted_at", Moment(timezone=True), nullable=False),
        sa.Column("posted_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_candidates")),
    )
    op.create_index("ix_candidates_posted_at_release_id", "candidates", ["posted_at", "release_id"])
    op.create_index("ix_candidates_snapshot_digest", "candidates", ["snapshot_digest"])
    op.create_table(
        "same_photo_reports",
        sa.Column("snapshot_digest", sa.String(length=71), nullable=False),
        sa.Column("content_digest", sa.String(length=71), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("groups", sa.Integer(), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("unknown_photos", sa.Integer(), nullable=False),
        sa.Column("received_at", Moment(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_digest"], ["snapshots.digest"], name=op.f("fk_same_photo_reports_snapshot_digest")
        ),
        sa.PrimaryKeyConstraint("snapshot_digest", name=op.f("pk_same_photo_reports")),
    )
    op.create_table(
        "same_photo_members",
        sa.Column("snapshot_digest", sa.String(length=71), nullable=False),
        sa.Column("photo_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_same_photo_members_photo_id")),
        sa.ForeignKeyConstraint(
            ["snapshot_digest"],
            ["same_photo_reports.snapshot_digest"],
            name=op.f("fk_same_photo_members_snapshot_digest"),
        ),
        sa.PrimaryKeyConstraint("snapshot_digest", "photo_id", name=op.f("pk_same_photo_members")),
    )
    op.create_index("ix_same_photo_members_photo_id", "same_photo_members", ["photo_id"])
    op.create_index("ix_same_photo_members_snapshot_digest_number", "same_photo_members", ["snapshot_digest", "number"])
    _count_what_snapshots_hold()
    _make_a_key()


def _count_what_snapshots_hold() -> None:
    """Until now nothing was exported: whatever is registered was registered by hand, a photo a case."""
    new = (("photos", sa.Integer(), "0"), ("cases", sa.Integer(), "0"), ("made_by", sa.String(length=64), "operator"))
    for name, kind, default in new:  # the defaults stay: SQLite cannot make anew a table to which rows refer
        op.add_column("snapshots", sa.Column(name, kind, nullable=False, server_default=default))
    held = "(SELECT count(*) FROM snapshot_cases WHERE snapshot_cases.snapshot_digest = snapshots.digest)"
    op.execute(f"UPDATE snapshots SET photos = {held}, cases = {held}")  # noqa: S608
    op.create_index("ix_snapshots_made_at_digest", "snapshots", ["made_at", "digest"])


def _make_a_key() -> None:
    with op.batch_alter_table("deployment") as deployment:
        deployment.add_column(sa.Column("pseudonym_key", sa.String(length=64), nullable=True))
    there = sa.table("deployment", sa.column("pseudonym_key"))
    op.execute(there.update().values(pseudonym_key=secrets.token_hex(32)))
    with op.batch_alter_table("deployment") as deployment:
        deployment.alter_column("pseudonym_key", existing_type=sa.String(length=64), nullable=False)
