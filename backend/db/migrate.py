"""Bring a database to this version's tables, or say that it is not there yet."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from backend.db.engine import Database
from pallor.errors import Unavailable

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells at each look which dialect it found
_SCRIPTS = Path(__file__).parents[1] / "migrations"


class DatabaseNotMigrated(Unavailable):
    """The tables are of another version of Pallor."""


def migrate(database: Database) -> None:
    """Apply what is missing; running it twice changes nothing."""
    config = _config()
    with database.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def check_migrated(database: Database) -> None:
    """Raise ``DatabaseNotMigrated`` unless the tables are this version's."""
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise DatabaseNotMigrated(
            f"the database is at {found}, this version needs {wanted}; run: pallor-backend migrate"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config
