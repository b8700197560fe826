"""What people have taken back for good, as it was heard."""

import sqlalchemy as sa
from alembic import op

from backend.db.tables import Moment

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "taken_back",
        sa.Column("release_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("heard_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_taken_back")),
    )
