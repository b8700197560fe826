"""The migrations make the tables that the code speaks of, on both dialects."""

import struct
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, func, select, text

from backend.db import migrate as migrating
from backend.db.engine import Database
from backend.db.migrate import DatabaseNotMigrated, check_migrated, migrate
from backend.db.tables import (
    cases,
    changes,
    consents,
    deployment,
    metadata,
    photos,
    predictions,
    sites,
    snapshot_cases,
    tokens,
)
from backend.services.amend_case import amend_case
from backend.services.derive_label import derive_label
from backend.services.read_records import show_case
from backend.services.records import note_change
from backend.services.register_snapshot import list_snapshots
from backend.services.set_world import WorldFixed, set_world
from pallor.consent import Purpose
from pallor.ids import new_id
from tests.support.api import INVESTIGATIONAL
from tests.support.builders import NOON, a_prediction
from tests.support.clock import HandClock


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


YES, NO, CHANGED = (new_id() for _ in range(3))
_WHEN = datetime(2026, 11, 1, 12, 30)


@pytest.fixture(params=["sqlite", "postgresql"])
def first_version(request, tmp_path):
    """A database as the first version left it, with three cases; one of them took its consent to training back."""
    yield from _database_at("0001", _fill, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def second_version(request, tmp_path):
    """A database as the second version left it, with two snapshots; one has lost somebody who was erased."""
    yield from _database_at("0002", _register_by_hand, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def third_version(request, tmp_path):
    """A database as the third version left it, with an answer of each of two releases for one photo."""
    yield from _database_at("0003", _score_a_photo, request, tmp_path)


def _database_at(revision, fill, request, tmp_path):
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/older.db"
    else:
        server, name = request.getfixturevalue("postgres_url"), f"older_{new_id()[:8]}"
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        url = engine.url.set(database=name).render_as_string(hide_password=False)
    database = Database(url)
    with database.write() as tx:
        config = migrating._config()
        config.attributes["connection"] = tx
        command.upgrade(config, revision)
    with database.write() as tx:
        fill(tx)
    yield database
    database.close()


HELD, LOST = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def _register_by_hand(tx):
    tables = MetaData()
    tables.reflect(tx)
    when = _WHEN.replace(tzinfo=UTC) if tx.dialect.name != "sqlite" else _WHEN
    tx.execute(tables.tables["deployment"].insert().values(id=1, world="real"))
    snapshots, held = tables.tables["snapshots"], tables.tables["snapshot_cases"]
    for digest, since, case_ids in ((HELD, None, [YES, NO]), (LOST, when, [CHANGED])):
        tx.execute(snapshots.insert().values(digest=digest, made_at=when, incomplete_since=since))
        tx.execute(held.insert(), [{"snapshot_digest": digest, "case_id": case_id} for case_id in case_ids])


def _score_a_photo(tx):
    tables = MetaData()
    tables.reflect(tx)
    when = _WHEN.replace(tzinfo=UTC) if tx.dialect.name != "sqlite" else _WHEN
    tx.execute(tables.tables["deployment"].insert().values(id=1, world="real", pseudonym_key="00" * 32))
    case = {"id": YES, "site": "kumasi-1", "subject_code": "A-017", "facts": {}, "submitted_digest": "x"}
    tx.execute(tables.tables["cases"].insert().values(case | {"received_at": when, "received_by": "x"}))
    photo = {"id": NO, "case_id": YES, "uploaded_sha256": "x", "bytes": 1, "media_type": "image/png", "state": "scored"}
    tx.execute(tables.tables["photos"].insert().values(
        photo | {"captured_at": when, "declared_at": when, "declared_by": "x"}
    ))  # fmt: skip
    for release_id, first, shown in (("toy-1", 0.5, True), ("toy-2", -2.25, False)):
        answer = a_prediction(embedding=(first, *[0.0] * 63)).to_json()
        row = {"photo_id": NO, "release_id": release_id, "probability": 0.5, "answer": answer, "shown": shown}
        tx.execute(tables.tables["predictions"].insert().values(row | {"recorded_at": when}))


def _fill(tx):
    tables = MetaData()
    tables.reflect(tx)
    when = _WHEN.replace(tzinfo=UTC) if tx.dialect.name != "sqlite" else _WHEN
    tx.execute(tables.tables["deployment"].insert().values(id=1, world="real"))
    tx.execute(
        tables.tables["tokens"].insert().values(id=YES, name="a", role="field", secret_sha256="x", created_at=when)
    )
    for case_id, training in ((YES, True), (NO, False), (CHANGED, False)):
        received = {"received_at": when, "received_by": "token-1", "submitted_digest": "sha256:" + "0" * 64}
        site = "tamale-1" if case_id == NO else "kumasi-1"
        facts = _facts(case_id, site, training)
        tx.execute(tables.tables["cases"].insert().values(
            id=case_id, site=site, subject_code="A-017", facts=facts, **received
        ))  # fmt: skip
        tx.execute(tables.tables["changes"].insert().values(kind="case", entity_id=case_id, case_id=case_id, at=when))
    tx.execute(tables.tables["amendments"].insert().values(
        id=new_id(), case_id=CHANGED, digest="x", changes={"consent_to_training": False}, made_at=when, made_by="x",
        before=_facts(CHANGED, "kumasi-1", True), after=_facts(CHANGED, "kumasi-1", False), reason="asked again",
    ))  # fmt: skip
    result = {"digest": "x", "value": "104", "unit": "g/L", "g_per_l": "104.0", "specimen": "venous"}
    tx.execute(tables.tables["lab_results"].insert().values(
        id=new_id(), case_id=YES, taken_at=when, received_at=when, received_by="token-2", **result
    ))  # fmt: skip


def _facts(case_id, site, training):
    subject = {"age_months": 30, "sex": "female", "pregnancy": "no", "trimester": None, "altitude_m": 200}
    return {
        "id": case_id, "site": site, "subject_code": "A-017", "visited_at": "2026-11-01T12:00:00.000Z",
        "subject": subject, "danger_signs": [], "severe_pallor": False, "sore_eye": False,
        "consent_to_training": training,
    }  # fmt: skip


def test_a_filled_database_of_the_first_version_becomes_this_one(first_version):
    migrate(first_version)
    with first_version.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(select(func.count()).select_from(tokens)).scalar() == 0
        codes = connection.execute(select(sites.c.code, sites.c.practice).order_by(sites.c.code)).all()
        assert codes == [("kumasi-1", False), ("tamale-1", False)]
        fed = connection.execute(select(changes.c.case_id, changes.c.site).order_by(changes.c.seq)).all()
        assert fed == [(YES, "kumasi-1"), (NO, "tamale-1"), (CHANGED, "kumasi-1")]


def test_its_consents_are_on_record_with_the_day_of_the_visit(first_version):
    migrate(first_version)
    with first_version.read() as connection:
        rows = connection.execute(select(consents)).all()
        facts = dict(connection.execute(select(cases.c.id, cases.c.facts)).all())
    assert sorted((row.case_id, row.purpose) for row in rows) == sorted(
        [(YES, "care"), (YES, "training"), (NO, "care"), (CHANGED, "care")]
    )
    assert {(row.given, row.at, row.counts_from, row.wording, row.recorded_by) for row in rows} == {
        (True, NOON, NOON, "not-recorded", "token-1")
    }
    said = {"at": "2026-11-01T12:00:00.000Z", "wording": "not-recorded"}
    assert facts[YES]["consent"] == {"care": said, "training": said}
    assert facts[NO]["consent"] == {"care": said, "training": None}
    assert not any("consent_to_training" in found for found in facts.values())


def test_its_cases_are_read_amended_and_labelled_as_any_other(first_version):
    migrate(first_version)
    clock = HandClock()
    views = {case_id: show_case(first_version, case_id, INVESTIGATIONAL) for case_id in (YES, NO, CHANGED)}
    assert {i: view.consents[Purpose.TRAINING].given for i, view in views.items()} == {
        YES: True,
        NO: False,
        CHANGED: False,
    }
    assert amend_case(first_version, clock, CHANGED, new_id(), {"sore_eye": True}, "looked again", "who-2024", by="x")
    with first_version.write() as tx:
        derive_label(tx, clock, YES, "who-2024", by="x")
        note_change(tx, clock, "case", YES, YES)
    assert show_case(first_version, YES, INVESTIGATIONAL).label.record["withheld"] == ["no-usable-photo"]


def test_its_feed_never_gives_a_number_twice(first_version):
    migrate(first_version)
    with first_version.write() as tx:
        newest = tx.execute(select(func.max(changes.c.seq))).scalar()
        tx.execute(changes.delete())
        note_change(tx, HandClock(), "case", YES, YES)
        assert tx.execute(select(changes.c.seq)).scalar() == newest + 1


def test_snapshots_of_the_second_version_stay_and_say_how_much_they_hold(second_version):
    migrate(second_version)
    with second_version.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        held = connection.execute(select(func.count()).select_from(snapshot_cases)).scalar()
    newest_first = list_snapshots(second_version, 10, None)
    assert held == 3
    assert [(row.digest, row.photos, row.cases, row.made_by) for row in newest_first] == [
        (LOST, 1, 1, "operator"),
        (HELD, 2, 2, "operator"),
    ]
    assert [row.incomplete_since is None for row in newest_first] == [False, True]


def test_answers_of_the_third_version_can_be_compared_by_their_embeddings(third_version):
    migrate(third_version)
    with third_version.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        query = select(predictions.c.release_id, predictions.c.embedding).order_by(predictions.c.release_id)
        kept = [(row.release_id, struct.unpack("<64f", row.embedding)[:2]) for row in connection.execute(query)]
        assert connection.execute(select(photos.c.role)).scalars().all() == ["roi"]
    assert kept == [("toy-1", (0.5, 0.0)), ("toy-2", (-2.25, 0.0))]


def test_each_deployment_has_a_key_of_its_own_for_pseudonyms_and_keeps_it(second_version, database):
    def key(of):
        with of.read() as connection:
            return connection.execute(select(deployment.c.pseudonym_key)).scalar_one()

    migrate(second_version)
    made = key(second_version)
    set_world(second_version, "real")
    assert key(second_version) == made != key(database)
    assert len(bytes.fromhex(made)) == 32
