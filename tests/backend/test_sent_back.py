"""What was sent back, by every way in, is on the laboratory's list with its remedy, and nothing of what it said."""

import json

import pytest
from sqlalchemy import select

from backend.db.tables import audit, lab_sent_back
from backend.services.send_back import forget_sent_back
from backend.services.specimen_barcode import new_barcode
from backend.wire.sheet_columns import COLUMNS
from pallor.ids import new_id
from tests.backend.test_sheets import a_csv, a_row, let_in, look
from tests.support.api import staff_of, technician
from tests.support.builders import a_report_body
from tests.support.fhir import a_bundle, an_observation
from tests.support.hl7 import a_message, obx

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

TUBE = new_barcode()
NAME = "Ama Mensah"


def by_json(api):
    api.report(specimen_barcode=TUBE, hb={"value": "10.4"})


def by_batch(api):
    good, bad = a_report_body(specimen_barcode=TUBE), a_report_body(specimen_barcode=TUBE, hb={"value": "10.4"})
    api.call("POST", "/lab-reports/batch", "lab", json={"items": [good, bad]})


def by_fhir(api):
    data = json.dumps(an_observation(tube=TUBE, valueQuantity={"value": 10.4}))
    api.call("POST", "/fhir/Observation", "lab", data=data, content_type="application/fhir+json")


def by_bundle(api):
    data = json.dumps(a_bundle(an_observation(tube=TUBE, valueQuantity={"value": 10.4})))
    api.call("POST", "/fhir", "lab", data=data, content_type="application/fhir+json")


def by_hl7(api):
    message = a_message(obx(unit=""), tube=TUBE)
    api.call("POST", "/hl7v2", "lab", data=message, content_type="application/hl7-v2")


def by_sheet(api):
    head = ("Lab no", "Patient name", "Barcode", "Hb", "Taken at", "Sex", "Village")
    data = a_csv(a_row(tube=TUBE), head=head)
    let_in(api, data, look(api, data)["token"])


@pytest.mark.parametrize(
    ("send", "way", "number"),
    [
        (by_json, "json", None), (by_batch, "batch", 1), (by_fhir, "fhir", None), (by_bundle, "fhir", 0),
        (by_hl7, "hl7", 1), (by_sheet, "sheet", 2),
    ],
)  # fmt: skip
def test_a_missing_unit_is_on_the_list_whichever_way_it_came(api, send, way, number):
    send(api)
    (line,) = listed(api)
    assert (line["way"], line["number"], line["code"]) == (way, number, "hb-unit-missing")
    assert (line["specimen_barcode"], line["field"], line["sender"]) == (TUBE, "hb.unit", "test-lab")
    assert line["remedy"].startswith("Name the unit")


def test_a_preview_puts_nothing_on_the_list(api):
    look(api, a_csv(a_row(value="<7")))
    api.call("POST", "/lab-reports/preview", "lab", json=a_report_body(specimen_barcode=TUBE, hb={"value": "10.4"}))
    assert listed(api) == []


def test_the_same_again_is_counted_until_somebody_has_looked_after_it(api):
    by_json(api)
    by_json(api)
    (line,) = listed(api)
    assert line["times"] == 2
    mine = {"Authorization": f"Bearer {technician(api)}"}
    path = f"/lab-sent-back/{line['sent_back_id']}/looked-after"
    done = api.call("PUT", path, None, json={}, headers=mine).json
    assert api.call("PUT", path, None, json={}, headers=mine).json == done
    assert done["looked_after_by"].startswith("tech")
    assert listed(api) == []
    by_json(api)
    assert [line["times"] for line in listed(api)] == [1]
    assert [line["times"] for line in listed(api, "?looked_after=true")] == [2]
    with api.parts.database.read() as connection:
        seen = connection.execute(select(audit.c.action).where(audit.c.action.like("lab-sent-back%"))).scalars()
        assert list(seen) == ["lab-sent-back.look-after"]


def test_another_site_sees_nothing_of_it(api):
    by_json(api)
    _, token = staff_of(api, "tamale-1")
    mine = {"Authorization": f"Bearer {token}"}
    assert api.call("GET", "/lab-sent-back", None, headers=mine).json["items"] == []


def test_after_three_months_it_is_let_go(api):
    by_json(api)
    api.clock.move(days=93)
    assert forget_sent_back(api.parts.database, api.clock) == 1
    assert kept(api) == []


def test_an_erased_persons_lines_go_with_them(api):
    case_id = api.put_case(specimen_barcode=TUBE, subject_code="A-017")
    by_json(api)
    api.report(case_id=case_id, hb={"value": "10.4"})
    said = {"site": "kumasi-1", "subject_code": "A-017", "reason": "request"}
    assert api.call("PUT", f"/erasures/{new_id()}", "admin", json=said).status_code == 201
    assert kept(api) == []
    api.report(case_id=case_id)
    assert [(line["code"], line["case_id"]) for line in listed(api)] == [("case-erased", None)]


@pytest.mark.parametrize("column", sorted(set(COLUMNS.values())))
def test_a_name_that_slipped_into_any_column_is_kept_nowhere(api, column):
    cells = {"business_id": "L-1", "hb": "10.4", "unit": "g/dL", "barcode": TUBE, "taken_at": "2026-11-01T13:00Z"}
    known = {"value": "hb", "specimen_barcode": "barcode"}.get(column, column)
    data = a_csv((cells | {known: NAME}).values(), head=(cells | {known: NAME}).keys())
    let_in(api, data, look(api, data)["token"])
    assert NAME not in str(kept(api))


@pytest.mark.parametrize("field", [*a_report_body(), "visited_on", "case_id", "sex", "age_months", "Ama Mensah"])
def test_a_name_that_slipped_into_any_field_is_kept_nowhere(api, field):
    api.report(**{"specimen_barcode": TUBE, "status": "final", field: NAME})
    api.report(**{"specimen_barcode": TUBE, NAME: "\0"})
    api.call("POST", "/lab-reports/batch", "lab", json={NAME: 1})
    data = json.dumps(an_observation(tube=TUBE) | {NAME: NAME, field: NAME})
    api.call("POST", "/fhir/Observation", "lab", data=data, content_type="application/fhir+json")
    assert kept(api)
    assert NAME not in str(kept(api))


def listed(api, query=""):
    return api.get(f"/lab-sent-back{query}", "lab")["items"]


def kept(api):
    with api.parts.database.read() as connection:
        return [dict(row) for row in connection.execute(select(lab_sent_back)).mappings()]
