"""A release on trial is asked beside the one that serves; what it says is recorded, and nobody is shown it."""

from dataclasses import replace

import pytest

from backend.services.ask_challenger import ask_challenger
from backend.services.record_prediction import record_prediction, record_predictions
from backend.services.register_release import register_release
from backend.services.report_worker import report_worker
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from pallor.release.shelf import Release
from tests.support.builders import a_manifest, a_prediction, a_report
from tests.support.synthetic import a_good_png


def test_a_challengers_answer_is_recorded_and_never_shown_even_when_it_comes_first(api, waiting):
    case_id, photo_id = waiting
    assert _answer(api, photo_id, "toy-2", 0.9, shadow=True)
    case = api.get(f"/cases/{case_id}", "field")
    assert case["photos"][0]["state"] == "waiting"
    assert _answer(api, photo_id, "toy-1", 0.2)
    shown = {one["release_id"]: one["shown"] for one in api.get("/predictions", "admin")["items"]}
    assert shown == {"toy-1": True, "toy-2": False}


def test_what_a_challenger_refuses_sends_nobody_back_to_the_camera(api, waiting):
    refusal = RecordPrediction(waiting[1], "toy-2", refusal="region-too-small", shadow=True)
    assert not record_prediction(api.parts.database, api.clock, refusal, "who-2024")
    assert api.get(f"/cases/{waiting[0]}", "field")["photos"][0]["state"] == "waiting"


def test_a_challenger_that_is_taken_on_shows_what_it_says_of_a_photo_it_knew(api, waiting):
    _answer(api, waiting[1], "toy-2", 0.9, shadow=True)
    assert _answer(api, waiting[1], "toy-2", 0.9)
    assert [one["shown"] for one in api.get("/predictions", "admin")["items"]] == [True]
    assert api.get(f"/cases/{waiting[0]}", "field")["photos"][0]["state"] == "scored"


def test_answers_for_one_photo_that_come_together_are_recorded_as_if_one_after_the_other(api, waiting):
    come = [
        _said(waiting[1], "toy-2", 0.9, shadow=True),
        RecordPrediction(waiting[1], "toy-1", refusal="region-too-small"),
        _said(waiting[1], "toy-1", 0.2),
        _said(waiting[1], "toy-1", 0.2),
        _said(waiting[1], "toy-2", 0.9),
    ]
    assert record_predictions(api.parts.database, api.clock, come, "who-2024") == come[:3]
    shown = {one["release_id"]: one["shown"] for one in api.get("/predictions", "admin")["items"]}
    assert shown == {"toy-1": True, "toy-2": False}
    assert api.get(f"/cases/{waiting[0]}", "field")["photos"][0]["state"] == "scored"


def test_a_challenger_is_asked_about_an_answered_photo_while_one_serves(api, waiting):
    asked = []

    def ask():
        return ask_challenger(api.parts.database, api.clock, lambda *sent: not asked.extend(sent), 90, [waiting[1]])

    assert not ask()
    _report(api, worker="w-1/challenger", slot="challenger", processes=0)
    assert not ask()
    _report(api, worker="w-1/challenger", slot="challenger")
    assert ask()
    assert [(message.case_id, message.photo_id) for message in asked] == [waiting]
    api.clock.move(seconds=91)
    assert not ask()


def test_a_challenger_alone_makes_nobody_ready_and_its_faults_stop_nobody(api):
    _report(api, worker="w-1/challenger", slot="challenger")
    assert api.call("GET", "/health/ready", "admin").status_code == 503
    _report(api)
    _report(api, worker="w-1/challenger", slot="challenger", fault="golden photo 3 is 0.2 off")
    assert api.call("GET", "/health/ready", "admin").status_code == 200


def _report(api, **facts):
    report_worker(api.parts.database, api.clock, a_report(**facts))


def _answer(api, photo_id, release_id, probability, *, shadow=False):
    said = _said(photo_id, release_id, probability, shadow=shadow)
    return record_prediction(api.parts.database, api.clock, said, "who-2024")


def _said(photo_id, release_id, probability, *, shadow=False):
    prediction = replace(a_prediction(probability), photo_id=photo_id, release_id=release_id)
    payload = RecordPrediction(photo_id, release_id, prediction, shadow=shadow).to_payload()
    return RecordPrediction.from_payload(payload)


@pytest.fixture(autouse=True)
def _toy_1(api):
    register_release(api.parts.database, api.clock, Release(None, a_manifest(), "sha256:" + "1" * 64), "real")


@pytest.fixture
def waiting(api):
    """A case and its photo, which nobody has answered."""
    case_id, photo_id = api.put_case(), new_id()
    assert api.put_photo(case_id, a_good_png(), photo_id).status_code == 201
    return case_id, photo_id
