"""After the visit: whom to call back, a critical value that somebody must acknowledge, and what the phone is told."""

import pytest
from sqlalchemy import func, select

from backend.db.tables import alerts, follow_ups
from backend.services.audit import export_audit
from backend.services.submit_case import submit_case
from backend.services.submit_lab_result import submit_lab_result
from backend.sweeper import sweep
from pallor.ids import new_id
from pallor.lab import LabResult, read_hb
from tests.support.api import FOREIGN, the_fault
from tests.support.builders import NOON, a_case
from tests.support.sealing import a_header, seal_and_send

CRITICAL, ANAEMIC, FINE = "6.9", "10.4", "13.1"


def _result(api, case_id, value, **facts):
    response = api.put_result(case_id, hb={"value": value, "unit": "g/dL"}, **facts)
    assert response.status_code == 201, response.text
    return response.json["result_id"]


def _result_of_operator(api, case_id):
    result = LabResult(new_id(), case_id, read_hb(CRITICAL, "g/dL"), NOON)
    submit_lab_result(api.parts.database, api.clock, result, "who-2024", within=None, by="operator")
    return result.id


def _say(api, case_id, state, at="2026-11-01T12:30:00Z", note=None, follow_up_id=None, role="field"):
    body = {"state": state, "at": at, "note": note}
    return api.call("PUT", f"/cases/{case_id}/follow-ups/{follow_up_id or new_id()}", role, json=body)


def _acknowledge(api, case_id, result_id, at="2026-11-01T12:45:00Z", role="field"):
    return api.call("PUT", f"/cases/{case_id}/alerts/{result_id}/acknowledgement", role, json={"at": at})


def _escalate(api, **after):
    api.clock.move(**after)
    parts = api.parts
    return sweep(parts.database, parts.store, api.clock, parts.send, 60, alert_hours=24.0).alerts_escalated


def _listed(api, query=""):
    return {item["case_id"]: item for item in api.get(f"/follow-ups{query}", "field")["items"]}


def test_whose_value_says_anaemia_is_to_be_called_without_anybodys_word(api):
    pale, fine, untested = (api.put_case(subject_code=f"A-{n}") for n in range(3))
    _result(api, pale, ANAEMIC)
    _result(api, fine, FINE)
    (one,) = _listed(api).values()
    assert (one["case_id"], one["subject_code"], one["severity"]) == (pale, "A-0", "mild")
    assert (one["follow_up"]["state"], one["follow_up"]["at"], one["alert"]) == ("to-call", None, None)
    cases = {case_id: api.get(f"/cases/{case_id}")["follow_up"] for case_id in (pale, fine, untested)}
    assert cases == {pale: one["follow_up"], fine: None, untested: None}


def test_the_newest_word_stands_also_when_an_older_one_arrives_later(api):
    case_id = api.put_case()
    assert _say(api, case_id, "referred", at="2026-11-01T12:50:00Z").status_code == 201
    assert _say(api, case_id, "to-call", at="2026-11-01T12:40:00Z", note="no-answer").status_code == 201
    follow_up = api.get(f"/cases/{case_id}")["follow_up"]
    assert (follow_up["state"], follow_up["recorded_by"]) == ("referred", "nurse@test-field")
    _say(api, case_id, "lost", at="2026-11-02T12:00:00Z")  # by a clock that is ahead
    api.clock.move(minutes=1)
    _say(api, case_id, "treated", at=api.clock.now().isoformat())
    assert _listed(api)[case_id]["follow_up"]["state"] == "treated"


def test_the_same_word_again_changes_nothing_and_another_under_its_id_is_a_conflict(api):
    case_id, follow_up_id = api.put_case(), new_id()
    said = [_say(api, case_id, state, follow_up_id=follow_up_id) for state in ("reached", "reached", "lost")]
    assert [answer.status_code for answer in said] == [201, 200, 409]
    other = api.put_case(subject_code="B-2")
    assert the_fault(_say(api, other, "reached", follow_up_id=follow_up_id))[:2] == (409, "id-taken")
    rows = [row for row in export_audit(api.parts.database) if row["action"] == "follow-up.record"]
    assert [row["content"]["new"]["state"] for row in rows] == ["reached"]


def test_the_list_is_asked_by_site_and_state_page_by_page(api):
    cases = [api.put_case(subject_code=f"A-{n}", site=site) for n, site in enumerate(["kumasi-1", "school"] * 2)]
    for case_id in cases:
        _say(api, case_id, "reached")
    _say(api, cases[2], "treated", at="2026-11-01T12:55:00Z")
    assert set(_listed(api, "?site=school")) == {cases[1], cases[3]}
    assert set(_listed(api, "?state=treated")) == {cases[2]}
    assert set(_listed(api, "?site=tamale-1")) == set()
    page = api.get("/follow-ups?limit=3")
    rest = api.get(f"/follow-ups?limit=3&cursor={page['next']}")
    assert [item["case_id"] for item in (*page["items"], *rest["items"])] == cases[::-1]


@pytest.mark.parametrize(
    "change", [{"state": "well"}, {"note": "her mother is Ama"}, {"at": "2031-01-01T00:00:00Z"}, {"at": None}]
)
def test_a_word_that_cannot_be_is_refused(api, change):
    body = {"state": "reached", "at": "2026-11-01T12:30:00Z"} | change
    response = api.call("PUT", f"/cases/{api.put_case()}/follow-ups/{new_id()}", json=body)
    assert the_fault(response)[0] == 422


def test_a_value_below_70_alarms_until_somebody_says_that_they_have_seen_it(api):
    case_id = api.put_case()
    result_id = _result(api, case_id, CRITICAL)
    alert = api.get(f"/cases/{case_id}")["alert"]
    assert (alert["result_id"], alert["state"], alert["acknowledged_at"]) == (result_id, "open", None)
    first, again = _acknowledge(api, case_id, result_id), _acknowledge(api, case_id, result_id, "2026-11-01T12:55:00Z")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert (first.json["state"], first.json["acknowledged_by"]) == ("acknowledged", "nurse@test-field")
    assert _escalate(api, hours=48) == 0
    (listed,) = api.get("/alerts", "field")["items"]
    assert (listed["hb_g_per_l"], listed["subject_code"], listed["state"]) == ("69.0", "A-017", "acknowledged")
    assert api.get("/alerts?state=open")["items"] == []


def test_70_itself_does_not_alarm(api):
    case_id = api.put_case()
    result_id = _result(api, case_id, "7.0")
    assert api.get(f"/cases/{case_id}")["alert"] is None
    assert the_fault(_acknowledge(api, case_id, result_id))[:2] == (404, "not-found")


def test_nobody_acknowledging_it_escalates_once_and_everybody_hears_of_it(api):
    case_id = api.put_case()
    result_id = _result(api, case_id, CRITICAL)
    assert _escalate(api, hours=23) == 0
    cursor = api.get("/changes?limit=200")["next"]
    assert (_escalate(api, hours=2), _escalate(api, hours=1)) == (1, 0)
    news = api.get(f"/changes?cursor={cursor}", "field")["items"]
    assert [(item["kind"], item["id"], item["case_id"]) for item in news] == [("alert", result_id, case_id)]
    (escalated,) = api.get("/alerts?state=escalated", "admin")["items"]
    assert escalated["escalated_at"] is not None
    late = _acknowledge(api, case_id, result_id)
    assert (late.status_code, late.json["state"], late.json["escalated_at"]) == (
        201, "acknowledged", escalated["escalated_at"],
    )  # fmt: skip
    actions = [(row["action"], row["person"]) for row in export_audit(api.parts.database) if "alert." in row["action"]]
    assert actions == [("alert.raise", None), ("alert.escalate", None), ("alert.acknowledge", "nurse")]


def test_a_value_that_was_corrected_alarms_no_more_and_both_reach_the_phone(api):
    case_id = api.put_case()
    wrong = _result(api, case_id, CRITICAL)
    right = _result(api, case_id, FINE, supersedes=wrong)
    case = api.get(f"/cases/{case_id}", "field")
    assert (case["alert"], case["follow_up"]) == (None, None)
    assert [(r["result_id"], r["hb_g_per_l"], r["superseded"]) for r in case["results"]] == [
        (wrong, "69.0", True),
        (right, "131.0", False),
    ]
    assert _escalate(api, hours=48) == 0
    assert api.get("/alerts")["items"] == []


def test_what_alarms_at_another_site_is_not_told(api):
    elsewhere = a_case(site=FOREIGN)
    submit_case(api.parts.database, api.clock, elsewhere, within=None, by="operator")
    mine = api.put_case()
    theirs = _result_of_operator(api, elsewhere.id)
    assert api.get("/alerts", "field")["items"] == api.get("/follow-ups", "field")["items"] == []
    assert [item["case_id"] for item in api.get("/alerts", "admin")["items"]] == [elsewhere.id]
    for case_id in (elsewhere.id, mine):  # nor by naming a case of one's own
        assert the_fault(_acknowledge(api, case_id, theirs))[:2] == (404, "not-found")


def test_both_come_in_sealed_from_a_locked_phone_and_by_no_other_door_of_it(api):
    case_id = api.put_case()
    result_id = _result(api, case_id, CRITICAL)
    word = {"state": "referred", "at": "2026-11-01T12:30:00Z", "note": "will-come"}
    sealed = a_header("follow-up", case_id=case_id, body=word, follow_up_id=new_id())
    seen = a_header("acknowledgement", case_id=case_id, body={"at": "2026-11-01T12:45:00Z"}, result_id=result_id)
    headers = {"Pallor-Person": "nurse", "Sealed-At": "2026-11-01T12:46:00Z"}
    answers = [seal_and_send(api, header, role="phone", headers=headers) for header in (sealed, seen)]
    assert [answer.status_code for answer in answers] == [201, 201]
    case = api.get(f"/cases/{case_id}")
    assert (case["follow_up"]["state"], case["alert"]["state"]) == ("referred", "acknowledged")
    assert the_fault(_say(api, case_id, "reached", role="phone"))[:2] == (403, "sign-in-needed")
    assert the_fault(_acknowledge(api, case_id, result_id, role="phone"))[:2] == (403, "sign-in-needed")


def test_an_erasure_takes_both(api):
    case_id = api.put_case(subject_code="E-1")
    _result(api, case_id, CRITICAL)
    _say(api, case_id, "reached")
    erasure = {"site": "kumasi-1", "subject_code": "E-1", "reason": "request"}
    assert api.call("PUT", f"/erasures/{new_id()}", "admin", json=erasure).status_code == 201
    with api.parts.database.read() as connection:
        left = [connection.execute(select(func.count()).select_from(table)).scalar() for table in (alerts, follow_ups)]
    assert left == [0, 0]
    assert the_fault(_say(api, case_id, "reached"))[:2] == (410, "case-erased")
