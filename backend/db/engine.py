"""Transactions: one way to read and one to write, the same on SQLite and PostgreSQL."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from pallor.errors import Unavailable

# One writer at a time, on PostgreSQL as on SQLite: no two verbs can interleave or deadlock, and the change feed's
# numbers appear in the order they were given, so that a reader's cursor skips none. A write takes milliseconds; a
# country's screening makes tens in a second.
_WRITER_LOCK = 7_255_671
_BUSY_SECONDS = 20
_LOOK_SECONDS = 0.001
_SHORTLY_MILLISECONDS = 250
# A host that dies inside a transaction must not stop all writers for ever.
_PATIENCE = f"-c lock_timeout={_BUSY_SECONDS}s -c idle_in_transaction_session_timeout=60s"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or has been busy for too long."""


class Database:
    """The one door to the tables.

    Args:
        url: an SQLAlchemy URL, ``sqlite:////var/lib/pallor/pallor.db`` or ``postgresql+psycopg://...``.
    """

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, hide_parameters=True, **_options(url))
        self._turn = threading.Lock()  # of this process's threads: one of them at a time waits for the other processes
        if self.is_sqlite:
            _teach_sqlite_transactions(self.engine)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read from; what it sees is one moment of the database."""
        with _translated(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or not at all; there is one writer at a time."""
        with _translated(), self._in_turn(), self._connected(immediate=True) as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})
            yield connection

    def _connected(self, **options: bool) -> Connection:
        return self.engine.connect().execution_options(**options)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self.is_sqlite:  # a server wakes who waits
            yield
            return
        if not self._turn.acquire(timeout=_BUSY_SECONDS):
            raise DatabaseUnavailable("the database does not answer: it is being written to")
        try:
            yield
        finally:
            self._turn.release()

    def insert_once(self, tx: Connection, table: Table, row: dict[str, Any]) -> bool:
        """Insert a row unless its primary key is there already; True when this call made it."""
        return tx.execute(_insert_once(table, self.engine.dialect.name), row).first() is not None

    def insert_new(self, tx: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> set[tuple[Any, ...]]:
        """``insert_once`` of several rows by one statement; the primary keys of those that this call made."""
        if not rows:
            return set()
        return set(map(tuple, tx.execute(_insert_once(table, self.engine.dialect.name), rows)))

    def scrub(self) -> bool:
        """Take what was deleted out of SQLite's files as well; False while somebody's reading holds them: try again.

        Deleted rows are overwritten (``secure_delete``), but the copies are not that SQLite leaves behind where it
        moved a row from one page to another: only writing the whole file anew leaves none. A server looks after its
        files itself: there this does nothing.
        """
        return not self.is_sqlite or (self._quickly("VACUUM") is not None and self.checkpoint())

    def checkpoint(self) -> bool:
        """Empty SQLite's log of changes, where what was deleted is still to be read; False when somebody holds it."""
        return not self.is_sqlite or self._quickly("PRAGMA wal_checkpoint(TRUNCATE)") == (0, 0, 0)

    def _quickly(self, statement: str) -> tuple[Any, ...] | None:
        """Run a statement that waits for everybody, but not long, for others wait for it; None when it could not."""
        with _translated(), closing(self.engine.raw_connection()) as connection:
            try:
                connection.cursor().execute(f"PRAGMA busy_timeout={_SHORTLY_MILLISECONDS}")
                return tuple(connection.cursor().execute(statement).fetchone() or ())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    return None
                raise DatabaseUnavailable(f"the database does not answer: {error}") from error
            finally:
                connection.cursor().execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")

    def close(self) -> None:
        self.engine.dispose()


@cache
def _insert_once(table: Table, dialect_name: str) -> Executable:
    """Built once: building a statement takes longer than running it."""
    dialect = sqlite if dialect_name == "sqlite" else postgresql
    key = list(table.primary_key.columns)
    insert: Executable = dialect.insert(table).on_conflict_do_nothing(index_elements=key).returning(*key)
    return insert


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": _BUSY_SECONDS}}
    return {"pool_size": 8, "pool_pre_ping": True, "connect_args": {"connect_timeout": 5, "options": _PATIENCE}}


def _teach_sqlite_transactions(engine: Engine) -> None:
    """WAL, full durability, and BEGIN IMMEDIATE for writers.

    A deferred transaction that turns into a writer fails at once when another wrote first (SQLITE_BUSY_SNAPSHOT),
    whatever the timeout; an immediate one waits for its turn.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # what is erased is overwritten, not only forgotten
            f"busy_timeout={_BUSY_SECONDS * 1000:.0f}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if connection.get_execution_options().get("immediate", False):
            _begin_to_write(driver)
        else:
            driver.execute("BEGIN")


def _begin_to_write(driver: Any) -> None:
    """Wait for the one writer's turn by looking often: SQLite's own waiting sleeps up to 100 ms at a time, in which
    tens of transactions would find their place."""
    until = time.monotonic() + _BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise DatabaseUnavailable(f"the database does not answer: {error}") from error
            time.sleep(_LOOK_SECONDS)
    finally:
        driver.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailable(f"the database does not answer: {error.orig}") from error
