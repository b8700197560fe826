"""The backend knows a release by its manifest: without it there are no words for the release's answers but "refer"."""

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import releases
from backend.services.audit import write_audit
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.release.manifest import Manifest
from pallor.release.shelf import Release


class ReleaseIdTaken(Refused):
    """Releases are immutable: an id stands for one manifest for ever."""


class WorldMismatch(Refused):
    """A release of one world has no business in the other."""


def register_release(database: Database, clock: Clock, release: Release, world: str, *, by: str = "operator") -> bool:
    """Record a release's manifest; True when it is new. Raises ``ReleaseIdTaken`` or ``WorldMismatch``."""
    check_world(world, release.manifest.world, release.release_id)
    row = {
        "release_id": release.release_id,
        "digest": release.digest,
        "manifest": release.manifest.to_json(),
        "registered_at": clock.now(),
    }
    with database.write() as tx:
        if database.insert_once(tx, releases, row):
            write_audit(tx, clock, by, "release.register", release.release_id, new={"digest": release.digest})
            return True
        there = tx.execute(select(releases.c.digest).where(releases.c.release_id == release.release_id)).scalar_one()
    if there != release.digest:
        raise ReleaseIdTaken(
            f"this release id is on record as {there}", field="release", value=release.digest,
            remedy="Give the release an id of its own.",
        )  # fmt: skip
    return False


def check_world(world: str, of_release: str, release_id: str) -> None:
    """Raise ``WorldMismatch`` for a release of the synthetic world in a real deployment."""
    if world == "real" and of_release != "real":
        raise WorldMismatch(
            "a synthetic-world release cannot serve people", field="release", value=release_id,
            remedy="Use a release trained on real cases.",
        )  # fmt: skip


def manifest_of(database: Database, release_id: str) -> Manifest | None:
    """The manifest on record, None for a release this backend does not know."""
    with database.read() as connection:
        found = connection.execute(select(releases.c.manifest).where(releases.c.release_id == release_id)).scalar()
    return None if found is None else Manifest.from_json(found)
