"""Answers are shown once; a laboratory value becomes a label that follows what is on record."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from backend.db.tables import photos
from backend.services.record_prediction import record_prediction, record_predictions
from backend.services.register_release import register_release
from backend.services.report_worker import report_worker
from backend.sweeper import keep_house, resend_waiting, write_labels
from pallor.digest import canonical_json
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from pallor.release.shelf import Release
from tests.support.builders import NOON, a_manifest, a_prediction, a_report
from tests.support.synthetic import a_good_png


@pytest.fixture
def toy_1(api):
    """Release toy-1 is registered."""
    register_release(api.parts.database, api.clock, Release(None, a_manifest(), "sha256:" + "1" * 64), "real")


@pytest.fixture
def scored(api, toy_1):
    """A case whose photo was answered by release toy-1."""
    case_id, photo_id = api.put_case(), new_id()
    assert api.put_photo(case_id, a_good_png(), photo_id).status_code == 201
    _answer(api, photo_id)
    return case_id, photo_id


def _answer(api, photo_id, release_id="toy-1", probability=0.8):
    prediction = replace(a_prediction(probability), photo_id=photo_id, release_id=release_id)
    payload = RecordPrediction(photo_id, release_id, prediction).to_payload()
    return record_prediction(api.parts.database, api.clock, RecordPrediction.from_payload(payload), "who-2024")


def _refuse(api, photo_id):
    refusal = RecordPrediction(photo_id, "toy-1", refusal="region-too-small")
    return record_prediction(api.parts.database, api.clock, refusal, "who-2024")


def test_an_answer_comes_home_and_the_advice_follows(api, scored):
    case = api.get(f"/cases/{scored[0]}")
    assert (case["status"], case["advice"]["code"]) == ("scored", "refer-for-blood-test")
    assert case["advice"]["reasons"] == ["not-cleared"]


def test_the_same_answer_twice_changes_nothing(api, scored):
    before = api.get("/changes")["items"]
    assert _answer(api, scored[1]) is False
    assert api.get("/changes")["items"] == before


def test_a_later_release_answers_beside_and_is_not_shown(api, scored):
    assert _answer(api, scored[1], "toy-2", 0.1) is True
    answers = {p["release_id"]: p["shown"] for p in api.get("/predictions")["items"]}
    assert answers == {"toy-1": True, "toy-2": False}


def test_an_answer_for_a_photo_that_is_not_here_is_let_go(api):
    assert _answer(api, new_id()) is False


def test_the_answer_of_an_unknown_release_refers(api, scored):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(seed=5), photo_id)
    _answer(api, photo_id, "never-heard-of", 0.01)
    assert api.get(f"/cases/{case_id}")["advice"]["reasons"] == ["release-unknown"]


def test_a_refusal_by_the_worker_asks_for_another_photo(api):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    assert _refuse(api, photo_id)
    case = api.get(f"/cases/{case_id}")
    assert (case["status"], case["photos"][0]["refusal"]) == ("retake", "region-too-small")
    assert case["photos"][0]["retake"]


def test_of_two_photos_the_one_that_looks_more_anaemic_counts(api):
    manifest = a_manifest(refer_low=1.0, refer_high=0.0)
    register_release(api.parts.database, api.clock, Release(None, manifest, "sha256:" + "1" * 64), "real")
    case_id = api.put_case()
    for seed, probability in ((1, 0.9), (2, 0.1)):
        photo_id = new_id()
        api.put_photo(case_id, a_good_png(seed=seed), photo_id)
        _answer(api, photo_id, probability=probability)
    from backend.services.read_records import show_case
    from tests.support.api import INVESTIGATIONAL

    assert max(p["probability"] for p in api.get("/predictions")["items"]) == 0.9
    assert show_case(api.parts.database, case_id, INVESTIGATIONAL).answer.probability == 0.9


def test_a_haemoglobin_confirms_the_case_and_becomes_a_label(api, scored):
    response = api.put_result(scored[0], hb={"value": "10.4", "unit": "g/dL"}, loinc="718-7")
    assert response.status_code == 201
    assert (response.json["hb_value"], response.json["hb_unit"], response.json["hb_g_per_l"]) == (
        "10.4",
        "g/dL",
        "104.0",
    )
    case = api.get(f"/cases/{scored[0]}")
    assert case["status"] == "confirmed"
    label = case["label"]
    assert (label["table"], label["severity"], label["anaemic"], label["altitude"]) == (
        "who-2024",
        "mild",
        True,
        "adjusted",
    )
    assert (label["eligible"], label["withheld"]) == (True, [])


def test_the_same_result_again_is_200_and_other_content_is_409(api, scored):
    result_id = new_id()
    assert api.put_result(scored[0], result_id).status_code == 201
    assert api.put_result(scored[0], result_id).status_code == 200
    other = api.put_result(scored[0], result_id, hb={"value": "11.4", "unit": "g/dL"})
    assert (other.status_code, other.json["code"]) == (409, "content-differs")
    assert "value" in other.json["faults"][0]["reason"]
    assert len(api.get("/labels")["items"]) == 1


def test_an_amendment_derives_the_label_anew_and_the_old_one_is_superseded(api, scored):
    api.put_result(scored[0])
    change = {"changes": {"subject": {"altitude_m": 2600}}, "reason": "asked again where they live"}
    api.call("PUT", f"/cases/{scored[0]}/amendments/{new_id()}", json=change)
    old, new = api.get("/labels")["items"]
    assert new["supersedes"] == old["label_id"]
    assert (old["adjusted_g_per_l"], new["adjusted_g_per_l"]) == ("104.0", "86.0")
    assert api.get(f"/cases/{scored[0]}")["label"]["label_id"] == new["label_id"]


def test_withdrawn_consent_to_training_withholds_the_label(api, scored):
    api.put_result(scored[0])
    said = {"purpose": "training", "given": False, "at": "2026-11-01T14:00:00Z", "wording": "withdraw-en-1"}
    assert api.call("PUT", f"/cases/{scored[0]}/consents/{new_id()}", json=said).status_code == 201
    assert api.get(f"/cases/{scored[0]}")["label"]["withheld"] == ["no-consent-to-training"]


def test_two_different_values_are_a_conflict_until_someone_decides(api, scored):
    api.put_result(scored[0])
    api.put_result(scored[0], hb={"value": "121", "unit": "g/L"})
    label = api.get(f"/cases/{scored[0]}")["label"]
    assert (label["hb_value"], label["withheld"]) == ("121", ["conflicting-values"])


def test_a_photo_that_comes_after_the_value_makes_the_label_eligible(api):
    case_id = api.put_case()
    api.put_result(case_id)
    assert api.get(f"/cases/{case_id}")["label"]["withheld"] == ["no-usable-photo"]
    api.put_photo(case_id, a_good_png())
    assert api.get(f"/cases/{case_id}")["label"]["eligible"] is True


def test_a_photo_the_worker_refuses_afterwards_takes_the_label_back(api):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    api.put_result(case_id)
    _refuse(api, photo_id)
    assert api.get(f"/cases/{case_id}")["label"]["withheld"] == ["no-usable-photo"]


def test_a_photo_that_is_answered_after_all_brings_the_label_back(api, toy_1):
    case_id, one, other = api.put_case(), new_id(), new_id()
    for seed, photo_id in enumerate((one, other)):
        assert api.put_photo(case_id, a_good_png(seed=seed), photo_id).status_code == 201
    api.put_result(case_id)
    _refuse(api, one)
    refused = RecordPrediction(other, "toy-1", refusal="region-too-small")
    answered = RecordPrediction(one, "toy-1", a_prediction(photo_id=one))
    assert len(record_predictions(api.parts.database, api.clock, [answered, refused], "who-2024")) == 2
    label = api.get(f"/cases/{case_id}")["label"]
    assert (label["eligible"], label["withheld"]) == (True, [])


def test_labels_are_written_once_each_into_their_day(api, scored):
    api.put_result(scored[0])
    assert write_labels(api.parts.database, api.parts.store, api.clock) == 1
    assert write_labels(api.parts.database, api.parts.store, api.clock) == 0
    (label,) = api.get("/labels")["items"]
    assert label["written"] is True
    (key,) = api.parts.store.keys("labels/")
    assert key == f"labels/v1/dt=2026-11-01/{label['label_id']}.json"
    record = api.parts.store.get(key)
    assert b'"g_per_l":"104.0"' in record
    assert b"A-017" not in record  # the subject's code stays in the database


def test_a_label_record_is_canonical_json(api, scored):
    import json

    api.put_result(scored[0])
    write_labels(api.parts.database, api.parts.store, api.clock)
    record = api.parts.store.get(next(api.parts.store.keys("labels/")))
    assert canonical_json(json.loads(record)) == record


def test_what_waits_too_long_is_sent_again_and_what_is_answered_is_not(api, scored):
    photo_id = new_id()
    api.put_photo(api.put_case(), a_good_png(seed=3), photo_id)
    api.sent.clear()
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 0
    api.clock.move(seconds=61)
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 1
    assert [message.photo_id for message in api.sent] == [photo_id]
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 0


def test_a_dead_broker_is_tried_again_in_the_next_round(api):
    api.put_photo(api.put_case(), a_good_png())
    api.clock.move(seconds=61)
    assert resend_waiting(api.parts.database, api.clock, lambda _: False, 60) == 0
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 1


def test_the_database_itself_refuses_a_second_shown_answer(api, scored):
    from sqlalchemy.exc import IntegrityError

    from backend.db.tables import predictions

    _answer(api, scored[1], "toy-2", 0.1)
    with pytest.raises(IntegrityError), api.parts.database.write() as tx:
        tx.execute(update(predictions).values(shown=True))


def _report(api, **facts):
    report_worker(api.parts.database, api.clock, a_report(**facts))


def test_ready_only_after_a_worker_answered_the_golden_photos(api, toy_1):
    assert api.call("GET", "/health/ready", "admin").status_code == 503
    _report(api)
    ready = api.call("GET", "/health/ready", "admin")
    assert (ready.status_code, ready.json["workers"][0]["max_difference"]) == (200, 0.001)


def test_a_release_that_is_not_registered_is_told_with_what_to_do(api):
    _report(api, release_id="brought-by-hand")
    ready = api.call("GET", "/health/ready", "admin")
    assert ready.status_code == 503
    assert "release-add" in ready.json["faults"][0]


def test_a_worker_with_a_fault_or_a_stale_report_does_not_count(api, toy_1):
    _report(api, fault="golden photo 3 is 0.2 off")
    faulty = api.call("GET", "/health/ready", "admin")
    assert (faulty.status_code, faulty.json["faults"]) == (503, ["w-1: golden photo 3 is 0.2 off"])
    _report(api)
    api.clock.move(seconds=91)
    assert api.call("GET", "/health/ready", "admin").status_code == 503


def test_a_worker_that_may_not_serve_is_told_of_while_another_can(api, toy_1):
    _report(api)
    _report(api, worker="w-2", fault="engine-disagrees: far off")
    _report(api, worker="w-1/challenger", slot="challenger", fault="release-changed: int8.onnx is missing")
    ready = api.call("GET", "/health/ready", "admin")
    assert (ready.status_code, ready.json["faults"]) == (200, [])
    assert ready.json["warnings"] == [
        "w-2: engine-disagrees: far off", "w-1/challenger: release-changed: int8.onnx is missing",
    ]  # fmt: skip


def test_a_worker_on_another_engine_than_meant_is_ready_and_says_so_loudly(api, toy_1):
    _report(api, fallback="no-driver: cuInit says 100")
    ready = api.call("GET", "/health/ready", "admin")
    assert (ready.status_code, ready.json["warnings"]) == (200, ["w-1: no-driver: cuInit says 100"])
    assert ready.json["workers"][0]["fallback"] == "no-driver: cuInit says 100"


def test_a_workers_own_clock_decides_nothing(api, toy_1):
    _report(api, reported_at=NOON.replace(year=9000))
    assert api.call("GET", "/health/ready", "admin").status_code == 200
    api.clock.move(seconds=91)
    assert api.call("GET", "/health/ready", "admin").status_code == 503


def test_live_says_which_world(api):
    assert api.get("/health/live", "field") == {"live": True, "world": "real"}


def test_photos_whose_bytes_never_came_are_forgotten_after_a_month(api):
    case_id, data = api.put_case(), a_good_png()
    api.put_photo(case_id, data[:50], headers={"Upload-Length": str(len(data))})
    assert len(api.get(f"/cases/{case_id}")["photos"]) == 1
    api.clock.move(days=31)
    assert keep_house(api.parts.database, api.clock, "who-2024").uploads_discarded == 1
    assert api.get(f"/cases/{case_id}")["photos"] == []


def test_photo_states_are_the_ones_the_wire_knows(api, scored):
    with api.parts.database.read() as connection:
        assert connection.execute(photos.select()).one().state == "scored"


def test_a_wrong_result_is_superseded_and_both_stay_on_record(api, scored):
    wrong = api.put_result(scored[0], hb={"value": "10.4", "unit": "mmol/L"}).json["result_id"]
    right = api.put_result(scored[0], hb={"value": "10.4", "unit": "g/dL"}, supersedes=wrong)
    assert (right.status_code, right.json["supersedes"]) == (201, wrong)
    label = api.get(f"/cases/{scored[0]}")["label"]
    assert (label["hb_g_per_l"], label["withheld"], label["lab_result_id"]) == ("104.0", [], right.json["result_id"])
    assert api.get(f"/lab-results/{wrong}")["hb_unit"] == "mmol/L"


def test_a_result_is_corrected_once_and_only_within_its_case(api, scored):
    wrong = api.put_result(scored[0]).json["result_id"]
    elsewhere = api.put_result(api.put_case(), supersedes=wrong)
    assert (elsewhere.status_code, elsewhere.json["code"]) == (422, "cannot-supersede")
    assert api.put_result(scored[0], supersedes=wrong).status_code == 201
    assert api.put_result(scored[0], supersedes=wrong).json["code"] == "cannot-supersede"


@pytest.mark.parametrize("taken_at", ["2026-07-01T12:00:00Z", "2020-11-01T12:00:00Z"])
def test_blood_of_another_season_is_not_this_visits(api, scored, taken_at):
    response = api.put_result(scored[0], taken_at=taken_at)
    assert (response.status_code, response.json["code"]) == (422, "specimen-of-another-visit")


def test_severe_anaemia_in_the_laboratory_refers_at_once(api, scored):
    api.put_result(scored[0], hb={"value": "6.1", "unit": "g/dL"})
    advice = api.get(f"/cases/{scored[0]}")["advice"]
    assert (advice["code"], advice["reasons"]) == ("refer-now", ["severe-anaemia"])


def test_an_older_result_does_not_take_back_refer_now(api, scored):
    api.put_result(scored[0], hb={"value": "4.0", "unit": "g/dL"}, taken_at="2026-11-01T12:00:00Z")
    api.put_result(scored[0], hb={"value": "12.5", "unit": "g/dL"}, taken_at="2026-10-30T12:00:00Z")
    assert api.get(f"/cases/{scored[0]}")["advice"]["code"] == "refer-now"


def test_results_that_disagree_are_a_question_for_a_clinician(api, scored):
    api.put_result(scored[0])
    api.put_result(scored[0], hb={"value": "121", "unit": "g/L"})
    advice = api.get(f"/cases/{scored[0]}")["advice"]
    assert (advice["code"], advice["reasons"]) == ("follow-laboratory-result", ["conflicting-results"])


def test_a_value_just_below_a_cut_off_stays_below_it(api, scored):
    api.put_result(scored[0], hb={"value": "109.96", "unit": "g/L"})
    label = api.get(f"/cases/{scored[0]}")["label"]
    assert (label["hb_g_per_l"], label["anaemic"]) == ("109.96", True)
