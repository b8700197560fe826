"""Every refusal names field, value and remedy, and costs nothing that came before it."""

import io
import json
import zipfile

import pytest
from PIL import Image

from backend.access.roles import PersonState
from backend.services.manage_people import set_person_state
from pallor.ids import new_id
from tests.support.api import repr_digest, the_fault
from tests.support.builders import a_case_body, a_consent_body, a_result_body
from tests.support.synthetic import a_good_png


def _changed(**facts):
    return a_case_body(subject={"age_months": 30, "sex": "female"} | facts)


_YES = {"given_at": "2026-11-01T12:00:00Z", "wording": "training-en-1"}
CASE_REFUSALS = [
    ("birth in the future", _changed(age_months=None, birth_month="2027-01"), "birth-in-future", "subject.birth_month",
     "2027-01"),
    ("no age", {**a_case_body(), "subject": {"sex": "male"}}, "age-ambiguous", "subject.age_months", "nothing"),
    ("both ages", _changed(birth_month="2024-01"), "age-ambiguous", "subject.age_months", "30"),
    ("unknown field", a_case_body(nickname="x"), "request-not-valid", "nickname", "(text, not repeated)"),
    ("unknown field inside", _changed(weight_kg=9), "request-not-valid", "subject.weight_kg", "9"),
    ("missing field", {k: v for k, v in a_case_body().items() if k != "site"}, "request-not-valid", "site", "nothing"),
    ("age as text", _changed(age_months="30"), "request-not-valid", "subject.age_months", "30"),
    ("age below zero", _changed(age_months=-1), "request-not-valid", "subject.age_months", "-1"),
    ("a sex we do not know", _changed(sex="F"), "request-not-valid", "subject.sex", "F"),
    ("a pregnant child", _changed(pregnancy="yes"), "subject-implausible", "subject.pregnancy",
     "yes at 30 months, female"),
    ("no consent", a_case_body(consent={"care": None}), "consent-missing", "consent.care", "nothing"),
    ("consent to training alone", a_case_body(consent={"training": _YES}),
     "consent-missing", "consent.care", "nothing"),
    ("consent to come", a_case_body(consent=a_consent_body(at="2026-11-08T12:00:00Z")), "moment-in-future",
     "consent.care.given_at", "2026-11-08T12:00:00.000Z"),
    ("a wording that is a sentence", a_case_body(consent={"care": _YES | {"wording": "Yes!"}}),
     "request-not-valid", "consent.care.wording", "Yes!"),
    ("a yes without a date", a_case_body(consent={"care": True}), "request-not-valid", "consent.care", "True"),
    ("a visit tomorrow week", a_case_body(visited_at="2026-11-08T12:00:00Z"), "moment-in-future", "visited_at",
     "2026-11-08T12:00:00.000Z"),
    ("a moment without a zone", a_case_body(visited_at="2026-11-01T12:00:00"), "request-not-valid", "visited_at",
     "2026-11-01T12:00:00"),
    ("a name as code", a_case_body(subject_code="Amina Mensah"), "subject-code-unfit", "subject_code",
     "(not repeated: it may be a name)"),
]  # fmt: skip


@pytest.mark.parametrize("row", CASE_REFUSALS, ids=[row[0] for row in CASE_REFUSALS])
def test_a_case_that_cannot_be(api, row):
    _, body, code, field, value = row
    status, found, fault = the_fault(api.call("PUT", f"/cases/{new_id()}", json=body))
    assert (status, found, fault["field"], fault["value"]) == (422, code, field, value)


def test_a_name_sent_by_mistake_is_not_repeated_whatever_is_wrong_with_it(api):
    for code in ("Amina Mensah", "A" * 99, 7):
        assert "Amina" not in api.call("PUT", f"/cases/{new_id()}", json=a_case_body(subject_code=code)).text


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,", b'{"a": NaN}', b"\xff\xfe", b"[" * 60_000, b'"text"', b"null", b"[]"]
)
def test_a_body_that_is_no_case_is_a_problem_and_never_a_fault_of_ours(api, data):
    response = api.call("PUT", f"/cases/{new_id()}", data=data, content_type="application/json")
    assert (response.status_code, response.content_type) == (422, "application/problem+json")


def test_a_case_that_is_not_json_is_told_which_type_to_send(api):
    response = api.call(
        "PUT", f"/cases/{new_id()}", data="site=kumasi-1", content_type="application/x-www-form-urlencoded"
    )
    status, code, fault = the_fault(response)
    assert (status, code, fault["field"]) == (422, "body-type-refused", "Content-Type")


@pytest.mark.parametrize("case_id", ["1", "A" * 36, "DE8BD2A6-47E5-4BD4-B1B5-1F1E6E10A8E0", "..%2f..", "%00"])
def test_an_id_that_is_no_uuid_is_refused(api, case_id):
    assert api.call("PUT", f"/cases/{case_id}", json=a_case_body()).status_code in (404, 422)


def test_a_cursor_that_was_made_up_is_refused(api):
    for path in ("/cases", "/labels", "/predictions", "/changes"):
        for cursor in ("x", "YQ==", "fHx8", "%F0%9F%A9%B8", "%21", ""):
            status, code, fault = the_fault(api.call("GET", f"{path}?cursor={cursor}", "admin"))
            assert (status, fault["field"]) == (422, "cursor"), (path, cursor)
            assert code in ("cursor-unreadable", "request-not-valid")


HB_REFUSALS = [
    ({"value": "12.1"}, None, "hb-unit-missing", "hb.unit", "nothing"),
    ({"value": "130", "unit": "g/dL"}, None, "hb-implausible", "hb.value", "130 g/dL"),
    ({"value": "NaN", "unit": "g/dL"}, None, "hb-not-a-number", "hb.value", "NaN"),
    ({"value": "12.1", "unit": "g/dL"}, "4548-4", "not-haemoglobin", "loinc", "4548-4"),
    ({"value": "12.1", "unit": "mg/mL"}, None, "hb-unit-unknown", "hb.unit", "mg/mL"),
    ({"value": "7.1", "unit": "mmol/L"}, "718-7", "loinc-unit-mismatch", "loinc", "718-7"),
    ({"value": True, "unit": "g/dL"}, None, "request-not-valid", "hb.value", "True"),
]


@pytest.mark.parametrize(("hb", "loinc", "code", "field", "value"), HB_REFUSALS)
def test_a_haemoglobin_that_cannot_be_read(api, hb, loinc, code, field, value):
    case_id = api.put_case()
    status, found, fault = the_fault(api.put_result(case_id, hb=hb, loinc=loinc))
    assert (status, found, fault["field"], fault["value"]) == (422, code, field, value)
    assert api.get("/labels")["items"] == []


def test_a_bare_nan_is_not_json(api):
    body = json.dumps(a_result_body(api.put_case(), hb={"value": float("nan"), "unit": "g/dL"}))
    response = api.call("PUT", f"/lab-results/{new_id()}", "lab", data=body, content_type="application/json")
    assert the_fault(response)[1] == "body-not-json"


def test_a_result_for_a_case_that_is_not_here_is_told_so(api):
    status, code, fault = the_fault(api.put_result(new_id()))
    assert (status, code, fault["field"]) == (404, "not-found", "case_id")


def _png():
    return a_good_png()


def _huge_header():
    """A PNG that claims 60 000 x 60 000 pixels."""
    import struct
    import zlib

    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))
    return _png()[:8] + chunk + _png()[33:]


def _zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("photo.png", _png())
    return out.getvalue()


def _animated():
    frames = [Image.new("RGB", (90, 60), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    return out.getvalue()


_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

PHOTO_REFUSALS = [
    ("truncated", _png()[:-60], {}, 422, "photo-broken", "body"),
    ("60 000 x 60 000", _huge_header(), {}, 422, "photo-too-many-pixels", "body"),
    ("zip renamed .png", _zip(), {}, 415, "photo-format-unknown", "body"),
    ("svg", _SVG, {}, 415, "photo-format-unknown", "body"),
    ("svg that says so", _SVG, {"Content-Type": "image/svg+xml"}, 415, "photo-type-mismatch", "Content-Type"),
    ("animated", _animated(), {}, 422, "photo-animated", "body"),
    ("20 MB", _png() + bytes(20_000_000), {}, 413, "photo-too-large", "Upload-Length"),
    ("wrong type", _png(), {"Content-Type": "image/jpeg"}, 415, "photo-type-mismatch", "Content-Type"),
    ("no type", _png(), {"Content-Type": ""}, 415, "photo-type-mismatch", "Content-Type"),
    ("wrong checksum", _png(), {"Repr-Digest": repr_digest(b"other")}, 422, "checksum-mismatch", "Repr-Digest"),
    ("no checksum", _png(), {"Repr-Digest": None}, 422, "request-not-valid", "Repr-Digest"),
    ("unreadable checksum", _png(), {"Repr-Digest": "md5=:x:"}, 422, "digest-unreadable", "Repr-Digest"),
    ("wrong checksum of the piece", _png(), {"Content-Digest": repr_digest(b"x")}, 422, "piece-checksum-mismatch",
     "Content-Digest"),
    ("longer than said", _png(), {"Upload-Length": "10"}, 422, "piece-too-long", "Upload-Length"),
    ("begins in the middle", _png(), {"Upload-Offset": "10"}, 409, "offset-mismatch", "Upload-Offset"),
    ("offset below zero", _png(), {"Upload-Offset": "-1"}, 422, "request-not-valid", "Upload-Offset"),
    ("empty", b"", {}, 422, "photo-empty", "body"),
]  # fmt: skip


@pytest.mark.parametrize("row", PHOTO_REFUSALS, ids=[row[0] for row in PHOTO_REFUSALS])
def test_a_photo_that_cannot_be_used(api, row):
    _, data, headers, status, code, field = row
    case_id = api.put_case()
    kept = api.put_photo(case_id, _png(), new_id()).status_code
    response = api.put_photo(case_id, data, headers=headers)
    assert the_fault(response)[:2] == (status, code)
    assert the_fault(response)[2]["field"] == field
    assert kept == 201
    photos = api.get(f"/cases/{case_id}")["photos"]
    assert [photo["state"] for photo in photos if photo["state"] != "uploading"] == ["waiting"]


def test_a_photo_of_a_case_that_is_not_here_is_told_so(api):
    assert the_fault(api.put_photo(new_id(), _png()))[:2] == (404, "not-found")


def test_what_lies_in_the_future_is_refused(api):
    case_id = api.put_case()
    photo = api.put_photo(case_id, _png(), query={"captured_at": "2031-01-01T00:00:00Z"})
    result = api.put_result(case_id, taken_at="2031-01-01T00:00:00Z")
    for response, field in ((photo, "captured_at"), (result, "taken_at")):
        status, code, fault = the_fault(response)
        assert (status, code, fault["field"]) == (422, "moment-in-future", field)


@pytest.mark.parametrize("query", [{"captured_at": "yesterday"}, {"eye": "third"}, {"flash": "on"}])
def test_a_fact_of_a_photo_that_is_wrong_is_refused(api, query):
    status, code, fault = the_fault(api.put_photo(api.put_case(), _png(), query=query))
    assert (status, code) == (422, "request-not-valid")
    assert fault["field"] in query


def test_every_route_but_the_doors_asks_for_a_token(api):
    for rule in api.app.url_map.iter_rules():
        declared = api.app.extensions["rules"].get(rule.endpoint)
        if declared is None or not declared.roles:
            continue
        if rule.endpoint.startswith("fhir."):
            continue  # its refusals are outcomes (test_fhir)
        url = rule.rule.removeprefix("/api/v1")
        for name in rule.arguments:
            url = url.replace(f"<{name}>", new_id())
        (method,) = rule.methods - {"HEAD", "OPTIONS"}
        assert the_fault(api.call(method, url, role=None))[:2] == (401, "token-missing"), url
        wrong = api.call(method, url, role=None, headers={"Authorization": "Bearer pallor_wrong"})
        assert the_fault(wrong)[:2] == (401, "token-unknown")
        assert wrong.headers["WWW-Authenticate"] == "Bearer"


def test_the_doors_are_few_and_named(api):
    doors = {name for name, rule in api.app.extensions["rules"].items() if not rule.roles}
    assert doors == {
        "doors.post_sign_in",
        "enrolment.post_enrolment",
        "repository",
        "oidc.get_oidc",
        "oidc.get_callback",
    }


@pytest.mark.parametrize("text", ["\\ud800", "x\\u0000y"])
def test_text_that_is_no_text_is_refused_wherever_it_stands(api, text):
    for path, role, body in (
        (f"/cases/{new_id()}", "field", '{"subject_code": "%s"}'),
        (f"/erasures/{new_id()}", "admin", '{"site": "kumasi-1", "subject_code": "%s", "reason": "request"}'),
    ):
        data, kind = body.replace("%s", text), "application/json"
        response = api.call("PUT", path, role, data=data, content_type=kind)
        assert the_fault(response)[:2] == (422, "text-unfit")
        assert the_fault(response)[2]["field"] == "subject_code"


def test_a_revoked_token_is_refused(api):
    set_person_state(api.parts.database, api.clock, "nurse", PersonState.DISABLED, by="operator")
    assert the_fault(api.call("GET", "/changes"))[:2] == (401, "token-unknown")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_beyond_the_calendar_is_refused(api, moment):
    case_id = api.put_case()
    for response in (
        api.call("PUT", f"/cases/{new_id()}", json=a_case_body(visited_at=moment)),
        api.put_result(case_id, taken_at=moment),
        api.put_photo(case_id, _png(), query={"captured_at": moment}),
    ):
        assert the_fault(response)[0] == 422


def test_control_characters_are_refused(api):
    case_id = api.put_case()
    assert the_fault(api.put_result(case_id, method="Hemo\x00Cue"))[2]["field"] == "method"
    change = {"changes": {"sore_eye": True}, "reason": "looked\x00again"}
    assert the_fault(api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change))[2]["field"] == "reason"


def test_a_field_named_twice_is_refused(api):
    body = json.dumps(a_result_body(api.put_case())).replace('"unit"', '"value": "17.0", "unit"')
    response = api.call("PUT", f"/lab-results/{new_id()}", "lab", data=body, content_type="application/json")
    assert the_fault(response)[1] == "body-not-json"


@pytest.mark.parametrize("header", ["pallor_secret", "Bearer\tpallor_secret", "Basic pallor_secret"])
def test_a_token_in_a_wrong_header_is_not_repeated(api, header):
    response = api.call("GET", "/cases", role=None, headers={"Authorization": header})
    assert response.status_code == 401
    assert "secret" not in response.text


def test_a_name_where_it_does_not_belong_is_not_repeated(api):
    for body in ({"name": "Ama Mensah"}, {"Subject_Code": "Ama"}, {"subject": "Ama"}):
        assert "Ama" not in api.call("PUT", f"/cases/{new_id()}", json=a_case_body() | body).text
    broken = api.call("PUT", f"/cases/{new_id()}", data='{"subject_code": "Ama", ', content_type="application/json")
    assert "Ama" not in broken.text


def test_what_is_not_there_is_a_problem_too(api):
    assert api.call("GET", "/nothing").content_type == "application/problem+json"
    response = api.call("DELETE", f"/cases/{new_id()}")
    assert (response.status_code, response.content_type) == (405, "application/problem+json")
    assert "PUT" in response.headers["Allow"]
