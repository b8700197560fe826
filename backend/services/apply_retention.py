"""What a site keeps for so many days is erased after them."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, select

from backend.db.engine import Database
from backend.db.tables import cases, sites
from backend.services.erase import erase_cases
from pallor.clock import Clock
from pallor.ids import new_id

_ACTOR = "sweeper"
_BATCH = 100  # cases in one transaction: whoever sends a case meanwhile waits for it


def apply_retention(database: Database, clock: Clock, table: str) -> int:
    """Erase every case that is older than its site keeps them, by when it was received; how many they were."""
    with database.read() as connection:
        keeping = connection.execute(select(sites).where(sites.c.retention_days.is_not(None))).all()
    erased = 0
    for site in keeping:
        until = clock.now() - timedelta(days=site.retention_days)
        old = select(cases.c.id).where(cases.c.site == site.code, cases.c.received_at < until)
        while found := _erase_some(database, clock, site.code, old.order_by(cases.c.received_at).limit(_BATCH), table):
            erased += found
    return erased


def _erase_some(database: Database, clock: Clock, site: str, old: Select[Any], table: str) -> int:
    with database.write() as tx:
        case_ids = list(tx.execute(old).scalars())
        if case_ids:
            erase_cases(database, tx, clock, new_id(), site, case_ids, "retention", table, by=_ACTOR)
        return len(case_ids)
