"""What laboratories report is matched by what they were given, kept until its case comes, and never guessed."""

import pytest
from sqlalchemy import select

from backend.db.tables import audit_values, device_sites, lab_report_sites, lab_reports
from backend.services.audit import verify_audit
from backend.services.receive_report import Laboratory
from backend.services.records import standing_results
from backend.services.settle_waiting import settle_waiting
from backend.services.specimen_barcode import grouped, new_barcode
from backend.services.submit_case import submit_case
from backend.sweeper import keep_house, sweep
from pallor.ids import new_id
from tests.support.api import PRACTICE, staff_of, the_fault
from tests.support.builders import a_case, a_report_body

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_report_finds_its_case_by_the_barcode_and_becomes_its_label(api):
    tube = new_barcode()
    case_id = api.put_case(specimen_barcode=grouped(tube))
    done = api.report(specimen_barcode=tube, sex="female", age_years=2, method="Sysmex XN-350", device="XN-350")
    assert (done.status_code, done.json["state"], done.json["case_id"]) == (201, "recorded", case_id)
    result = api.get(f"/lab-results/{done.json['result_id']}")
    assert (result["hb_value"], result["hb_unit"], result["hb_g_per_l"]) == ("10.4", "g/dL", "104.0")
    assert (result["method"], result["device"], result["performer"]) == ("Sysmex XN-350", "XN-350", "laboratory")
    assert (result["counts_for_clearance"], result["unusual"]) == (True, False)
    assert api.get(f"/cases/{case_id}")["label"]["lab_result_id"] == done.json["result_id"]


def test_a_report_finds_its_case_by_the_cases_id(api):
    case_id = api.put_case()
    assert api.report(case_id=case_id).json["state"] == "recorded"


def test_the_same_report_again_is_the_same_report(api):
    case_id, body = api.put_case(), a_report_body()
    first = api.report(case_id=case_id, **body)
    again = api.report(case_id=case_id, **body)
    assert (first.status_code, again.status_code, again.json["repeated"]) == (201, 200, True)
    assert first.json["result_id"] == again.json["result_id"]
    assert values(api, case_id) == ["10.4"]


def test_an_early_report_waits_for_its_case_and_is_recorded_when_it_comes(api):
    tube = new_barcode()
    early = api.report(specimen_barcode=tube)
    assert (early.status_code, early.json["state"], early.json["reason"]) == (202, "waiting", "case-not-here")
    case_id = api.put_case(specimen_barcode=tube)
    assert values(api, case_id) == ["10.4"]
    assert api.get("/lab-reports")["items"] == []


@on_sqlite
def test_a_line_about_a_known_case_is_for_that_cases_site_alone(api):
    case_id, (_, elsewhere) = api.put_case(), staff_of(api, PRACTICE)
    api.report(case_id=case_id, business_id="L-1")
    assert (
        api.report(case_id=case_id, business_id="L-1", hb={"value": "9.8", "unit": "g/dL"}).json["state"] == "worklist"
    )
    api.tokens["elsewhere"] = elsewhere
    for path in ("/lab-reports", "/lab-day?day=2026-11-01"):
        kept = api.get(path, "lab"), api.get(path, "elsewhere")
        assert [any("9.8" in str(said) for said in one.values()) for one in kept] == [True, False]


@pytest.mark.parametrize("spell", [str, grouped])
def test_what_a_request_left_undone_the_sweeper_does(api, spell):
    tube, case_id = new_barcode(), new_id()
    for named in ({"specimen_barcode": tube}, {"case_id": case_id, "hb": {"value": "104", "unit": "g/L"}}):
        assert api.report(**named).json["state"] == "waiting"
    case = a_case(id=case_id, specimen_barcode=spell(tube))
    submit_case(api.parts.database, api.clock, case, within=None, by="operator")
    swept = sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)
    assert (swept.lab_reports_settled, sorted(values(api, case_id))) == (2, ["10.4", "104"])


def test_a_subject_code_and_a_day_are_for_a_human_to_confirm(api):
    case_id = api.put_case(subject_code="A-017")
    api.put_case(subject_code="A-018")
    line = api.report(subject_code="a-017", visited_on="2026-11-01")
    assert (line.status_code, line.json["reason"]) == (202, "needs-confirmation")
    (open_line,) = api.get("/lab-reports", "lab")["items"]
    (candidate,) = open_line["candidates"]
    assert (candidate["case_id"], candidate["sex"], candidate["age_months"]) == (case_id, "female", 30)
    assert (open_line["hb_value"], open_line["subject_code"], open_line["visited_on"]) == (
        "10.4",
        "A-017",
        "2026-11-01",
    )
    assert values(api, case_id) == []
    assert api.decide(line.json["report_id"], case_id=case_id).json["state"] == "recorded"
    assert api.decide(line.json["report_id"], case_id=case_id).status_code == 200
    assert values(api, case_id) == ["10.4"]


@on_sqlite
def test_a_subject_code_that_comes_early_waits_and_is_then_for_a_human(api):
    line = api.report(subject_code="A-017", visited_on="2026-11-01")
    assert line.json["state"] == "waiting"
    api.put_case(subject_code="A-017")
    assert [item["reason"] for item in api.get("/lab-reports")["items"]] == ["needs-confirmation"]


@on_sqlite
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"sex": "male"}, "sex-disagrees"),
        ({"age_years": 41}, "age-disagrees"),
        ({"age_months": 3}, "age-disagrees"),
        ({"subject_code": "B-1"}, "subject-code-disagrees"),
        ({"specimen_barcode": new_barcode()}, "barcode-disagrees"),
        ({"taken_at": "2026-07-01T12:00:00Z"}, "specimen-of-another-visit"),
    ],
)
def test_a_report_that_speaks_of_somebody_else_is_on_the_worklist_and_never_recorded(api, said, why):
    case_id = api.put_case(specimen_barcode=new_barcode())
    line = api.report(case_id=case_id, **said)
    assert (line.status_code, line.json["state"], line.json["reason"]) == (202, "worklist", why)
    refused = api.decide(line.json["report_id"], case_id=case_id)
    assert the_fault(refused)[:2] == (409, "case-disagrees")
    assert values(api, case_id) == []


def test_when_the_case_was_wrong_its_amendment_lets_the_report_in(api):
    case_id = api.put_case()
    api.report(case_id=case_id, sex="male")
    change = {"changes": {"subject": {"sex": "male"}}, "reason": "misheard"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change).status_code == 201
    assert values(api, case_id) == ["10.4"]


def test_one_barcode_on_two_cases_is_for_a_human(api):
    tube = new_barcode()
    cases = [api.put_case(specimen_barcode=tube), api.put_case(specimen_barcode=tube)]
    line = api.report(specimen_barcode=tube)
    assert line.json["reason"] == "several-cases"
    assert {found["case_id"] for found in api.get("/lab-reports")["items"][0]["candidates"]} == set(cases)
    api.decide(line.json["report_id"], case_id=cases[1])
    assert [values(api, case_id) for case_id in cases] == [[], ["10.4"]]


@on_sqlite
def test_a_machine_decides_nothing(api):
    line = api.report(subject_code="A-017", visited_on="2026-11-01").json["report_id"]
    response = api.call("PUT", f"/lab-reports/{line}/decision", "lab", json={"dismiss": "nobody here"})
    assert the_fault(response)[:2] == (403, "sign-in-needed")


def test_what_a_human_dismissed_is_settled_and_forgotten(api):
    line = api.report(subject_code="A-017", visited_on="2026-11-01").json["report_id"]
    assert api.decide(line, dismiss="of another clinic").json["state"] == "dismissed"
    assert api.decide(line, dismiss="of another clinic").status_code == 200
    assert the_fault(api.decide(line, case_id=api.put_case()))[:2] == (409, "report-settled")
    with api.parts.database.read() as connection:
        assert connection.execute(select(lab_reports.c.content)).scalar() is None


@on_sqlite
@pytest.mark.parametrize("said", [{}, {"case_id": new_id(), "dismiss": "both at once"}])
def test_a_decision_is_one_of_two(api, said):
    line = api.report(subject_code="A-017", visited_on="2026-11-01").json["report_id"]
    assert the_fault(api.decide(line, **said))[:2] == (422, "decision-unclear")


@on_sqlite
@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({}, "nothing-to-match-by", "specimen_barcode"),
        ({"subject_code": "A-017"}, "nothing-to-match-by", "specimen_barcode"),
        ({"specimen_barcode": "K7Q2M4X9TT"}, "barcode-unfit", "specimen_barcode"),
        ({"subject_code": "Amina Mensah", "visited_on": "2026-11-01"}, "subject-code-unfit", "subject_code"),
        ({"hb": None, "case_id": new_id()}, "value-missing", "hb"),
        ({"taken_at": None, "case_id": new_id()}, "drawn-when-missing", "taken_at"),
        ({"taken_at": "2030-01-01T00:00:00Z", "case_id": new_id()}, "moment-in-future", "taken_at"),
        ({"hb": {"value": "<7", "unit": "g/dL"}, "case_id": new_id()}, "hb-only-a-bound", "hb.value"),
        ({"hb": {"value": "104"}, "case_id": new_id()}, "hb-unit-missing", "hb.unit"),
        ({"loinc": "4548-4", "case_id": new_id()}, "not-haemoglobin", "loinc"),
        ({"loinc": "30352-9", "case_id": new_id()}, "specimen-contradicted", "specimen"),
        ({"age_months": 30, "age_years": 2, "case_id": new_id()}, "age-ambiguous", "age_years"),
        ({"business_id": " ", "case_id": new_id()}, "business-id-unfit", "business_id"),
        ({"visited_on": "yesterday", "subject_code": "A-017"}, "request-not-valid", "visited_on"),
    ],
)
def test_a_report_that_cannot_be_read_is_refused_and_repeats_no_name(api, said, code, field):
    response = api.report(**said)
    assert the_fault(response)[1:] == (code, the_fault(response)[2])
    assert (the_fault(response)[0], the_fault(response)[2]["field"]) == (422, field)
    assert "Amina" not in response.text
    assert everything(api) == []


@on_sqlite
def test_a_batch_answers_for_each_and_one_costs_no_other(api):
    case_id = api.put_case()
    good = a_report_body(case_id=case_id)
    items = [a_report_body(case_id=case_id, hb={"value": "6.1", "unit": "%"}), good, "Amina Mensah", good, {"x": "Ama"}]
    answers = api.call("POST", "/lab-reports/batch", "lab", json={"items": items}).json["items"]
    assert [answer["status"] for answer in answers] == [422, 201, 422, 200, 422]
    assert answers[0]["problem"]["code"] == "hb-unit-unknown"
    assert "Am" not in str(answers)
    assert values(api, case_id) == ["10.4"]


@on_sqlite
def test_names_and_whatever_else_was_sent_are_left_at_the_door(api, caplog):
    caplog.set_level("DEBUG")
    extra = {"patient_name": "MARK-name", "address": {"street": "MARK-street"}, "method": "seen by Dr. MARK <x@y>"}
    for body in ({"case_id": api.put_case()}, {"specimen_barcode": new_barcode()}, {}):
        api.report(business_id=f"MARK-{new_id()}", **extra, **body)
    assert "MARK" not in str(everything(api)) + caplog.text
    with api.parts.database.read() as connection:
        assert "MARK" not in str(connection.execute(select(audit_values.c.content)).all())


def test_what_lies_at_a_foreign_site_is_as_if_it_were_not_there(api):
    tube = new_barcode()
    case = a_case(site="tamale-1", specimen_barcode=tube)
    submit_case(api.parts.database, api.clock, case, within=None, by="operator")
    for named in ({"specimen_barcode": tube}, {"case_id": case.id}):
        assert api.report(**named).json["reason"] == "case-not-here"
    assert settle_waiting(Laboratory(api.parts.database, api.clock, "who-2024"), case.id) == 0


def test_a_specimen_that_is_no_good_is_asked_for_again_until_a_value_comes(api):
    tube = new_barcode()
    case_id = api.put_case(specimen_barcode=tube)
    cursor = api.get("/changes")["next"]
    no_value = {"hb": None, "loinc": None}
    said = api.report(status="specimen-rejected", rejected_because="haemolysed", specimen_barcode=tube, **no_value)
    assert (said.status_code, said.json["state"], said.json["case_id"]) == (201, "noted", case_id)
    assert api.get(f"/cases/{case_id}", "field")["recollect"]["reason"] == "haemolysed"
    assert [item["kind"] for item in api.get(f"/changes?cursor={cursor}", "field")["items"]] == ["recollect"]
    api.clock.move(hours=1)
    api.report(specimen_barcode=tube)
    case = api.get(f"/cases/{case_id}", "field")
    assert (case["recollect"], case["status"]) == (None, "confirmed")


def test_a_rejection_that_comes_early_reaches_its_case(api):
    tube = new_barcode()
    api.report(status="specimen-rejected", specimen_barcode=tube, hb=None)
    assert api.get(f"/cases/{api.put_case(specimen_barcode=tube)}")["recollect"]["reason"] == "other"


def test_what_waits_in_vain_is_let_go_after_a_season(api):
    api.report(specimen_barcode=new_barcode())
    api.clock.move(days=90)
    assert keep_house(api.parts.database, api.clock, "who-2024").lab_reports_let_go == 0
    api.clock.move(days=2)
    assert keep_house(api.parts.database, api.clock, "who-2024").lab_reports_let_go == 1
    assert everything(api) == []


def test_an_erasure_takes_what_waits_for_the_person_too(api):
    tube = new_barcode()
    mine, other = api.put_case(subject_code="MARK-1", specimen_barcode=grouped(tube)), api.put_case(subject_code="B-2")
    api.report(case_id=mine)
    api.report(specimen_barcode=tube, sex="male")
    api.report(subject_code="MARK-1", visited_on="2026-11-01")
    kept = api.report(case_id=other).json["report_id"]
    said = {"site": "kumasi-1", "subject_code": "MARK-1", "reason": "request"}
    assert api.call("PUT", f"/erasures/{new_id()}", "admin", json=said).status_code == 201
    assert [row.id for row in everything(api)] == [kept]
    with api.parts.database.read() as connection:
        left = str(connection.execute(select(audit_values.c.content)).all())
    assert "MARK-1" not in left
    assert grouped(tube) not in left
    assert tube not in left
    assert the_fault(api.report(case_id=mine))[:2] == (410, "case-erased")
    verify_audit(api.parts.database)


def test_only_those_of_its_site_see_what_is_open(api):
    line = api.report(subject_code="A-017", visited_on="2026-11-01").json["report_id"]
    with api.parts.database.write() as tx:
        tx.execute(lab_report_sites.delete())
        tx.execute(lab_report_sites.insert().values(report_id=line, site="tamale-1"))
    assert api.get("/lab-reports", "lab")["items"] == []
    assert len(api.get("/lab-reports", "admin")["items"]) == 1


@on_sqlite
def test_whoever_belongs_to_no_site_reports_nothing(api):
    with api.parts.database.write() as tx:
        tx.execute(device_sites.delete())
    assert the_fault(api.report(case_id=new_id()))[:2] == (422, "site-not-yours")


@on_sqlite
def test_a_sheet_of_labels_is_a_pdf(api):
    sheet = api.call("POST", "/specimen-labels", "field", json={"count": 2})
    assert (sheet.status_code, sheet.content_type, sheet.data[:5]) == (200, "application/pdf", b"%PDF-")


def values(api, case_id):
    """What stands for a case, as it was reported."""
    with api.parts.database.read() as connection:
        return [row.value for row in standing_results(connection, [case_id])]


def everything(api):
    with api.parts.database.read() as connection:
        return connection.execute(select(lab_reports)).all()
