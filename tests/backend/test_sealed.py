"""What a phone sealed is opened here alone, taken in whole or not at all, and never forgotten when it was refused."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import func, select

from backend.access.roles import DeviceState, PersonState
from backend.app import create_app
from backend.db.tables import cases, object_claims, photos, sealed, sealed_pieces, sealing_keys
from backend.services.audit import export_audit, verify_audit
from backend.services.give_sealing_keys import give_sealing_keys, rotate_sealing_key
from backend.services.manage_devices import set_device_state
from backend.services.manage_people import set_person_state
from pallor.digest import sha256_of
from pallor.ids import new_id
from tests.support.api import FOREIGN, OWN, PRACTICE, repr_digest, the_fault
from tests.support.builders import a_case_body, a_consent_body
from tests.support.sealing import a_case_with_photos, a_container, a_header, a_part, seal, seal_and_send, send, the_jwk
from tests.support.synthetic import a_good_png

IN_HER_NAME = {"Pallor-Person": "nurse", "Sealed-At": "2026-11-01T12:30:00Z"}


def _count(api, table, *where):
    with api.parts.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def test_each_site_has_a_key_of_its_own_that_stays_and_of_which_no_private_half_goes_out(api):
    first, again = (api.call("GET", "/sealing-keys", "phone").json["keys"] for _ in range(2))
    assert first == again
    assert [key["site"] for key in first] == [OWN, PRACTICE]
    assert len({key["jwk"]["kid"] for key in first}) == 2
    for key in first:
        assert set(key["jwk"]) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert not ECKey.import_key(key["jwk"]).is_private


def test_with_the_key_a_phone_learns_what_it_must_know_of_the_site_without_a_network(api):
    site = {"practice": False, "retention_days": None, "altitude_m": 250}
    assert api.call("PUT", f"/sites/{OWN}", "admin", json=site).status_code == 200
    keys = api.call("GET", "/sealing-keys", "phone").json["keys"]
    assert [(key["practice"], key["altitude_m"]) for key in keys] == [(False, 250), (True, None)]
    (row,) = [row for row in export_audit(api.parts.database) if row["action"] == "site.change"]
    assert (row["content"]["old"], row["content"]["new"]) == ({"altitude_m": None}, {"altitude_m": 250})


def test_a_sealed_case_with_its_photos_comes_in_at_once_and_the_receipt_names_every_digest(api):
    header, data = a_case_with_photos()
    response = seal_and_send(api, header, *data)
    assert response.status_code == 201, response.text
    receipt = response.json
    assert receipt["digests"] == {part["photo_id"]: part["sha256"] for part in header["parts"]}
    assert receipt["case_id"] == header["case_id"]
    assert [photo["state"] for photo in receipt["photos"]] == ["waiting", "kept"]
    case = api.get(f"/cases/{header['case_id']}")
    assert [photo["photo_id"] for photo in case["photos"]] == [header["parts"][0]["photo_id"]]
    assert [message.photo_id for message in api.sent] == [header["parts"][0]["photo_id"]]
    assert _count(api, sealed_pieces) == _count(api, object_claims) == 0
    verify_audit(api.parts.database)


def test_the_receipt_names_the_digest_of_the_blob_and_is_told_again(api):
    header = a_header()
    blob = seal(the_jwk(api), a_container(header))
    first, again = (send(api, blob, header["submission_id"]) for _ in range(2))
    asked = api.call("GET", f"/sealed/{header['submission_id']}", "phone")
    assert (first.status_code, again.status_code, asked.status_code) == (201, 200, 200)
    assert first.json == again.json == asked.json
    assert first.json["sealed_sha256"] == sha256_of(blob)
    assert asked.headers["Sealed-State"] == "received"


def test_the_same_blob_by_eight_connections_at_once_is_one_case_and_one_photo(api):
    header, data = a_case_with_photos()
    blob = seal(the_jwk(api), a_container(header, *data))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(api, blob, header["submission_id"]), range(8)))
    assert sorted({answer.status_code for answer in answers} - {202}) == [200, 201]
    assert sum(answer.status_code == 201 for answer in answers) == 1
    assert (_count(api, cases), _count(api, photos), len(api.sent)) == (1, 2, 1)
    assert _count(api, object_claims) == _count(api, sealed_pieces) == 0
    assert api.call("GET", f"/sealed/{header['submission_id']}").headers["Sealed-State"] == "received"


def test_a_blob_in_many_pieces_keeps_every_byte_and_says_where_to_go_on(api):
    header, data = a_case_with_photos()
    blob = seal(the_jwk(api), a_container(header, *data))
    cuts = sorted(random.Random(5).sample(range(1, len(blob)), 7))
    for start, end in zip([0, *cuts], [*cuts, len(blob)], strict=True):
        response = send(api, blob, header["submission_id"], start=start, end=end)
        assert response.headers["Upload-Offset"] == str(end)
        assert response.status_code == (201 if end == len(blob) else 202)
        if end < len(blob):
            asked = api.call("GET", f"/sealed/{header['submission_id']}")
            assert (asked.status_code, asked.headers["Upload-Offset"]) == (202, str(end))
            assert asked.json["received_bytes"] == end
            assert _count(api, cases) == 0
    wrong = send(api, blob, header["submission_id"], start=3, end=9)
    assert wrong.status_code == 200  # it is here: there is nothing to go on with


def test_a_piece_out_of_place_is_told_where_to_go_on(api):
    header = a_header()
    blob = seal(the_jwk(api), a_container(header))
    send(api, blob, header["submission_id"], end=50)
    response = send(api, blob, header["submission_id"], start=70)
    assert the_fault(response)[:2] == (409, "offset-mismatch")
    assert response.headers["Upload-Offset"] == "50"
    assert "Sealed-State" not in response.headers


def test_a_piece_that_the_browser_repeats_by_itself_costs_nothing(api):
    header = a_header()
    blob = seal(the_jwk(api), a_container(header))
    for start, end, held in ((0, 50, "50"), (0, 50, "50"), (20, 90, "90")):
        response = send(api, blob, header["submission_id"], start=start, end=end)
        assert (response.status_code, response.headers["Upload-Offset"]) == (202, held)
    assert send(api, blob, header["submission_id"], start=10).status_code == 201


def test_a_locked_phone_delivers_in_the_name_of_somebody_who_has_signed_in_on_it(api):
    header = a_header()
    assert seal_and_send(api, header, role="phone").status_code == 422
    assert seal_and_send(api, header, role="phone", headers=IN_HER_NAME).status_code == 201
    (row,) = [row for row in export_audit(api.parts.database) if row["action"] == "case.submit"]
    assert (row["person"], row["device"], row["claimed"]) == ("nurse", "test-field", True)
    assert the_fault(api.call("GET", f"/cases/{header['case_id']}", "phone"))[:2] == (403, "sign-in-needed")


def test_a_retired_phone_and_whoever_left_deliver_what_was_sealed_before(api):
    jwk = the_jwk(api)
    early, late = a_header(), a_header(sealed_at="2026-11-01T20:00:00Z")
    blobs = [(header, seal(jwk, a_container(header))) for header in (early, late)]
    set_device_state(api.parts.database, api.clock, "test-field", DeviceState.RETIRED, by="operator")
    set_person_state(api.parts.database, api.clock, "nurse", PersonState.DISABLED, by="operator")
    answers = [send(api, blob, header["submission_id"], "phone", headers=IN_HER_NAME) for header, blob in blobs]
    assert answers[0].status_code == 201
    assert the_fault(answers[1])[1:2] == ("device-retired",)
    assert the_fault(answers[1])[2]["field"] == "sealed_at"


def test_photos_and_later_words_about_a_case_come_in_sealed_too(api):
    case_id, data = api.put_case(), a_good_png(seed=31)
    retake = a_header("photos", case_id=case_id, parts=[a_part(data)])
    amendment_id, consent_id = new_id(), new_id()
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    said = {"purpose": "training", "given": False, "at": "2026-11-01T12:40:00Z", "wording": "training-en-1"}
    amendment = a_header("amendment", case_id=case_id, body=change, amendment_id=amendment_id)
    withdrawal = a_header("consent", case_id=case_id, body=said, consent_id=consent_id)
    answers = [seal_and_send(api, retake, data), seal_and_send(api, amendment), seal_and_send(api, withdrawal)]
    assert [answer.status_code for answer in answers] == [201] * 3
    case = api.get(f"/cases/{case_id}")
    assert (case["sore_eye"], len(case["photos"]), case["consent"]["training"]["given"]) == (True, 1, False)
    again = api.call("PUT", f"/cases/{case_id}/amendments/{amendment_id}", json=change)
    assert again.status_code == 200  # by whichever door it comes, it is the same


def test_without_consent_to_training_no_context_is_kept_and_the_receipt_says_so(api):
    header, data = a_case_with_photos(body=a_case_body(consent=a_consent_body(training=False)))
    receipt = seal_and_send(api, header, *data).json
    assert [(photo["state"], photo["refusal"]) for photo in receipt["photos"]] == [
        ("waiting", None), ("not-kept", "no-consent-to-training"),
    ]  # fmt: skip
    assert set(receipt["digests"]) == {part["photo_id"] for part in header["parts"]}
    assert _count(api, photos, photos.c.role == "context") == 0


def _refusals():
    wrong_age = a_case_body(subject={"age_months": -1, "sex": "female"})
    boy = a_case_body(subject={"age_months": 300, "sex": "male", "pregnancy": "yes"})
    photo, other = a_good_png(seed=41), a_good_png(seed=42)
    part = a_part(photo)
    yield "a header of another submission", a_header(submission_id=new_id()), [], "submission-contradicted"
    yield "a case of another site", a_header(body=a_case_body(site=PRACTICE)), [], "submission-contradicted"
    yield "an unknown field", a_header(nickname="x"), [], "request-not-valid"
    yield "an unknown kind", a_header("rumour"), [], "request-not-valid"
    yield "a body that is wrong", a_header(body=wrong_age), [], "request-not-valid"
    yield "facts that cannot be", a_header(body=boy), [], "subject-implausible"
    yield "no body", a_header(body=None), [], "request-not-valid"
    yield "a photo too short", a_header(parts=[part]), [photo[:-5]], "submission-unreadable"
    yield "a photo that is another", a_header(parts=[part | {"bytes": len(other)}]), [other], "part-checksum-mismatch"
    yield "a photo that is none", a_header(parts=[a_part(b"x" * 300)]), [b"x" * 300], "photo-format-unknown"
    yield "the same id twice", a_header(parts=[part, part]), [photo, photo], "submission-contradicted"
    yield "the context of nothing", a_header(parts=[part | {"role": "context"}]), [photo], "submission-contradicted"
    yield "photos of no case", a_header("photos", parts=[part]), [photo], "not-found"
    yield "photos without a photo", a_header("photos"), [], "submission-contradicted"
    yield (
        "an amendment without its id",
        a_header("amendment", body={"changes": {}, "reason": "why"}),
        [],
        ("submission-contradicted"),
    )


_REFUSALS = list(_refusals())


@pytest.mark.parametrize("row", _REFUSALS, ids=[row[0] for row in _REFUSALS])
def test_what_cannot_be_taken_in_is_put_aside_whole_and_told_again(api, row):
    _, header, data, code = row
    submission_id = header["submission_id"]
    if code == "submission-contradicted" and "another submission" in row[0]:
        submission_id = new_id()
    blob = seal(the_jwk(api), a_container(header, *data))
    refused = send(api, blob, submission_id)
    assert the_fault(refused)[1] == code
    assert refused.headers["Sealed-State"] == "put-aside"
    for again in (api.call("GET", f"/sealed/{submission_id}", "phone"), send(api, blob, submission_id)):
        assert (again.status_code, again.json) == (refused.status_code, refused.json)
    assert _count(api, cases) == _count(api, photos) == _count(api, object_claims) == 0
    assert _count(api, sealed_pieces) == 1
    assert [row["action"] for row in export_audit(api.parts.database)][-1] == "sealed.refuse"


def _unreadable(jwk):
    good = seal(jwk, a_container(a_header()))
    other = ECKey.generate_key("P-256").as_dict(private=False)
    yield "a broken tag", good[:-1] + bytes([good[-1] ^ 1])
    yield "an unknown key", seal(other | {"kid": "unknown"}, b"x")
    yield "sealed to another key under the name of ours", seal(other | {"kid": jwk["kid"]}, b"x")
    yield "another cipher", seal(jwk, b"x" * 40, enc="A128GCM")
    yield "compressed", seal(jwk, b"x" * 40, zip="DEF")
    yield "no frame", b"x" * 200
    yield "too short", good[:40]
    yield "an empty header", b"\0\0" + good


def test_what_cannot_be_opened_is_kept_and_says_so(api):
    for what, blob in _unreadable(the_jwk(api)):
        submission_id = new_id()
        response = send(api, blob, submission_id)
        assert the_fault(response)[:2] == (422, "sealed-unreadable"), what
        assert response.headers["Sealed-State"] == "put-aside"


def test_what_was_sealed_to_one_site_is_not_opened_for_another(api):
    header = a_header(site=PRACTICE, body=a_case_body(site=PRACTICE))
    blob = seal(the_jwk(api, OWN), a_container(header))
    assert the_fault(send(api, blob, header["submission_id"], site=PRACTICE))[1] == "sealed-unreadable"


def test_nothing_is_delivered_to_a_foreign_site_and_nothing_of_it_is_told(api):
    header = a_header(site=FOREIGN, body=a_case_body(site=FOREIGN))
    give_sealing_keys(api.parts.database, api.clock, frozenset({FOREIGN}), None, by="operator")
    blob = seal(the_jwk(api), a_container(header))
    assert the_fault(send(api, blob, header["submission_id"], site=FOREIGN))[1] == "site-not-yours"
    assert api.call("GET", f"/sealed/{header['submission_id']}").status_code == 404
    theirs = api.put_case()
    with api.parts.database.write() as tx:
        tx.execute(cases.update().where(cases.c.id == theirs).values(site=FOREIGN))
    change = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    sneaked = a_header("amendment", case_id=theirs, body=change, amendment_id=new_id())
    assert the_fault(seal_and_send(api, sneaked))[:2] == (404, "not-found")


def test_bytes_that_are_not_what_was_promised_leave_the_id_free(api):
    header = a_header()
    blob = seal(the_jwk(api), a_container(header))
    changed = blob[:-1] + bytes([blob[-1] ^ 1])
    wrong = send(api, changed, header["submission_id"], headers={"Repr-Digest": repr_digest(blob)})
    assert the_fault(wrong)[:2] == (422, "checksum-mismatch")
    assert "Sealed-State" not in wrong.headers
    assert send(api, blob, header["submission_id"]).status_code == 201


def test_another_blob_under_the_same_id_is_a_conflict(api):
    header = a_header()
    seal_and_send(api, header)
    assert the_fault(seal_and_send(api, header))[:2] == (409, "content-differs")  # each sealing has a key of its own


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"headers": {"Content-Type": "image/png"}}, 415, "sealed-type-mismatch"),
        ({"headers": {"Upload-Length": "1000001"}}, 413, "sealed-too-large"),
        ({"headers": {"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}}, 422, "piece-checksum-mismatch"),
        ({"headers": {"Repr-Digest": None}}, 422, "request-not-valid"),
        ({"site": "Kumasi"}, 422, "request-not-valid"),
        ({"site": "nowhere"}, 422, "site-not-yours"),
        ({"role": "lab"}, 403, "role-not-allowed"),
    ],
)
def test_a_request_that_cannot_be_leaves_nothing(api, changes, status, code):
    header = a_header()
    blob = seal(the_jwk(api), a_container(header))
    response = send(api, blob, header["submission_id"], **changes)
    assert the_fault(response)[:2] == (status, code)
    assert _count(api, sealed) == 0


def test_what_was_sealed_before_a_new_key_came_is_still_opened(api):
    old = the_jwk(api)
    assert rotate_sealing_key(api.parts.database, api.clock, OWN, None, by="operator") == the_jwk(api)["kid"]
    for jwk in (old, the_jwk(api)):
        header = a_header()
        assert send(api, seal(jwk, a_container(header)), header["submission_id"]).status_code == 201


def test_a_store_that_is_away_puts_nothing_aside_and_an_empty_piece_tries_again(api):
    header, data = a_case_with_photos()
    blob = seal(the_jwk(api), a_container(header, *data))
    store = api.parts.store.root
    store.rename(store.with_name("unmounted"))
    assert send(api, blob, header["submission_id"]).status_code == 503
    asked = api.call("GET", f"/sealed/{header['submission_id']}")
    assert (asked.status_code, asked.headers["Upload-Offset"]) == (202, str(len(blob)))
    store.with_name("unmounted").rename(store)
    assert send(api, blob, header["submission_id"], start=len(blob)).status_code == 201


def test_a_server_that_fails_while_it_takes_something_in_is_sent_it_again_from_the_first_byte(api, monkeypatch):
    def fails(*_):
        raise RuntimeError("the process is out of memory")

    header, data = a_case_with_photos()
    blob = seal(the_jwk(api), a_container(header, *data))
    with monkeypatch.context() as broken:
        broken.setattr(type(api.parts.store), "put", fails)
        assert send(api, blob, header["submission_id"]).status_code == 500
    asked = api.call("GET", f"/sealed/{header['submission_id']}")
    assert (asked.status_code, asked.headers["Upload-Offset"]) == (202, "0")
    assert send(api, blob, header["submission_id"]).status_code == 201
    assert (_count(api, cases), _count(api, photos), len(api.sent)) == (1, 2, 1)


def test_a_private_key_is_encrypted_under_the_passphrase_and_without_it_phones_try_again(api):
    settings = replace(api.parts.settings, sealing_passphrase="brown moss lantern")
    locked = replace(api, app=create_app(replace(api.parts, settings=settings)))
    header = a_header()
    blob = seal(the_jwk(locked), a_container(header))
    assert _code(send(api, blob, header["submission_id"])) == (503, "sealing-key-locked")
    assert send(locked, blob, header["submission_id"], start=len(blob)).status_code == 201
    with api.parts.database.read() as connection:
        rows = str(connection.execute(select(sealing_keys)).all())
    assert "BEGIN ENCRYPTED PRIVATE KEY" in rows
    assert "BEGIN PRIVATE KEY" not in rows


def test_no_private_key_is_on_the_trail_or_in_a_log_and_a_line_names_the_case_that_was_sealed(api, caplog):
    caplog.set_level("DEBUG")
    header = a_header()
    seal_and_send(api, header)
    seal_and_send(api, a_header(body=a_case_body(subject_code="MARK-1", subject={})))
    assert header["case_id"] in [getattr(record, "case_id", None) for record in caplog.records]
    said = str(list(export_audit(api.parts.database))) + caplog.text + str([vars(record) for record in caplog.records])
    assert "PRIVATE" not in said
    assert "MARK-1" not in said


def _code(response):
    return response.status_code, response.json["code"]
