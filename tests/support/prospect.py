"""Releases that this server knows, and answers of theirs that the laboratory has judged."""

from datetime import timedelta
from typing import Any

from backend.db.tables import releases
from tests.support.api import Api
from tests.support.builders import NOON, a_manifest


def a_known_release(
    api: Api, release_id: str = "toy-1", *, since: timedelta = timedelta(days=-1), **facts: Any
) -> None:
    """Registered once, a day before the photos of these tests unless said otherwise."""
    manifest = a_manifest(release_id=release_id, **facts)
    row = {
        "release_id": release_id,
        "digest": manifest.digest(),
        "manifest": manifest.to_json(),
        "registered_at": NOON + since,
    }
    with api.parts.database.write() as tx:
        api.parts.database.insert_once(tx, releases, row)
