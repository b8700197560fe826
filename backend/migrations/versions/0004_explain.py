"""Embeddings as bytes beside the answers they stand in, and indexes for whoever counts answers and photos."""

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_BATCH = 1000


def upgrade() -> None:
    op.add_column("predictions", sa.Column("embedding", sa.LargeBinary(), nullable=True))
    _copy_embeddings()
    op.create_index("ix_predictions_recorded_at", "predictions", ["recorded_at"])
    op.create_index("ix_predictions_release_id_shown", "predictions", ["release_id", "shown"])
    op.create_index("ix_photos_state_received_at", "photos", ["state", "received_at"])


def _copy_embeddings() -> None:
    there = sa.table(
        "predictions",
        sa.column("photo_id", sa.String),
        sa.column("release_id", sa.String),
        sa.column("answer", sa.JSON),
        sa.column("embedding", sa.LargeBinary),
    )
    this = (there.c.photo_id == sa.bindparam("photo")) & (there.c.release_id == sa.bindparam("release"))
    left = sa.select(there).where(there.c.embedding.is_(None)).limit(_BATCH)
    connection = op.get_bind()
    while rows := connection.execute(left).all():
        copies = [
            {
                "photo": row.photo_id,
                "release": row.release_id,
                "bytes": np.asarray(row.answer["embedding"], "<f4").tobytes(),
            }
            for row in rows
        ]
        connection.execute(there.update().where(this).values(embedding=sa.bindparam("bytes")), copies)
