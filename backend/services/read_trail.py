"""The audit trail, page by page, for whoever answers for it."""

from typing import Any

from sqlalchemy import Row, select

from backend.db.engine import Database
from backend.db.tables import audit, audit_values


def list_trail(database: Database, limit: int, after: int) -> list[Row[Any]]:
    """Rows in the order in which they were written, after the row ``after``, with what changed.

    ``content`` is None where that was erased.
    """
    rows = select(audit, audit_values.c.content).outerjoin(audit_values).where(audit.c.seq > after)
    with database.read() as connection:
        return list(connection.execute(rows.order_by(audit.c.seq).limit(limit)))
