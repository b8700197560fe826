import pytest

from tests.support.api import an_api


@pytest.fixture
def api(database, tmp_path):
    return an_api(database, tmp_path / "store")
