"""The migrations make the tables that the code speaks of, on both dialects."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from backend.db.engine import Database
from backend.db.migrate import DatabaseNotMigrated, check_migrated, migrate
from backend.db.tables import metadata
from backend.services.set_world import WorldFixed, set_world


def test_migrated_tables_are_the_ones_in_the_code(database):
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(database):
    migrate(database)
    check_migrated(database)


def test_a_database_without_tables_is_told_what_to_run(tmp_path):
    with pytest.raises(DatabaseNotMigrated, match="pallor-backend migrate"):
        check_migrated(Database(f"sqlite:///{tmp_path}/empty.db"))


def test_the_world_is_set_once(database):
    set_world(database, "real")
    with pytest.raises(WorldFixed):
        set_world(database, "synthetic")


def test_sqlite_is_durable_and_does_not_block_readers(sqlite_url):
    database = Database(sqlite_url)
    with database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()
