"""A shared phone: what it may say while it is locked, after somebody has left, and after its own end."""

import pytest

from backend.access.roles import DeviceState, PersonState
from backend.services.audit import export_audit
from backend.services.manage_devices import set_device_state
from backend.services.manage_people import set_person_state
from pallor.ids import new_id
from tests.support.api import FOREIGN, OWN, repr_digest, staff_of, the_fault
from tests.support.builders import a_case_body, a_result_body
from tests.support.synthetic import a_good_png

EARLY, LATE = "2026-11-01T12:30:00Z", "2026-11-01T23:00:00Z"  # the tests' clock begins at 13:00
IN_HER_NAME = {"Pallor-Person": "nurse"}


def deliver(api, sealed_at=None, role="phone", name="nurse", **facts):
    headers = {"Pallor-Person": name} if name else {}
    headers |= {"Sealed-At": sealed_at} if sealed_at else {}
    return api.call("PUT", f"/cases/{new_id()}", role, json=a_case_body(**facts), headers=headers)


def test_what_a_locked_phone_says_of_its_person_stands_on_the_trail_as_its_word(api):
    assert deliver(api).status_code == 201
    api.put_case()
    rows = [row for row in export_audit(api.parts.database) if row["action"] == "case.submit"]
    assert [(row["person"], row["device"], row["claimed"]) for row in rows] == [
        ("nurse", "test-field", True),
        ("nurse", "test-field", False),
    ]


@pytest.mark.parametrize("name", [None, "somebody", "test-admin"])
def test_a_locked_phone_speaks_for_nobody_who_never_signed_in_on_it(api, name):
    assert the_fault(deliver(api, name=name))[:2] == (422, "person-unknown")


def test_one_persons_token_does_not_speak_for_another(api):
    response = deliver(api, role="field", name="somebody")
    assert the_fault(response)[:2] == (422, "person-contradicted")
    assert deliver(api, role="field", name="nurse").status_code == 201


def test_whoever_has_left_still_delivers_what_was_sealed_before_and_nothing_later(api):
    set_person_state(api.parts.database, api.clock, "nurse", PersonState.DISABLED, by="operator")
    assert deliver(api, EARLY).status_code == 201
    assert the_fault(deliver(api, LATE))[:2] == (422, "person-unknown")
    assert the_fault(deliver(api))[:2] == (422, "person-unknown")
    set_person_state(api.parts.database, api.clock, "nurse", PersonState.ACTIVE, by="operator")
    assert deliver(api, LATE).status_code == 201


def test_a_retired_phone_delivers_what_was_sealed_before_and_hands_in_no_later_visit(api):
    set_device_state(api.parts.database, api.clock, "test-field", DeviceState.RETIRED, by="operator")
    assert deliver(api, EARLY).status_code == 201
    assert the_fault(deliver(api, LATE))[:2] == (403, "device-retired")
    assert the_fault(deliver(api))[:2] == (403, "device-retired")
    status, code, fault = the_fault(deliver(api, EARLY, visited_at="2026-11-01T20:00:00Z"))
    assert (status, code, fault["field"]) == (403, "device-retired", "visited_at")
    case_id = api.put_case_of_operator()
    late_photo = api.put_photo(
        case_id, a_good_png(), query={"captured_at": LATE}, headers=IN_HER_NAME | {"Sealed-At": EARLY}, token="phone"
    )
    assert the_fault(late_photo)[:2] == (403, "device-retired")


@pytest.mark.parametrize("sealed_at", ["yesterday", "2030-01-01T00:00:00Z"])
def test_a_moment_of_sealing_that_cannot_be_is_refused(api, sealed_at):
    assert the_fault(deliver(api, sealed_at))[2]["field"] == "Sealed-At"


def test_a_phone_that_only_delivers_reads_nothing_back(api):
    case_id = api.put_case()
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    path = f"/cases/{case_id}/amendments/{new_id()}"
    receipt = api.call("PUT", path, "phone", json=change, headers=IN_HER_NAME)
    assert (receipt.status_code, receipt.json["before"], receipt.json["after"]) == (201, None, None)
    photo_id = new_id()
    assert api.put_photo(case_id, a_good_png(), photo_id=photo_id).status_code == 201
    seen = api.call("GET", f"/cases/{case_id}/photos/{photo_id}", "phone").json
    assert (seen["state"], seen["quality"], seen["same_photo_cases"]) == ("waiting", None, [])
    assert the_fault(api.call("GET", f"/cases/{case_id}", "phone"))[:2] == (403, "sign-in-needed")


def test_a_phone_that_is_reported_stolen_while_its_photo_comes_in_is_turned_away(api, monkeypatch):
    from backend.api import parts, pieces

    case_id, read = api.put_case(), pieces.body

    def stolen_meanwhile(*most):
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState.STOLEN, by="operator")
        return read(*most)

    monkeypatch.setattr(pieces, "body", stolen_meanwhile)
    monkeypatch.setattr(parts, "_LONG_SECONDS", 0)
    assert api.put_photo(case_id, a_good_png(), headers=IN_HER_NAME, token="phone").status_code == 403


def test_an_id_that_is_taken_elsewhere_tells_nothing_of_what_is_there(api):
    """Otherwise a value of another site could be found by guessing it until it differs no more."""
    nurse, laboratory = staff_of(api, FOREIGN)
    theirs = {name: new_id() for name in ("case", "photo", "result", "amendment")}
    as_nurse = {"Authorization": f"Bearer {nurse}"}
    photo = a_good_png(seed=5)
    headers = {"Content-Type": "image/png", "Repr-Digest": repr_digest(photo)}
    query = {"captured_at": "2026-11-01T12:00:00Z"}
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    case = f"/cases/{theirs['case']}"
    for path, who, request in (
        (case, as_nurse, {"json": a_case_body(site=FOREIGN)}),
        (f"{case}/photos/{theirs['photo']}", as_nurse | headers, {"data": photo, "query_string": query}),
        (f"{case}/amendments/{theirs['amendment']}", as_nurse, {"json": change}),
        (f"/lab-results/{theirs['result']}", {"Authorization": f"Bearer {laboratory}"},
         {"json": a_result_body(theirs["case"])}),
    ):  # fmt: skip
        assert api.call("PUT", path, None, headers=who, **request).status_code == 201
    mine = api.put_case(site=OWN)
    tries = (
        api.call("PUT", case, json=a_case_body(site=OWN)),
        api.put_photo(mine, photo, photo_id=theirs["photo"]),
        api.call("PUT", f"/cases/{mine}/amendments/{theirs['amendment']}", json=change),
        api.put_result(mine, theirs["result"]),
    )
    assert [the_fault(response)[:2] for response in tries] == [(409, "id-taken")] * 4
    superseding = api.put_result(mine, supersedes=theirs["result"])
    assert the_fault(superseding)[1] == "cannot-supersede"
    assert "no such result" in superseding.json["detail"]


def test_an_upload_that_broke_off_keeps_no_referred_person_waiting(api, dark_png):
    case_id = api.put_case()
    for seed in range(3):
        api.put_photo(case_id, dark_png(seed))
    assert api.get(f"/cases/{case_id}")["advice"]["reasons"] == ["photos-refused"]
    photo = a_good_png()
    headers = {"Upload-Length": str(len(photo)), "Repr-Digest": repr_digest(photo)}
    assert api.put_photo(case_id, photo[:1], headers=headers).status_code == 202
    assert api.get(f"/cases/{case_id}")["advice"]["reasons"] == ["photos-refused"]


@pytest.fixture
def dark_png():
    from tests.support.photos import file_of, tissue

    return lambda seed: file_of(tissue(seed=seed) // 8)
