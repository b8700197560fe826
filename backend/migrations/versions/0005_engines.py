"""What a worker says of itself: slot, precision, fallback, processes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # A worker's last word is repeated within a minute, so what was said before is let go instead of being guessed at.
    op.execute(sa.delete(sa.table("workers")))
    with op.batch_alter_table("workers") as table:
        table.add_column(sa.Column("slot", sa.String(length=16), nullable=False))
        table.add_column(sa.Column("precision", sa.String(length=16), nullable=True))
        table.add_column(sa.Column("fallback", sa.Text(), nullable=True))
        table.add_column(sa.Column("processes", sa.Integer(), nullable=False))
