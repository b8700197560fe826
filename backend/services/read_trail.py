"""The audit trail, page by page, for whoever answers for it."""

from typing import Any

from sqlalchemy import Row, select

from backend.db.engine import Database
from backend.db.tables import audit, audit_values
from backend.services.audit import check_readable, read_trail


def list_trail(database: Database, limit: int, after: int) -> list[Row[Any]]:
    """Rows in the order in which they were written, after the row ``after``, with what changed.

    ``content`` is None where that was erased. Raises ``AuditBroken`` for a row that cannot be read.
    """
    query = select(audit, audit_values.c.content).outerjoin(audit_values).where(audit.c.seq > after)
    with database.read() as connection:
        rows = list(read_trail(connection, query.order_by(audit.c.seq).limit(limit)))
    for row in rows:
        check_readable(row)
    return rows
