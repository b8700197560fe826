"""One API for all tests of a dialect: to make its routes takes longer than most tests."""

from functools import cache
from typing import Any

import pytest

from backend.db.engine import Database
from tests.support.api import Standing, who_calls


@pytest.fixture(scope="session")
def standing(migrated_sqlite, tmp_path_factory):
    """The API that stands on each database, by its settings."""
    callers = who_calls(migrated_sqlite)

    @cache
    def on(database: Database, **settings: Any) -> Standing:
        return Standing(database, tmp_path_factory.mktemp("standing") / "store", callers, settings)

    return on


@pytest.fixture
def api(database, standing):
    """The API with nothing on record but who may call."""
    return standing(database).anew()
