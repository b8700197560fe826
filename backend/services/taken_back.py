"""What people have taken back for good is remembered here, whatever the store says later: none of it is shown again.

The sweeper hears of it; phones then hear that what was said of their cases is said otherwise now.
"""

from collections.abc import Mapping
from contextlib import suppress

from sqlalchemy import Connection, literal, select

from backend.db.engine import Database
from backend.db.tables import cases, changes, photos, predictions, taken_back
from backend.services.audit import write_audit
from pallor.clock import Clock
from pallor.release.repository.contents import policy_of
from pallor.release.repository.ledger import Repository, RepositoryMissing

_ACTOR = "sweeper"


def reasons_against(tx: Connection) -> Mapping[str, str]:
    """Every release that was taken back, and why."""
    return {row.release_id: row.reason for row in tx.execute(select(taken_back))}


def hear_what_was_taken_back(database: Database, clock: Clock, repository: Repository) -> int:
    """Remember what the signed policy takes back; how many releases are new. Raises ``Unavailable``, ``Untrusted``."""
    with suppress(RepositoryMissing):  # where nothing is signed, nothing is taken back
        said = policy_of(repository).yanked
        with database.read() as connection:
            known = reasons_against(connection)
        return sum(_take_back(database, clock, name, why) for name, why in said.items() if name not in known)
    return 0


def _take_back(database: Database, clock: Clock, release_id: str, reason: str) -> bool:
    with database.write() as tx:
        row = {"release_id": release_id, "reason": reason, "heard_at": clock.now()}
        if not database.insert_once(tx, taken_back, row):
            return False
        shown = (
            select(literal("prediction"), photos.c.id, photos.c.case_id, cases.c.site, literal(clock.now()))
            .join(predictions, predictions.c.photo_id == photos.c.id)
            .join(cases, cases.c.id == photos.c.case_id)
            .where(predictions.c.release_id == release_id, predictions.c.shown)
            .order_by(predictions.c.recorded_at)
        )
        tx.execute(changes.insert().from_select(["kind", "entity_id", "case_id", "site", "at"], shown))
        write_audit(tx, clock, _ACTOR, "release.take-back", release_id, reason=reason)
        return True
