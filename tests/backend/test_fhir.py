"""FHIR R4: what laboratories' systems send is read right or refused by name, and what is answered is FHIR R4 itself."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from sqlalchemy import select

from backend.db.tables import audit_values, lab_reports, lab_results
from backend.services.records import standing_results
from backend.services.specimen_barcode import new_barcode
from backend.wire.fhir import parse, read_results
from backend.wire.fhir_observation import Around
from backend.wire.lab_line import to_line
from pallor.errors import Refused
from pallor.ids import new_id
from pallor.lab import Performer, Specimen
from pallor.reported import ReportStatus
from pallor.subject import Sex
from tests.support.fhir import a_bundle, an_observation

TUBE = new_barcode()
UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_an_observation_is_read_with_all_that_says_what_and_whose_it_is():
    line = the_line(an_observation(tube=TUBE, method={"text": "Sysmex"}, device={"display": "XN-350"}))
    assert (line.hb.value, line.hb.unit, line.loinc, line.status) == ("10.4", "g/dL", "718-7", ReportStatus.FINAL)
    assert (line.specimen, line.performer, line.method, line.device) == (
        Specimen.VENOUS, Performer.LABORATORY, "Sysmex", "XN-350",
    )  # fmt: skip
    assert (line.barcode, line.sex, line.age_months, line.subject_code) == (TUBE, Sex.FEMALE, (30, 30), None)
    assert (line.taken_at.hour, line.resulted_at.minute) == (13, 30)


@pytest.mark.parametrize(
    ("facts", "value", "g_per_l"),
    [
        ({"value": 104, "unit": "g/L"}, "104", "104.0"),
        ({"value": 6.45, "unit": "mmol/L", "loinc": "59260-0"}, "6.45", "103.93"),
        ({"valueQuantity": {"value": 10.4, "unit": "gm/dL"}}, "10.4", "104.0"),
        ({"valueQuantity": {"value": 10.4, "unit": "g/dl", "system": "http://unitsofmeasure.org", "code": "g/dL"}},
         "10.4", "104.0"),
        ({"loinc": "30350-3"}, "10.4", "104.0"),
        ({"loinc": "20509-6"}, "10.4", "104.0"),
    ],
)  # fmt: skip
def test_a_value_is_read_as_it_was_reported(facts, value, g_per_l):
    line = the_line(an_observation(tube=TUBE, **facts))
    assert (line.hb.value, str(line.hb.g_per_l)) == (value, g_per_l)


def test_every_digit_of_a_number_is_kept():
    data = json.dumps(an_observation(tube=TUBE)).replace("10.4", "10.40")
    (given,) = read_results(parse(data.encode(), "Observation"), UTC, None, Around())
    assert given.value == "10.40"


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"valueQuantity": {"value": 10.4}}, "hb-unit-missing"),
        ({"valueQuantity": None}, "value-missing"),
        ({"valueQuantity": {"value": 7, "comparator": "<", "unit": "g/dL"}}, "hb-only-a-bound"),
        ({"valueQuantity": {"value": 104, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/dL"}},
         "units-differ"),
        ({"valueQuantity": {"value": 10.4, "unit": "g/dL", "code": "g/dL"}}, "hb-unit-unknown"),
        ({"valueQuantity": {"value": 10.4, "unit": "g/L", "system": UCUM, "code": "MARK-NAME"}}, "hb-unit-unknown"),
        ({"interpretation": [{"coding": [{"code": ">"}]}]}, "hb-only-a-bound"),
        ({"code": {"coding": [{"system": LOINC, "code": code} for code in ("718-7", "4548-4")]}}, "not-haemoglobin"),
        ({"modifierExtension": [{"url": "urn:not-done", "valueBoolean": True}]}, "meaning-modified"),
        ({"basedOn": [{"identifier": {"system": "urn:pallor:case", "value": new_id()}} for _ in "12"]}, "named-twice"),
        ({"unit": "mmol/L"}, "loinc-unit-mismatch"),
        ({"loinc": "59260-0"}, "loinc-unit-mismatch"),
        ({"value": 104}, "hb-implausible"),
        ({"loinc": "4548-4"}, "not-haemoglobin"),
        ({"loinc": "786-4"}, "not-haemoglobin"),
        ({"code": {"text": "Haemoglobin"}}, "not-coded-as-haemoglobin"),
        ({"loinc": "30352-9"}, "specimen-contradicted"),
        ({"status": "preliminary"}, "observation-not-final"),
        ({"status": "nonsense"}, "observation-not-final"),
        ({"identifier": None}, "business-id-unfit"),
        ({"effectiveDateTime": "2026"}, "moment-unreadable"),
        ({"effectiveDateTime": None}, "drawn-when-missing"),
        ({"effectiveDateTime": "yesterday"}, "resource-unreadable"),
        ({"nonsense": 1}, "resource-unreadable"),
        ({"contained": [{"resourceType": "Nonsense"}]}, "resource-unreadable"),
        ({"contained": ["x"]}, "resource-unreadable"),
        ({"valueQuantity": "x"}, "resource-unreadable"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused_by_name(facts, code):
    with pytest.raises(Refused) as refusal:
        the_line(an_observation(tube=TUBE, **facts))
    assert refusal.value.code() == code
    assert "MARK" not in refusal.value.reason + refusal.value.remedy  # which are kept


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "entered-in-error", "cancelled"])
def test_an_observations_status_is_read(status):
    read = "corrected" if status == "amended" else status
    assert the_line(an_observation(tube=TUBE, status=status)).status == read


def test_a_specimen_that_is_unsatisfactory_is_an_answer():
    specimen = {
        "resourceType": "Specimen", "id": "s", "status": "unsatisfactory", "condition": [{"coding": [{"code": "HEM"}]}],
        "accessionIdentifier": {"system": "urn:pallor:specimen", "value": TUBE},
    }  # fmt: skip
    line = the_line(an_observation(contained=[specimen], subject=None, valueQuantity=None, status="cancelled"))
    assert (line.status, line.rejection, line.barcode) == (ReportStatus.SPECIMEN_REJECTED, "haemolysed", TUBE)


@on_sqlite
def test_an_observation_is_recorded_and_names_are_left_at_the_door(api, caplog):
    caplog.set_level("DEBUG")
    case_id = api.put_case(specimen_barcode=TUBE)
    body = an_observation(tube=TUBE)
    first, again = post(api, "/Observation", body), post(api, "/Observation", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert "/fhir/Observation/" in first.headers["Location"]
    assert is_outcome(first) == ["recorded"]
    for refused in (an_observation(loinc="MARK-CODE"), an_observation(tube="MARK-TUBE"), {**body, "MARK-NEW": "MARK"}):
        assert post(api, "/Observation", refused).status_code == 422
    assert values(api, case_id) == ["10.4"]
    with api.parts.database.read() as connection:
        held = [connection.execute(select(table)).all() for table in (lab_results, lab_reports, audit_values)]
    assert "MARK" not in str(held) + caplog.text


@on_sqlite
def test_a_report_hands_on_whose_its_results_are(api):
    case_id = api.put_case()
    result = an_observation(subject=None, specimen=None, contained=None, identifier=None, issued=None)
    report = {
        "resourceType": "DiagnosticReport", "status": "final", "identifier": [{"system": "urn:lis", "value": "R-1"}],
        "code": {"text": "Full blood count"}, "contained": [result | {"id": "hb"}], "result": [{"reference": "#hb"}],
        "basedOn": [{"identifier": {"system": "urn:pallor:case", "value": case_id}}],
    }  # fmt: skip
    assert is_outcome(post(api, "/DiagnosticReport", report)) == ["recorded"]
    assert values(api, case_id) == ["10.4"]
    assert post(api, "/DiagnosticReport", report | {"status": "entered-in-error"}).status_code == 201
    assert values(api, case_id) == []
    empty = post(api, "/DiagnosticReport", report | {"contained": []})
    assert is_outcome(empty) == ["not-coded-as-haemoglobin"]


@on_sqlite
def test_a_batch_answers_for_each_and_one_costs_no_other(api):
    case_id = api.put_case()
    patient = {"resourceType": "Patient", "name": [{"family": "MARK-NAME"}]}
    wrong = an_observation(case_id=case_id, unit="mmol/L")
    bundle = a_bundle(patient, an_observation(case_id=case_id), wrong, an_observation(tube=new_barcode()))
    bundle["entry"].append({"request": {"method": "DELETE", "url": "Observation/1"}})
    answer = post(api, "", bundle)
    assert is_fhir(answer)["type"] == "batch-response"
    statuses = [entry["response"]["status"][:3] for entry in answer.json["entry"]]
    assert statuses == ["200", "201", "422", "202", "422"]
    assert values(api, case_id) == ["10.4"]


@on_sqlite
def test_a_transaction_is_taken_whole_or_not_at_all(api):
    case_id = api.put_case()
    good, wrong = an_observation(case_id=case_id), an_observation(case_id=case_id, unit="mmol/L")
    refused = post(api, "", a_bundle(good, wrong, kind="transaction"))
    assert (refused.status_code, is_outcome(refused)) == (422, ["transaction-refused"])
    assert values(api, case_id) == []
    taken = post(api, "", a_bundle(good, an_observation(tube=new_barcode()), kind="transaction"))
    assert [entry["response"]["status"] for entry in is_fhir(taken)["entry"]] == ["201 Created", "202 Accepted"]
    assert values(api, case_id) == ["10.4"]


@on_sqlite
def test_entries_refer_to_each_other(api):
    case_id = api.put_case(specimen_barcode=TUBE)
    tube = {"resourceType": "Specimen", "identifier": [{"system": "urn:pallor:specimen", "value": TUBE}]}
    result = an_observation(contained=None, subject=None, specimen={"reference": "urn:uuid:tube"})
    bundle = a_bundle(tube, result)
    bundle["entry"][0]["fullUrl"] = "urn:uuid:tube"
    assert post(api, "", bundle).status_code == 200
    assert values(api, case_id) == ["10.4"]


@on_sqlite
def test_a_correction_supersedes_and_an_error_retracts(api):
    case_id, number = api.put_case(), [{"system": "urn:lis", "value": "L-1"}]
    said = {"case_id": case_id, "identifier": number}
    post(api, "/Observation", an_observation(**said))
    post(api, "/Observation", an_observation(**said, value=9.8, status="corrected", issued="2026-11-01T15:00:00Z"))
    assert values(api, case_id) == ["9.8"]
    error = an_observation(**said, value=9.8, status="entered-in-error", issued="2026-11-01T16:00:00Z")
    assert is_outcome(post(api, "/Observation", error)) == ["noted"]
    assert values(api, case_id) == []


@on_sqlite
def test_every_refusal_is_an_outcome_also_those_at_the_door(api):
    for response in (
        api.call("POST", "/fhir/Observation", None, json={}),
        api.call("POST", "/fhir/Observation", "field", json={}),
        api.call("POST", "/fhir/Observation", "lab", data="{", content_type="application/fhir+json"),
        api.call("POST", "/fhir/Observation", "lab", data="x", content_type="text/plain"),
        api.call("POST", "/fhir/Patient", "lab", json={}),
        api.call("POST", "/fhir", "lab", json={"resourceType": "Bundle", "type": "history"}),
        post(api, "/Observation", {"resourceType": "Patient"}),
        post(api, "/Observation", {"resourceType": ["MARK"]}),
    ):
        assert response.status_code in (401, 403, 404, 422)
        assert is_outcome(response)


@on_sqlite
def test_what_it_can_do_is_told(api):
    statement = is_fhir(api.call("GET", "/fhir/metadata", "lab"))
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")


def the_line(observation):
    resource = parse(json.dumps(observation).encode(), "Observation")
    (given,) = read_results(resource, UTC, None, Around())
    return to_line(given, datetime(2026, 11, 2, tzinfo=UTC))


def post(api, path, body):
    return api.call("POST", f"/fhir{path}", "lab", data=json.dumps(body), content_type="application/fhir+json")


def is_fhir(response):
    """The resource, checked against the schema of R4."""
    assert response.content_type == "application/fhir+json", response.text
    validator().validate(response.json)
    return response.json


def is_outcome(response):
    """The codes of its issues."""
    outcome = is_fhir(response)
    assert outcome["resourceType"] == "OperationOutcome"
    return [issue["details"]["coding"][0]["code"] for issue in outcome["issue"]]


def values(api, case_id):
    with api.parts.database.read() as connection:
        return [row.value for row in standing_results(connection, [case_id])]


@cache
def validator():
    schema = Path(__file__).parents[1] / "support" / "fhir-r4.schema.json"
    return jsonschema.Draft6Validator(json.loads(schema.read_text()))
