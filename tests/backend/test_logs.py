"""A line about a photo or a case says which case: one search shows what became of it."""

from dataclasses import replace

import pytest

from backend.db.engine import Database
from backend.queue import Sender
from backend.services.record_prediction import record_prediction
from pallor.broker import celery_app
from pallor.ids import new_id
from pallor.messages import PredictCase, RecordPrediction
from pallor.store.port import StoreUnavailable
from tests.support.builders import a_prediction, a_result_body
from tests.support.explain import score
from tests.support.synthetic import a_good_png


def test_every_request_about_a_case_names_it_also_where_the_path_does_not(api, case_id, lines):
    result_id = new_id()
    api.call("GET", f"/cases/{case_id}", "admin")
    api.call("PUT", f"/lab-results/{result_id}", "lab", json=a_result_body(case_id))
    api.call("GET", f"/lab-results/{result_id}", "lab")
    api.report(case_id=case_id)
    assert lines("answered") == [case_id] * 4


def test_what_was_typed_in_the_place_of_a_case_is_not_repeated(api, lines):
    api.call("GET", "/cases/Amina", "admin")
    assert lines("answered") == [None]


def test_a_request_that_could_not_be_answered_names_its_case(api, case_id, lines, monkeypatch):
    photo_id = new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    score(api, photo_id)
    path = f"/cases/{case_id}/photos/{photo_id}/heat-map"
    for error, status in ((StoreUnavailable("away"), 503), (ZeroDivisionError(), 500)):
        monkeypatch.setattr(api.parts.store, "get", raising(error))
        assert api.call("GET", path, "admin").status_code == status
    assert lines("not answered") == [case_id]
    assert lines("a fault of the server") == [case_id]


def test_an_answer_that_nobody_may_use_names_its_case(api, case_id, lines):
    photo_id = new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    said = {"purpose": "care", "given": False, "at": "2026-11-01T12:45:00Z", "wording": "withdraw-en-1"}
    api.call("PUT", f"/cases/{case_id}/consents/{new_id()}", json=said)
    answer = RecordPrediction(photo_id, "toy-1", replace(a_prediction(), photo_id=photo_id))
    assert not record_prediction(api.parts.database, api.clock, answer, "who-2024")
    assert lines("an answer that nobody may use any more is let go") == [case_id]


def test_a_message_that_the_broker_did_not_take_names_its_case(case_id, lines):
    digest = "sha256:" + "0" * 64
    sender = Sender(celery_app("test", "redis://127.0.0.1:1/0", 60))  # nobody listens there
    assert not sender(PredictCase(case_id, new_id(), digest, "images/00/0.png"))
    assert lines("broker away, the sweeper will send again") == [case_id]


@pytest.fixture
def database(sqlite_url):
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def case_id(api):
    return api.put_case()


@pytest.fixture
def lines(case_id, caplog):
    """The cases that the lines with these words name, in their order, since the case was submitted."""
    caplog.set_level("INFO")
    caplog.clear()
    return lambda words: [record.case_id for record in caplog.records if record.message == words]


def raising(error):
    def get(_key):
        raise error

    return get
