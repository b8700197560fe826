"""A release that is on record, and since when it is known here: nothing earlier says what it is worth."""

from datetime import datetime

from sqlalchemy import Connection, select

from backend.db.tables import candidates, releases
from backend.services.records import not_found
from pallor.release.manifest import Manifest


def known_release(tx: Connection, release_id: str) -> tuple[Manifest, datetime]:
    """Its manifest, and since when it is known here: by its file, or as a candidate's report.

    Raises:
        NotFound: nothing is on record of such a release.
    """
    row = tx.execute(select(releases).where(releases.c.release_id == release_id)).first()
    if row is None:
        raise not_found("release_id", release_id, "release")
    posted = select(candidates.c.posted_at).where(
        candidates.c.release_id == release_id, candidates.c.digest == row.digest
    )
    known = [row.registered_at, *tx.execute(posted).scalars()]
    return Manifest.from_json(row.manifest), min(known)
