"""One writer at a time: the others wait for their turn, and not for ever."""

import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import text

from backend.db import engine
from backend.db.engine import Database, DatabaseUnavailable


def test_whoever_waits_for_another_process_too_long_is_told_to_come_again(database, path, impatient):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable), database.write():
            pass
        other.execute("COMMIT")
    _count(database)


def test_whoever_waits_for_another_thread_too_long_is_told_to_come_again(database, impatient):
    with database.write():
        refused = _in_a_thread(lambda: _count(database))
    assert isinstance(refused[0], DatabaseUnavailable)
    _count(database)


def test_a_verb_that_fails_leaves_the_turn_to_the_next(database):
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError
    _count(database)


def test_many_writers_of_several_processes_all_have_their_turn(database, path):
    other = Database(f"sqlite:///{path}")
    errors = _in_a_thread(*[lambda one=one: [_count(one) for _ in range(25)] for one in (database, other) * 2])
    other.close()
    assert errors == []
    with database.read() as connection:
        assert connection.execute(text("SELECT n FROM counted")).scalar() == 100


def _count(database):
    with database.write() as tx:
        n = tx.execute(text("SELECT n FROM counted")).scalar()
        tx.execute(text("UPDATE counted SET n = :n"), {"n": n + 1})


def _in_a_thread(*verbs):
    """Run each in a thread of its own; what they raised."""
    errors = []

    def run(verb):
        try:
            verb()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(verb,)) for verb in verbs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "turns.db"


@pytest.fixture
def database(path):
    database = Database(f"sqlite:///{path}")
    with database.write() as tx:
        tx.execute(text("CREATE TABLE counted (n INTEGER)"))
        tx.execute(text("INSERT INTO counted VALUES (0)"))
    yield database
    database.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0.05)
