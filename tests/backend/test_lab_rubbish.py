"""Whatever laboratories' systems send, harmed anywhere, is taken or refused, and never a fault of ours."""

import copy
import io
import json
import os
import random
import zipfile

import pytest

from backend.services.specimen_barcode import new_barcode
from backend.wire.sheet import CSV, XLSX
from tests.backend.test_sheets import a_csv, a_row, an_xlsx
from tests.support.builders import a_report_body
from tests.support.fhir import a_bundle, an_observation
from tests.support.hl7 import a_message, obx

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

TUBE = new_barcode()
SEED = int(os.environ.get("PALLOR_RUBBISH_SEED", "7"))
RUBBISH = [
    None, True, 0, -1, 1e300, 10.123456789, "", " ", "x", "\u0661", "9" * 300, "\ud7ff", [], [None], [[]], {},
    {"x": {}}, {"resourceType": "Observation"}, "0001-01-01", "9999-12-31T23:59:59-14:00", "#p", "|^~\\&",
]  # fmt: skip


def test_harmed_resources(api):
    rng, whole = random.Random(SEED), an_observation(tube=TUBE, method={"text": "x"}, device={"reference": "#p"})
    report = {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, "contained": [whole],
        "subject": {"reference": "#p"}, "specimen": [{"reference": "#s"}], "identifier": [{"value": "R"}],
    }  # fmt: skip
    for path, resource in (("/Observation", whole), ("/DiagnosticReport", report), ("", a_bundle(whole, report))):
        for _ in range(50):
            data = json.dumps(harmed(rng, resource))
            response = api.call("POST", f"/fhir{path}", "lab", data=data, content_type="application/fhir+json")
            assert response.status_code in (200, 201, 202, 422), data


def test_harmed_lines(api):
    rng, line = random.Random(SEED), a_report_body(specimen_barcode=TUBE, sex="female", age_years=2)
    for _ in range(80):
        item = harmed(rng, line)
        alone = api.call("POST", "/lab-reports", "lab", json=item)
        together = api.call("POST", "/lab-reports/batch", "lab", json={"items": [item, 7]})
        assert (alone.status_code in (200, 201, 202, 422), together.status_code) == (True, 200), item


def test_harmed_messages(api):
    rng = random.Random(SEED)
    whole = a_message(obx(tail="||||||A^B|C"), obx("<^7", kind="SN", number=2), tube=TUBE).encode()
    for _ in range(200):
        data = harmed_bytes(rng, whole)
        response = api.call("POST", "/hl7v2", "lab", data=data, content_type="application/hl7-v2")
        assert response.status_code in (200, 422), data


def test_what_is_nested_beyond_reading_is_refused(api):
    deep = b'{"a":' * 700 + b"1" + b"}" * 700
    for path in ("/lab-reports", "/fhir/Observation"):
        assert api.call("POST", path, "lab", data=deep, content_type="application/json").status_code == 422


@pytest.mark.parametrize(("make", "kind"), [(a_csv, CSV), (an_xlsx, XLSX)])
def test_harmed_lists(api, make, kind):
    rng, whole = random.Random(SEED), make(*(a_row(number) for number in range(1, 4)))
    for _ in range(60):
        data = harmed_bytes(rng, whole) if kind == CSV else harmed_workbook(rng, whole)
        response = api.call("POST", "/lab-sheets/preview", "lab", data=data, content_type=kind)
        assert response.status_code in (200, 422), data


def harmed(rng, resource):
    """A copy with rubbish in one place or two, or something missing."""
    found = copy.deepcopy(resource)
    for _ in range(rng.randint(1, 2)):
        inside, at = rng.choice(list(places(found)) or [(found, "resourceType")])
        inside[at] = copy.deepcopy(rng.choice(RUBBISH))
    return found


def places(value):
    for at, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, at
        if isinstance(inner, (dict, list)):
            yield from places(inner)


def harmed_bytes(rng, whole):
    data = bytearray(whole)
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 3)] = rng.choice(
            [b"", b"|", b"^", b"\\", b"\r", b"\xff", b"~", b'"', b",", b"9", b"\0"]
        )
    return bytes(data)


def harmed_workbook(rng, whole):
    """Half of the time within one of its parts, so that the archive itself is sound."""
    if rng.random() < 0.5:
        return harmed_bytes(rng, whole)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w") as new:
        harm = rng.choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, harmed_bytes(rng, old.read(name)) if name == harm else old.read(name))
    return out.getvalue()
