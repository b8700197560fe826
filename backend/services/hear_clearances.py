"""When each release might advise is remembered: who was sent for blood, and who only by chance, follows from it."""

from datetime import datetime

from sqlalchemy import select, update

from backend.db.engine import Database
from backend.db.tables import cleared
from backend.services.audit import write_audit
from backend.services.signed_clearances import Cleared
from pallor.clock import Clock
from pallor.digest import digest_of

_ACTOR = "sweeper"


def hear_clearances(database: Database, clock: Clock, signed: Cleared) -> int:
    """Note which releases may advise from now on, and which no more; how many are new or gone."""
    standing = {name: clearance.to_json() for name, clearance in signed.now().items()}
    with database.read() as connection:
        rows = connection.execute(select(cleared).where(cleared.c.until.is_(None))).all()
    known = {row.release_id: row for row in rows}
    gone = [name for name, row in known.items() if standing.get(name) != row.clearance]
    new = [name for name, said in standing.items() if name not in known or known[name].clearance != said]
    if not gone and not new:
        return 0
    with database.write() as tx:
        now: datetime = clock.now()
        for name in gone:
            this = (cleared.c.release_id == name) & cleared.c.until.is_(None)
            tx.execute(update(cleared).where(this).values(until=now))
            write_audit(tx, clock, _ACTOR, "clearance.end", name)
        for name in new:
            row = {"release_id": name, "since": now, "clearance": standing[name]}
            database.insert_once(tx, cleared, row)
            write_audit(tx, clock, _ACTOR, "clearance.hear", name, new={"clearance": digest_of(standing[name])})
    return len(gone) + len(new)
