"""Cases: PUT twice is PUT once, amended with a reason, read page by page."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from backend.db.tables import cases
from pallor.ids import new_id
from tests.support.api import the_fault
from tests.support.builders import a_case_body


def test_a_new_case_is_created_and_the_same_again_is_not(api):
    case_id, body = new_id(), a_case_body()
    first = api.call("PUT", f"/cases/{case_id}", json=body)
    again = api.call("PUT", f"/cases/{case_id}", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json


def test_the_same_facts_in_another_spelling_are_the_same_case(api):
    case_id = api.put_case(visited_at="2026-11-01T12:00:00Z")
    body = a_case_body(visited_at="2026-11-01T13:00:00.000+01:00", danger_signs=[])
    assert api.call("PUT", f"/cases/{case_id}", json=body).status_code == 200


def test_other_facts_under_the_same_id_are_a_conflict_that_names_them(api):
    case_id = api.put_case()
    body = a_case_body(sore_eye=True, subject={"age_months": 31, "sex": "female", "altitude_m": 200})
    status, code, fault = the_fault(api.call("PUT", f"/cases/{case_id}", json=body))
    assert (status, code) == (409, "content-differs")
    assert fault["reason"].endswith("different: sore_eye, subject.age_months")


def test_eight_clients_at_once_make_one_row(api):
    case_id, body = new_id(), a_case_body()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: api.call("PUT", f"/cases/{case_id}", json=body).status_code, range(8)))
    assert sorted(statuses) == [200] * 7 + [201]
    with api.parts.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(cases)).scalar() == 1


def test_a_repeat_after_an_amendment_is_still_the_same_case(api):
    case_id = api.put_case()
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change).status_code == 201
    assert api.call("PUT", f"/cases/{case_id}", json=a_case_body()).status_code == 200
    assert api.get(f"/cases/{case_id}")["sore_eye"] is True


def test_an_amendment_keeps_what_was_and_repeats_harmlessly(api):
    case_id, amendment_id = api.put_case(), new_id()
    change = {"changes": {}, "forget": ["subject.altitude_m"], "reason": "they live elsewhere"}
    first = api.call("PUT", f"/cases/{case_id}/amendments/{amendment_id}", json=change)
    again = api.call("PUT", f"/cases/{case_id}/amendments/{amendment_id}", json=change)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["before"]["subject"]["altitude_m"] == 200
    assert first.json["after"]["subject"]["altitude_m"] is None
    assert first.json["made_by"] == "nurse@test-field"
    assert api.get(f"/cases/{case_id}")["amended"] is True


def test_another_amendment_under_the_same_id_is_a_conflict(api):
    case_id, amendment_id = api.put_case(), new_id()
    path = f"/cases/{case_id}/amendments/{amendment_id}"
    api.call("PUT", path, json={"changes": {"sore_eye": True}, "reason": "looked again"})
    status, code, _ = the_fault(api.call("PUT", path, json={"changes": {"sore_eye": False}, "reason": "looked again"}))
    assert (status, code) == (409, "content-differs")


def test_an_amendment_changes_only_what_it_names(api):
    case_id = api.put_case(severe_pallor=True)
    change = {"changes": {"sore_eye": True}, "reason": "looked again"}
    api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change)
    assert api.get(f"/cases/{case_id}")["severe_pallor"] is True


def test_a_client_that_fills_in_every_field_with_null_erases_nothing(api):
    case_id = api.put_case(danger_signs=["lethargic"])
    nothing = {"age_months": None, "sex": None, "pregnancy": None, "trimester": None, "altitude_m": None}
    facts = ("visited_at", "danger_signs", "severe_pallor")
    changes = {"subject": nothing, "sore_eye": True} | dict.fromkeys(facts)
    body = {"changes": changes, "forget": [], "reason": "looked again"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=body).status_code == 201
    case = api.get(f"/cases/{case_id}")
    assert (case["danger_signs"], case["subject"]["age_months"], case["sore_eye"]) == (["lethargic"], 30, True)
    assert case["advice"]["code"] == "refer-now"


_EXPECTING = {"age_months": 300, "sex": "female", "pregnancy": "yes"}


def test_what_came_to_be_asked_later_is_on_record_as_it_was_said(api):
    subject = _EXPECTING | {
        "pregnancy_weeks": 20,
        "smoking": "<10",
        "altitude_m": 300,
        "altitude_source": "lives-at-site",
    }
    case = api.get(f"/cases/{api.put_case(subject=subject, specimen_barcode='VHMQYDY2YY')}")
    assert {name: case["subject"][name] for name in subject} == subject
    assert (case["subject"]["trimester"], case["specimen_barcode"]) == (2, "VHMQYDY2YY")


def test_smoking_is_a_fact_and_changes_no_label(api):
    adult, values = {"age_months": 300, "sex": "male", "altitude_m": 200}, []
    for number, smoking in enumerate((None, ">=20")):
        case_id = api.put_case(subject=adult | {"smoking": smoking}, subject_code=f"S-{number}")
        api.put_result(case_id, hb={"value": "13.1", "unit": "g/dL"})
        values.append(api.get(f"/cases/{case_id}")["label"]["adjusted_g_per_l"])
    assert values == ["131.0", "131.0"]


@pytest.mark.parametrize(
    "facts",
    [
        {"subject": _EXPECTING | {"pregnancy_weeks": 20, "trimester": 1}},
        {"subject": _EXPECTING | {"pregnancy_weeks": 60}},
        {"subject": _EXPECTING | {"pregnancy": "no", "pregnancy_weeks": 20}},
        {"subject": {"age_months": 30, "sex": "female", "smoking": "no"}},
        {"subject": _EXPECTING | {"smoking": "yes"}},
        {"subject": _EXPECTING | {"altitude_source": "residence"}},
        *({"specimen_barcode": barcode} for barcode in ("kum-1", "AMINA", "A1", "A1" * 13, "VHMQYDYY2Y")),
    ],
)
def test_what_came_to_be_asked_later_is_checked_and_no_barcode_is_repeated(api, facts):
    response = api.call("PUT", f"/cases/{new_id()}", json=a_case_body(**facts))
    assert the_fault(response)[0] == 422
    assert "AMINA" not in response.text


def test_weeks_are_amended_with_their_trimester_and_a_barcode_may_turn_out_to_be_wrong(api):
    case_id = api.put_case(subject=_EXPECTING | {"pregnancy_weeks": 12}, specimen_barcode="VHMQYDY2YY")
    body = {"changes": {"subject": {"pregnancy_weeks": 29}}, "forget": ["specimen_barcode"], "reason": "asked again"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=body).status_code == 201
    case = api.get(f"/cases/{case_id}")
    assert (case["subject"]["pregnancy_weeks"], case["subject"]["trimester"], case["specimen_barcode"]) == (29, 3, None)
    with api.parts.database.read() as connection:
        assert connection.execute(select(cases.c.specimen_barcode)).scalar_one() is None
    body = {
        "changes": {"specimen_barcode": "WTHRNAX24A"},
        "forget": ["subject.pregnancy_weeks"],
        "reason": "asked again",
    }
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=body).status_code == 201
    with api.parts.database.read() as connection:
        assert connection.execute(select(cases.c.specimen_barcode)).scalar_one() == "WTHRNAX24A"


@pytest.mark.parametrize("path", ["/cases", "/predictions", "/labels", "/changes"])
def test_an_empty_list_is_a_page(api, path):
    assert api.get(path)["items"] == []


def test_pages_of_cases_join_without_gap_or_repeat(api):
    made = [api.put_case() for _ in range(7)]
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/cases?limit=3{cursor and '&cursor=' + cursor}")
        found += [item["case_id"] for item in page["items"]]
        cursor = page["next"]
    assert found == made[::-1]


def test_the_feed_tells_what_changed_and_goes_on_from_its_cursor(api):
    case_id = api.put_case()
    page = api.get("/changes?limit=1")
    assert [(item["kind"], item["id"]) for item in page["items"]] == [("case", case_id)]
    assert api.get(f"/changes?cursor={page['next']}")["items"] == []
    result = api.put_result(case_id).json
    later = api.get(f"/changes?cursor={page['next']}")
    assert [(item["kind"], item["case_id"]) for item in later["items"]] == [("lab-result", case_id), ("label", case_id)]
    assert later["items"][0]["id"] == result["result_id"]


def test_readers_of_the_feed_miss_nothing_while_eight_writers_write(api):
    ids = [new_id() for _ in range(40)]
    seen, cursor = [], ""
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(api.put_case, case_id) for case_id in ids]
        last_look = False
        while not last_look:
            last_look = all(w.done() for w in writing)
            while (page := api.get(f"/changes?limit=5{cursor and '&cursor=' + cursor}"))["items"]:
                seen += [item["id"] for item in page["items"]]
                cursor = page["next"]
    assert sorted(seen) == sorted(ids)


def test_nobody_is_told_more_than_their_role_may_know(api):
    api.put_case()
    text = api.call("GET", "/cases", "field").text
    assert "probability" not in text
    for path, role in [("/predictions", "field"), ("/predictions", "lab"), ("/cases", "lab"), ("/labels", "field")]:
        assert api.call("GET", path, role).status_code == 403
