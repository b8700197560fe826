"""The world of a deployment, real or synthetic, is set once, and with it the key of its pseudonyms."""

import secrets

from sqlalchemy import select

from backend.db.engine import Database
from backend.db.tables import deployment
from pallor.errors import Refused


class WorldFixed(Refused):
    """The database belongs to the other world."""


def set_world(database: Database, world: str) -> None:
    """Write the world into a new database, or check that it is this one; raises ``WorldFixed``."""
    with database.write() as tx:
        row = {"id": 1, "world": world, "pseudonym_key": secrets.token_hex(32)}
        database.insert_once(tx, deployment, row)
        there = tx.execute(select(deployment.c.world)).scalar_one()
    if there != world:
        raise WorldFixed(
            f"this database holds a {there} world", field="PALLOR_WORLD", value=world,
            remedy="Start it in that world (PALLOR_WORLD; pallor up --world), or give this one a database of its own: "
            "a world is never changed.",
        )  # fmt: skip
