"""At the bench: whose tube it is and no word of a score, what a line would do, and the day with its corrections."""

import pytest

from backend.services.specimen_barcode import grouped, new_barcode
from pallor.ids import new_id
from tests.support.api import technician
from tests.support.builders import a_report_body, a_result_body
from tests.support.explain import score
from tests.support.synthetic import a_good_png

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

TUBE, OTHER = new_barcode(), new_barcode()


def test_a_tube_waits_until_its_value_is_in_and_is_found_by_its_number_before_and_after(api):
    case_id = api.put_case(specimen_barcode=TUBE, subject_code="A-017")
    api.put_case(subject_code="A-018")
    assert [one["subject_code"] for one in specimens(api)] == ["A-018", "A-017"]
    assert [one["subject_code"] for one in specimens(api, "?only_tubes=true")] == ["A-017"]
    for elsewhere in ("school", "tamale-1"):
        assert specimens(api, f"?site={elsewhere}") == []
    api.report(specimen_barcode=TUBE)
    assert [one["subject_code"] for one in specimens(api)] == ["A-018"]
    for number in (TUBE, grouped(TUBE), TUBE.lower(), case_id):
        (found,) = specimens(api, f"?number={number}")
        assert [result["hb_g_per_l"] for result in found["results"]] == ["104.0"]
    assert specimens(api, f"?number={OTHER}") == []


def test_blood_that_is_asked_for_again_says_why(api):
    api.put_case(specimen_barcode=TUBE)
    api.report(specimen_barcode=TUBE, status="specimen-rejected", hb=None, rejected_because="clotted")
    assert [one["recollect"]["reason"] for one in specimens(api)] == ["clotted"]


def test_of_a_score_nothing_is_told_before_the_value_is_in(api):
    case_id, photo_id = api.put_case(specimen_barcode=TUBE), new_id()
    assert api.put_photo(case_id, a_good_png(seed=11), photo_id).status_code == 201
    score(api, photo_id)
    seen = api.call("GET", f"/lab-specimens?number={TUBE}", "lab")
    assert photo_id not in seen.text
    assert not {"advice", "probability", "photos", "status", "label"} & seen.json["items"][0].keys()
    explained = f"/cases/{case_id}/photos/{photo_id}/explanation"
    assert api.call("GET", explained, "lab").status_code == 409
    api.report(specimen_barcode=TUBE)
    assert specimens(api, f"?number={TUBE}")[0]["scored_photos"] == [photo_id]
    assert api.call("GET", explained, "lab").status_code == 200


def test_a_line_is_seen_in_grams_per_litre_before_it_is_recorded(api):
    api.put_case(specimen_barcode=TUBE)
    said = a_report_body(specimen_barcode=TUBE, hb={"value": "12.3", "unit": "g/dL"}, device="XN-350", method="Ama!")
    seen = api.call("POST", "/lab-reports/preview", "lab", json=said).json
    assert (seen["fate"], seen["hb_value"], seen["hb_g_per_l"], seen["unusual"]) == ("recorded", "12.3", "123.0", False)
    assert (seen["specimen"], seen["device"], seen["method"]) == ("venous", "XN-350", None)
    assert api.call("POST", "/lab-reports", "lab", json=said).status_code == 201
    assert api.call("POST", "/lab-reports/preview", "lab", json=said).json["fate"] == "repeated"
    bare = api.call("POST", "/lab-reports/preview", "lab", json=said | {"hb": {"value": "12.3"}})
    assert (bare.status_code, bare.json["code"]) == (422, "hb-unit-missing")


def test_the_day_sheet_tells_each_value_with_its_correction_and_what_was_taken_back(api):
    first, second = api.put_case(specimen_barcode=TUBE), api.put_case(specimen_barcode=OTHER)
    old = api.report(specimen_barcode=TUBE).json["result_id"]
    better = new_id()
    said = a_result_body(first, hb={"value": "11.4", "unit": "g/dL"}, supersedes=old, reason="read from the wrong line")
    assert api.call("PUT", f"/lab-results/{better}", None, json=said, headers=mine(api)).status_code == 201
    api.report(specimen_barcode=OTHER, status="specimen-rejected", hb=None, rejected_because="clotted")
    api.report(specimen_barcode=new_barcode())
    undo = {"kind": "entered-in-error", "reason": "of another person"}
    assert api.call("PUT", f"/lab-results/{better}/retraction", "lab", json=undo).status_code == 200
    entries = day(api)
    assert [(one["kind"], one["case_id"], one["reason"]) for one in entries] == [
        ("result", first, None), ("correction", first, "read from the wrong line"), ("recollect", second, "clotted"),
        ("waiting", None, "case-not-here"), ("retraction", first, "of another person"),
    ]  # fmt: skip
    assert (entries[0]["superseded"], entries[1]["corrects_value"], entries[1]["retracted"]) == (
        True, "10.4", "entered-in-error",
    )  # fmt: skip
    assert (entries[0]["by"], entries[1]["by"].startswith("technician-")) == ("test-lab", True)
    assert day(api, "?day=2020-01-01") == []
    for unfit in ("0001-01-01", "9999-12-31", "Ama Mensah"):
        assert api.call("GET", f"/lab-day?day={unfit}", "lab").status_code == 422
    assert [one["kind"] for one in day(api, f"{today(api)}&site=school")] == ["waiting"]
    assert day(api, f"{today(api)}&site=tamale-1") == api.get("/lab-reports?site=tamale-1", "lab")["items"] == []


def specimens(api, query=""):
    return api.get(f"/lab-specimens{query}", "lab")["items"]


def today(api):
    return f"?day={api.clock.now():%Y-%m-%d}"


def day(api, query=None):
    return api.get(f"/lab-day{query or today(api)}", "lab")["entries"]


def mine(api):
    return {"Authorization": f"Bearer {technician(api)}"}
