"""Consent is given for a visit and withdrawn for a person, and what follows from it follows at once."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from backend.db.tables import cases, consents, photos, predictions, upload_pieces
from backend.services.audit import export_audit
from backend.services.record_prediction import record_prediction
from backend.services.standing_consents import care_stands, standing_consents
from backend.sweeper import resend_waiting
from pallor.clock import utc_text
from pallor.consent import Purpose
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from tests.support.api import the_fault
from tests.support.builders import NOON, a_consent_body, a_prediction
from tests.support.synthetic import a_good_png


def _say(api, case_id, purpose, given, *, at=NOON + timedelta(hours=1), consent_id=None, role="field", **changes):
    body = {"purpose": purpose, "given": given, "at": utc_text(at), "wording": f"{purpose}-en-2"} | changes
    return api.call("PUT", f"/cases/{case_id}/consents/{consent_id or new_id()}", role, json=body)


def _consent(api, case_id):
    return api.get(f"/cases/{case_id}")["consent"]


def _answer(api, photo_id):
    message = RecordPrediction(photo_id, "toy-1", replace(a_prediction(0.8), photo_id=photo_id))
    return record_prediction(api.parts.database, api.clock, message, "who-2024")


def test_each_consent_is_on_record_with_its_date_and_wording(api):
    consent = _consent(api, api.put_case())
    assert consent["care"] == {
        "given": True, "at": "2026-11-01T11:55:00.000Z", "wording": "care-en-1", "withdrawn_at": None,
    }  # fmt: skip
    assert consent["training"]["wording"] == "training-en-1"


def test_consent_that_was_not_given_is_not_there(api):
    consent = _consent(api, api.put_case(consent=a_consent_body(training=False)))
    assert consent["training"] == {"given": False, "at": None, "wording": None, "withdrawn_at": None}


def test_a_statement_put_twice_is_put_once_and_another_under_its_id_is_a_conflict(api):
    case_id, consent_id = api.put_case(), new_id()
    first = _say(api, case_id, "training", False, consent_id=consent_id)
    again = _say(api, case_id, "training", False, consent_id=consent_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    other = _say(api, case_id, "training", True, consent_id=consent_id)
    assert (other.status_code, other.json["code"]) == (409, "content-differs")
    elsewhere = _say(api, api.put_case(), "training", False, consent_id=consent_id)
    assert "case_id" in the_fault(elsewhere)[2]["reason"]
    actions = [row["action"] for row in export_audit(api.parts.database)]
    assert actions.count("consent.withdraw") == 1


def test_giving_and_withdrawing_are_on_the_trail(api):
    case_id = api.put_case()
    _say(api, case_id, "training", False)
    _say(api, case_id, "training", True, at=NOON + timedelta(hours=1, microseconds=5))
    rows = [row for row in export_audit(api.parts.database) if row["action"].startswith("consent.")]
    assert [(row["action"], row["case_id"], row["person"]) for row in rows] == [
        ("consent.withdraw", case_id, "nurse"), ("consent.give", case_id, "nurse"),
    ]  # fmt: skip
    assert rows[0]["content"]["new"]["wording"] == "training-en-2"


def test_training_withdrawn_withholds_every_label_of_the_person_and_of_no_other(api):
    first, second, other = api.put_case(), api.put_case(), api.put_case(subject_code="B-1")
    for number, case_id in enumerate((first, second, other)):
        api.put_photo(case_id, a_good_png(seed=number))
        api.put_result(case_id)
    cursor = api.get("/changes")["next"]
    assert _say(api, second, "training", False).status_code == 201
    withheld = {case_id: api.get(f"/cases/{case_id}")["label"]["withheld"] for case_id in (first, second, other)}
    assert withheld == {first: ["no-consent-to-training"], second: ["no-consent-to-training"], other: []}
    news = api.get(f"/changes?cursor={cursor}")["items"]
    assert [(item["kind"], item["case_id"]) for item in news] == [
        (kind, case_id) for case_id in (first, second) for kind in ("consent", "label")
    ]  # fmt: skip
    assert _consent(api, first)["training"]["withdrawn_at"] == "2026-11-01T13:00:00.000Z"
    assert _consent(api, first)["care"]["given"] is True


def test_the_same_code_at_another_site_is_another_person(api):
    here, there = api.put_case(), api.put_case(site="school")
    _say(api, here, "care", False)
    assert _consent(api, there)["care"]["given"] is True


def test_a_visit_heard_of_later_with_an_older_consent_is_withdrawn_too(api):
    _say(api, api.put_case(), "training", False)
    late = api.put_case()
    assert _consent(api, late)["training"]["given"] is False
    assert _consent(api, late)["care"]["given"] is True


def test_a_new_consent_at_a_later_visit_stands(api):
    first = api.put_case()
    _say(api, first, "training", False)
    api.clock.move(hours=3)
    later = api.put_case(consent=a_consent_body(at="2026-11-01T15:00:00Z"))
    assert _consent(api, later)["training"]["given"] is True
    assert _consent(api, first)["training"]["given"] is False


def test_a_phone_whose_clock_is_ahead_does_not_outlast_a_withdrawal(api):
    first = api.put_case(consent=a_consent_body(at="2026-11-02T20:00:00Z"))
    api.clock.move(hours=2)
    _say(api, first, "care", False, at=NOON + timedelta(hours=2))
    assert _consent(api, first)["care"]["given"] is False


def test_a_phone_whose_clock_is_years_behind_still_withdraws(api):
    case_id = api.put_case()
    _say(api, case_id, "care", False, at=NOON - timedelta(days=2000))
    assert _consent(api, case_id)["care"]["given"] is False


def test_a_withdrawal_that_is_impossibly_old_holds_for_all_that_was_consented_to_before_it_came(api):
    first = api.put_case()
    api.clock.move(days=9)
    second = api.put_case(consent=a_consent_body(at="2026-11-10T12:00:00Z"))
    api.clock.move(days=6)
    _say(api, first, "care", False, at=datetime(1970, 1, 1, 0, 10, tzinfo=UTC))
    heard_of_later = api.put_case(consent=a_consent_body(at="2026-11-12T12:00:00Z"))
    for case_id in (first, second, heard_of_later):
        assert [_consent(api, case_id)[purpose]["given"] for purpose in ("care", "training")] == [False, False]
    assert the_fault(api.put_photo(second, a_good_png()))[:2] == (409, "consent-withdrawn")
    api.clock.move(hours=1)
    after = api.put_case(consent=a_consent_body(at=utc_text(api.clock.now())))
    assert _consent(api, after)["care"]["given"] is True


def test_a_possible_withdrawal_that_comes_late_leaves_what_was_said_after_it(api):
    first = api.put_case()
    api.clock.move(days=9)
    second = api.put_case(consent=a_consent_body(at="2026-11-10T12:00:00Z"))
    _say(api, first, "care", False, at=NOON + timedelta(days=4))
    assert [_consent(api, case_id)["care"]["given"] for case_id in (first, second)] == [False, True]


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, 0, 10, tzinfo=UTC), NOON - timedelta(minutes=4)])
def test_care_withdrawn_by_a_wrong_clock_and_given_again_does_not_give_training_again(api, at):
    care = {"given_at": "2026-11-01T11:55:00Z", "wording": "care-en-1"}
    training = {"given_at": "2026-11-01T11:57:00Z", "wording": "training-en-1"}
    case_id = api.put_case(consent={"care": care, "training": training})
    _say(api, case_id, "care", False, at=at)
    api.clock.move(minutes=10)
    _say(api, case_id, "care", True, at=api.clock.now())
    assert [_consent(api, case_id)[purpose]["given"] for purpose in ("care", "training")] == [True, False]


def test_a_yes_by_a_clock_that_is_ahead_does_not_answer_a_withdrawal_on_record(api):
    first = api.put_case()
    api.clock.move(hours=2)
    _say(api, first, "training", False, at=api.clock.now())
    api.clock.move(minutes=1)
    _say(api, first, "care", False, at=api.clock.now())
    api.clock.move(hours=1)
    ahead = api.clock.now() + timedelta(hours=20)
    late = api.put_case(consent=a_consent_body(at=utc_text(ahead)))
    _say(api, first, "care", True, at=ahead)
    for case_id in (first, late):
        assert [_consent(api, case_id)[purpose]["given"] for purpose in ("care", "training")] == [False, False]
    _say(api, late, "care", True, at=api.clock.now() + timedelta(minutes=2))  # a clock as good as right
    assert _consent(api, late)["care"]["given"] is True
    assert _consent(api, first)["care"]["given"] is False


def test_without_care_no_photo_comes_in_and_what_had_come_of_one_is_dropped(api):
    case_id, data, begun = api.put_case(), a_good_png(), new_id()
    api.put_photo(case_id, data[:100], begun, headers={"Upload-Length": str(len(data))})
    _say(api, case_id, "care", False)
    with api.parts.database.read() as connection:
        assert connection.execute(select(upload_pieces)).all() == connection.execute(select(photos)).all() == []
    for photo_id in (begun, new_id()):
        assert the_fault(api.put_photo(case_id, data, photo_id))[:2] == (409, "consent-withdrawn")
    assert list(api.parts.store.keys()) == []


def test_a_photo_that_arrived_before_is_still_known_to_its_phone(api):
    case_id, data, photo_id = api.put_case(), a_good_png(), new_id()
    assert api.put_photo(case_id, data, photo_id).status_code == 201
    _say(api, case_id, "care", False)
    assert api.put_photo(case_id, data, photo_id).status_code == 200


def test_without_care_a_waiting_photo_is_not_sent_again_and_a_late_answer_is_let_go(api):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    _say(api, case_id, "care", False)
    api.clock.move(seconds=100)
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 0
    assert _answer(api, photo_id) is False
    with api.parts.database.read() as connection:
        assert connection.execute(select(predictions)).all() == []
    advice = api.get(f"/cases/{case_id}")["advice"]
    assert (advice["code"], advice["reasons"]) == ("refer-for-blood-test", ["consent-withdrawn"])


def test_given_again_the_waiting_photo_is_scored_after_all(api):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    _say(api, case_id, "care", False)
    api.clock.move(seconds=100)
    _say(api, case_id, "care", True, at=NOON + timedelta(hours=1, seconds=90))
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 1
    assert _answer(api, photo_id) is True
    assert _consent(api, case_id)["training"]["given"] is False


def test_without_care_a_laboratory_value_is_taken_and_decides_the_advice(api):
    case_id = api.put_case()
    api.put_photo(case_id, a_good_png())
    _say(api, case_id, "care", False)
    assert api.put_result(case_id, hb={"value": "6.1", "unit": "g/dL"}).status_code == 201
    case = api.get(f"/cases/{case_id}")
    assert case["advice"]["code"] == "refer-now"
    assert case["label"]["withheld"] == ["no-consent-to-training"]


def test_a_locked_phone_delivers_a_withdrawal_and_an_administrator_may_record_one(api):
    case_id = api.put_case()
    delivered = api.call(
        "PUT", f"/cases/{case_id}/consents/{new_id()}", "phone", headers={"Pallor-Person": "nurse"},
        json={"purpose": "training", "given": False, "at": utc_text(NOON), "wording": "training-en-1"},
    )  # fmt: skip
    assert (delivered.status_code, delivered.json["recorded_by"]) == (201, "nurse~test-field")
    assert _say(api, case_id, "care", False, role="admin").status_code == 201


def test_a_withdrawal_to_come_is_a_wrong_clock(api):
    response = _say(api, api.put_case(), "care", False, at=NOON + timedelta(days=9))
    assert (response.status_code, response.json["code"]) == (422, "moment-in-future")


def test_no_statement_about_a_case_that_is_not_there(api):
    assert _say(api, new_id(), "care", False).status_code == 404


def test_an_amendment_says_nothing_of_consent(api):
    change = {"changes": {"consent": None}, "reason": "the mother changed her mind"}
    response = api.call("PUT", f"/cases/{api.put_case()}/amendments/{new_id()}", json=change)
    assert response.status_code == 422


@pytest.mark.parametrize("seed", range(3))
def test_the_sweepers_question_has_the_kernels_answer(api, seed):
    chance, moments = random.Random(seed), [NOON + timedelta(minutes=m) for m in range(3)]
    case_ids = [api.put_case(subject_code=f"C-{number % 6}") for number in range(20)]
    api.clock.move(hours=1)
    with api.parts.database.write() as tx:
        for case_id in case_ids:
            code = tx.execute(select(cases.c.subject_code).where(cases.c.id == case_id)).scalar_one()
            for _ in range(chance.randrange(3)):
                moment = chance.choice(moments)
                tx.execute(consents.insert().values(
                    id=new_id(), case_id=case_id, site="kumasi-1", subject_code=code, given=chance.random() < 0.5,
                    purpose=chance.choice(["care", "training"]), at=moment, counts_from=moment, wording="x",
                    recorded_at=moment, recorded_by="x",
                ))  # fmt: skip
    with api.parts.database.read() as connection:
        asked = set(connection.execute(select(cases.c.id).where(care_stands())).scalars())
        kernel = {c for c, found in standing_consents(connection, case_ids).items() if found[Purpose.CARE].given}
    assert asked == kernel
    assert 0 < len(kernel) < len(case_ids)


def test_a_practice_case_is_marked_and_its_label_never_counts(api):
    case_id = api.put_case(site="school")
    api.put_photo(case_id, a_good_png())
    api.put_result(case_id)
    case = api.get(f"/cases/{case_id}")
    assert (case["practice"], case["label"]["practice"], case["label"]["withheld"]) == (True, True, ["practice-site"])
    assert api.get(f"/cases/{api.put_case()}")["practice"] is False


def test_practice_and_real_photos_do_not_warn_each_other(api):
    data = a_good_png()
    school = [api.put_case(site="school", subject_code=code) for code in ("S-1", "S-2")]
    real = api.put_case()
    for case_id in (*school, real):
        assert api.put_photo(case_id, data).status_code == 201
    assert api.get(f"/cases/{real}")["warnings"] == []
    assert api.get(f"/cases/{school[0]}")["photos"][0]["same_photo_cases"] == [school[1]]


def test_the_answers_of_practice_photos_are_marked(api):
    for site in ("school", "kumasi-1"):
        photo_id = new_id()
        api.put_photo(api.put_case(site=site), a_good_png(seed=len(site)), photo_id)
        _answer(api, photo_id)
    assert sorted(item["practice"] for item in api.get("/predictions")["items"]) == [False, True]
