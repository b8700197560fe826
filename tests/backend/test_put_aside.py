"""What was refused is kept for an administrator, for so long; and whoever is erased is erased there as well."""

import pytest
from sqlalchemy import func, select

from backend.db.tables import photos, sealed, sealed_pieces, tombstones
from backend.services.audit import export_audit, verify_audit
from backend.services.manage_sites import put_site
from backend.services.take_in_photo import Intake
from backend.sweeper import keep_house, sweep
from pallor.ids import new_id
from tests.support.api import the_fault
from tests.support.builders import a_case_body
from tests.support.sealing import (
    a_case_with_photos,
    a_container,
    a_header,
    a_part,
    put_aside_at,
    seal,
    seal_and_send,
    send,
    the_jwk,
)
from tests.support.synthetic import a_good_png

SUBJECT = "MARK-4711"
_YOUNG = {"age_months": -1, "sex": "female"}


def _count(api, table, *where):
    with api.parts.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def _state(api, submission_id):
    response = api.call("GET", f"/sealed/{submission_id}")
    return response.headers.get("Sealed-State"), response.status_code


def _house(api, **after):
    api.clock.move(**after)
    return keep_house(api.parts.database, api.clock, "who-2024")


def _refused(api, **facts):
    """A case that cannot be, of a person of their own."""
    body = a_case_body(subject_code=SUBJECT.lower(), subject=_YOUNG) | facts
    header = a_header(body=body)
    assert seal_and_send(api, header).status_code == 422
    return header


def _erase(api):
    body = {"site": "kumasi-1", "subject_code": SUBJECT, "reason": "request"}
    return api.call("PUT", f"/erasures/{new_id()}", "admin", json=body)


def _amendment_of(case_id):
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    return a_header("amendment", case_id=case_id, body=change, amendment_id=new_id())


def test_an_administrator_sees_what_was_put_aside_and_why_and_nothing_of_what_is_in_it(api):
    ids = [put_aside_at(api, "kumasi-1"), _refused(api)["submission_id"]]
    page = api.get("/sealed?limit=1")
    rest = api.get(f"/sealed?limit=1&cursor={page['next']}")
    items = [*page["items"], *rest["items"]]
    assert [item["submission_id"] for item in items] == ids[::-1]
    assert [(item["code"], item["kind"]) for item in items] == [
        ("request-not-valid", "case"),
        ("sealed-unreadable", None),
    ]
    assert SUBJECT not in str(items)
    assert rest["next"] is None


def test_what_came_before_its_case_is_taken_in_when_it_is_tried_again_in_its_senders_name(api):
    case_id = new_id()
    header = _amendment_of(case_id)
    assert seal_and_send(api, header).status_code == 404
    path = f"/sealed/{header['submission_id']}/another-try"
    early = api.call("POST", path, "admin", json={})
    assert the_fault(early)[:2] == (404, "not-found")
    assert early.headers["Sealed-State"] == "put-aside"
    api.put_case(case_id)
    taken = api.call("POST", path, "admin", json={})
    assert (taken.status_code, taken.json["case_id"]) == (201, case_id)
    assert api.get(f"/cases/{case_id}")["sore_eye"] is True
    assert _state(api, header["submission_id"]) == ("received", 200)
    assert the_fault(api.call("POST", path, "admin", json={}))[:2] == (409, "not-put-aside")
    rows = [(row["action"], row["person"], row["device"]) for row in export_audit(api.parts.database)]
    assert ("sealed.try-again", None, "test-admin") in rows
    assert ("case.amend", "nurse", "test-field") in rows
    assert _count(api, sealed_pieces) == 0


def test_what_an_administrator_discards_is_gone_and_its_phone_still_learns_why_it_was_refused(api):
    submission_id = put_aside_at(api, "kumasi-1")
    path = f"/sealed/{submission_id}/discard"
    answers = [api.call("POST", path, "admin", json={"reason": "made by mistake"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert _state(api, submission_id) == ("discarded", 422)
    assert api.get("/sealed")["items"] == []
    assert _count(api, sealed_pieces) == 0
    (row,) = [row for row in export_audit(api.parts.database) if row["action"] == "sealed.discard"]
    assert (row["device"], row["content"]["reason"]) == ("test-admin", "made by mistake")


def test_it_is_kept_for_so_many_days_and_never_longer_than_its_site_keeps_cases(api):
    put_site(api.parts.database, api.clock, "school", practice=True, retention_days=10, by="operator")
    here, there = put_aside_at(api, "kumasi-1"), put_aside_at(api, "school")
    assert _house(api, days=9).put_aside_discarded == 0
    assert _house(api, days=2).put_aside_discarded == 1
    assert (_state(api, here)[0], _state(api, there)[0]) == ("put-aside", "discarded")
    assert _house(api, days=80).put_aside_discarded == 1
    assert _count(api, sealed_pieces) == 0


def test_a_blob_whose_bytes_never_all_came_is_forgotten_after_a_month(api):
    header = a_header()
    blob = seal(the_jwk(api), a_container(header))
    send(api, blob, header["submission_id"], end=20)
    assert _house(api, days=29).uploads_discarded == 0
    assert _house(api, days=2).uploads_discarded == 1
    assert _count(api, sealed) == _count(api, sealed_pieces) == 0


def test_who_is_erased_is_erased_from_what_was_put_aside_and_does_not_come_back_from_there(api):
    header = _refused(api)
    other = _refused(api, subject_code="B-2")
    response = _erase(api)
    assert (response.status_code, response.json["cases"]) == (201, 1)
    assert _state(api, header["submission_id"]) == (None, 404)
    assert _state(api, other["submission_id"])[0] == "put-aside"
    again = a_header(case_id=header["case_id"], body=a_case_body(subject_code=SUBJECT))
    refused = seal_and_send(api, again)
    assert the_fault(refused)[:2] == (410, "case-erased")
    assert refused.headers["Sealed-State"] == "discarded"
    assert _count(api, sealed_pieces, sealed_pieces.c.submission_id == again["submission_id"]) == 0
    assert _count(api, sealed, sealed.c.subject_code == SUBJECT) == 0
    verify_audit(api.parts.database)


def test_what_cannot_even_be_read_as_a_case_is_erased_by_the_code_it_names(api):
    header = a_header(case_id="no id at all", body=a_case_body(subject_code=SUBJECT))
    assert seal_and_send(api, header).status_code == 422
    response = _erase(api)
    assert (response.status_code, response.json["cases"]) == (201, 0)
    assert _count(api, sealed) == _count(api, tombstones) == 0


def test_a_blob_that_names_somebody_elses_case_does_not_take_it_along(api):
    theirs = api.put_case(subject_code="B-2")
    header = a_header(case_id=theirs, body=a_case_body(subject_code=SUBJECT, subject=_YOUNG))
    assert seal_and_send(api, header).status_code == 422
    assert _erase(api).status_code == 201
    assert api.call("GET", f"/cases/{theirs}").status_code == 200
    assert _count(api, sealed) == 0


def test_who_is_erased_loses_context_photos_receipts_and_what_was_put_aside_of_the_case(api):
    header, data = a_case_with_photos(body=a_case_body(subject_code=SUBJECT))
    seal_and_send(api, header, *data)
    early = a_header("photos", case_id=header["case_id"], parts=[a_part(b"no photo")])
    assert seal_and_send(api, early, b"no photo").status_code == 415
    assert len(list(api.parts.store.keys())) == 2
    assert _erase(api).json["photos"] == 2
    sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)
    assert list(api.parts.store.keys()) == []
    assert _count(api, sealed) == _count(api, photos) == _count(api, sealed_pieces) == 0
    assert api.get("/erasures")["items"][0]["done_at"] is not None
    late = seal_and_send(api, a_header("photos", case_id=header["case_id"], parts=[a_part(data[0])]), data[0])
    assert the_fault(late)[:2] == (410, "case-erased")
    sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)
    assert list(api.parts.store.keys()) == []


def test_an_erasure_is_not_done_while_a_sealed_photo_of_before_is_still_being_stored(api, monkeypatch):
    case_id, data = api.put_case(subject_code=SUBJECT), a_good_png(seed=51)
    store, done = api.parts.store, []

    class Meanwhile:
        """A store that lets the person be erased when the photo was put."""

        def put(self, key, stored):
            store.put(key, stored)
            assert _erase(api).status_code == 201
            sweep(api.parts.database, store, api.clock, api.parts.send, 60)
            done.append(api.get("/erasures")["items"][0]["done_at"])

    intake = api.parts.intake
    slow = Intake(intake.database, Meanwhile(), intake.clock, intake.send, intake.limits, intake.label_table)
    monkeypatch.setitem(vars(api.parts), "intake", slow)
    header = a_header("photos", case_id=case_id, parts=[a_part(data)])
    assert the_fault(seal_and_send(api, header, data))[:2] == (410, "case-erased")
    assert (done, len(list(store.keys()))) == ([None], 1)
    sweep(api.parts.database, store, api.clock, api.parts.send, 60)
    assert list(store.keys()) == []
    assert api.get("/erasures")["items"][0]["done_at"] is not None


def test_whoever_withdraws_consent_to_training_takes_the_context_back(api):
    header, data = a_case_with_photos()
    seal_and_send(api, header, *data)
    assert _count(api, photos, photos.c.state == "kept") == 1
    said = {"purpose": "training", "given": False, "at": "2026-11-01T12:50:00Z", "wording": "w"}
    path = f"/cases/{header['case_id']}/consents/{new_id()}"
    assert api.call("PUT", path, json=said).status_code == 201
    sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)
    assert _count(api, photos, photos.c.role == "context") == 0
    assert len(list(api.parts.store.keys())) == 1
    assert "photo.discard" in [row["action"] for row in export_audit(api.parts.database)]


def test_a_case_whose_person_has_withdrawn_care_since_is_told_so_and_not_kept(api):
    case_id, data = api.put_case(subject_code="B-2"), a_good_png(seed=52)
    said = {"purpose": "care", "given": False, "at": "2026-11-01T12:50:00Z", "wording": "w"}
    assert api.call("PUT", f"/cases/{case_id}/consents/{new_id()}", json=said).status_code == 201
    header = a_header("photos", case_id=case_id, parts=[a_part(data)])
    refused = seal_and_send(api, header, data)
    assert the_fault(refused)[:2] == (409, "consent-withdrawn")
    assert (refused.headers["Sealed-State"], _count(api, sealed_pieces)) == ("discarded", 0)


@pytest.mark.parametrize("role", ["field", "lab", "phone"])
def test_it_is_an_administrators_business_alone(api, role):
    submission_id = put_aside_at(api, "kumasi-1")
    for method, path, body in (
        ("GET", "/sealed", None),
        ("POST", f"/sealed/{submission_id}/another-try", {}),
        ("POST", f"/sealed/{submission_id}/discard", {"reason": "made by mistake"}),
    ):
        assert api.call(method, path, role, json=body).status_code == 403
