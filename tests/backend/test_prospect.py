"""What counts for a release: who was asked before anybody knew, and why the others do not count."""

import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from backend.__main__ import main
from backend.db.tables import photos, snapshot_cases, snapshots
from pallor.ids import new_id
from pallor.image.spec import PreprocessSpec
from tests.support.api import the_fault
from tests.support.builders import NOON, a_manifest
from tests.support.drift import an_alarm
from tests.support.explain import score
from tests.support.prospect import a_known_release
from tests.support.synthetic import a_good_png
from tests.support.training import a_learnable

# What differs between the dialects, if anything, shows in the tests without this.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_confirmed_case_counts_by_its_answer_and_its_value(api):
    found(api, "B-1", probability=0.9)
    found(api, "B-2", probability=0.1)
    record = api.get("/releases/toy-1/record")
    overall = record["overall"]
    assert (overall["cases"], overall["anaemic"], overall["severe"]) == (2, 2, 0)
    assert (overall["sensitivity"]["count"], overall["sensitivity"]["value"]) == (2, 0.5)
    assert overall["specificity"] == {"count": 0, "value": None, "low": None, "high": None}
    assert overall["hb_bands"]["100 to 119"]["value"] == 0.5
    assert (record["left_out"], record["blood"]) == ({}, {"kumasi-1": {"sent": 2, "never_came": 0}})
    assert not record["clearance"]["may_be_cleared"]
    assert record["refused_by_hb"]["100 to 119"] == {"photos": 2, "refused": 0}


def test_who_says_nothing_of_the_release_is_left_out_with_the_reason(api):
    known(api)
    waiting(api, "B-0")
    found(api, "B-1", site="school")
    conflicting = found(api, "B-2")
    api.put_result(conflicting.case_id, hb={"value": "131", "unit": "g/L"})
    early = api.put_case(subject_code="B-3"), new_id()
    query = {"captured_at": "2026-10-20T12:00:00Z"}
    api.put_photo(early[0], a_good_png(seed=41), early[1], query=query)
    score(api, early[1])
    learned = found(api, "B-4")
    teach(api, learned.case_id)
    found(api, "B-4")  # the same person at another visit
    assert api.get("/releases/toy-1/record")["left_out"] == {
        "waiting": 1, "practice-site": 1, "conflicting-values": 1, "photo-before-release": 1, "learned-from": 2,
    }  # fmt: skip


@on_sqlite
def test_who_never_came_for_blood_is_counted_by_site(api):
    known(api)
    waiting(api, "B-1")
    assert api.get("/releases/toy-1/record")["blood"] == {"kumasi-1": {"sent": 1, "never_came": 0}}
    api.clock.move(days=15)
    assert api.get("/releases/toy-1/record")["blood"] == {"kumasi-1": {"sent": 1, "never_came": 1}}


@on_sqlite
def test_a_case_counts_once_by_its_first_photo(api):
    one = found(api, "B-1", probability=0.1)
    second = new_id()
    api.put_photo(one.case_id, a_good_png(seed=43), second, query={"captured_at": "2026-11-01T12:05:00Z"})
    score(api, second, probability=0.9)
    overall = api.get("/releases/toy-1/record")["overall"]
    assert (overall["cases"], overall["sensitivity"]["value"]) == (1, 0.0)


@on_sqlite
def test_the_table_names_no_person_and_every_case_that_counts(api):
    one = found(api, "B-1", probability=0.9)
    with api.parts.database.write() as tx:
        tx.execute(update(photos).values(capture={"phone_model": "=cmd()"}))
    response = api.call("GET", "/releases/toy-1/record.csv", "admin")
    assert response.mimetype == "text/csv"
    (row,) = csv.DictReader(io.StringIO(response.text))
    assert (row["case_id"], row["referred"], row["hb_g_per_l"]) == (one.case_id, "1", "104.0")
    assert row["phone-model"] == "'=cmd()"  # no spreadsheet runs it
    assert "B-1" not in response.text


@on_sqlite
def test_the_record_tells_phones_apart_by_their_model_and_what_has_moved(api):
    cases = [found(api, f"B-{n}") for n in range(5)]
    with api.parts.database.write() as tx:
        tx.execute(update(photos).values(capture={"phone_model": "Pixel 4"}))
        tx.execute(update(photos).where(photos.c.id == cases[0].photo_id).values(captured_at=NOON - timedelta(hours=1)))
    alarm_id = an_alarm(api, place_kind="phone", place="Pixel 4", since=NOON)
    record = api.get("/releases/toy-1/record")
    assert record["by"]["phone-model"]["Pixel 4"]["cases"] == 5
    assert [(alarm["id"], alarm["state"]) for alarm in record["drift"]] == [(alarm_id, "open")]
    rows = csv.DictReader(io.StringIO(api.call("GET", "/releases/toy-1/record.csv", "admin").text))
    assert [row["drift"] for row in rows] == ["", "score", "score", "score", "score"]


@on_sqlite
def test_the_command_says_what_has_moved_and_draws_it(api, monkeypatch, capsys, tmp_path):
    found(api, "B-1")
    an_alarm(api, since=NOON)
    monkeypatch.setenv("PALLOR_DATABASE_URL", api.parts.database.engine.url.render_as_string())
    assert main(["record", "toy-1", "--svg", str(tmp_path / "record.svg")]) == 0
    told = capsys.readouterr().out
    assert "moved, open: score, site kumasi-1, since 2026-11-01T12:00:00.000Z: the mean score went" in told
    assert "the mean score went from 0.30 to 0.50</title>" in (tmp_path / "record.svg").read_text()
    assert main(["record", "toy-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drift"][0]["state"] == "open"


@on_sqlite
def test_at_the_shell_a_slip_is_told_and_never_looks_like_good_news(api, monkeypatch, capsys, tmp_path):
    found(api, "B-1")
    monkeypatch.setenv("PALLOR_DATABASE_URL", api.parts.database.engine.url.render_as_string())
    assert main(["record", "toy-1", "--csv", str(tmp_path / "away" / "record.csv")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main(["drift"]) == 0
    assert "nothing has moved" in capsys.readouterr().out
    assert main(["drift", "--release", "toy-2"]) == 2
    assert main(["eligibility", "--site", "kumasi-9"]) == 2
    assert "no site has the code kumasi-9" in capsys.readouterr().err


@on_sqlite
def test_the_command_says_how_many_cases_the_conditions_are_held_against(api, monkeypatch, capsys):
    found(api, "B-1")
    monkeypatch.setenv("PALLOR_DATABASE_URL", api.parts.database.engine.url.render_as_string())
    assert main(["record", "toy-1"]) == 0
    assert "0 of the cases may clear" in capsys.readouterr().out


@on_sqlite
def test_a_release_that_is_not_known_has_no_record(api):
    for path in ("/releases/no-such/record", "/releases/no-such/record.csv"):
        assert the_fault(api.call("GET", path, "admin"))[:2] == (404, "not-found")


def known(api):
    a_known_release(api, preprocess=PreprocessSpec().to_json())


def found(api, subject_code, probability=0.9, **facts):
    """A case with a value, whose photo release toy-1 scored a day after it was known here."""
    known(api)
    case = a_learnable(api, subject_code, **facts)
    assert score(api, case.photo_id, probability=probability)
    return case


def waiting(api, subject_code):
    case_id, photo_id = api.put_case(subject_code=subject_code), new_id()
    api.put_photo(case_id, a_good_png(seed=42), photo_id)
    score(api, photo_id)


def teach(api, case_id):
    digest = a_manifest().snapshot_digest
    with api.parts.database.write() as tx:
        api.parts.database.insert_once(
            tx, snapshots, {"digest": digest, "photos": 1, "cases": 1, "made_at": NOON, "made_by": "trainer"}
        )
        tx.execute(snapshot_cases.insert().values(snapshot_digest=digest, case_id=case_id))
