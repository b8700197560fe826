"""Photos arrive in pieces over networks that cut, are stored without metadata, and are known again."""

import io
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from sqlalchemy import select

from backend.db.tables import upload_pieces
from pallor.digest import sha256_of
from pallor.ids import new_id
from pallor.image.decode import decode
from tests.support.api import repr_digest, the_fault
from tests.support.photos import file_of, tissue
from tests.support.synthetic import a_good_png


def _piece(api, case_id, photo_id, data, start, end):
    return api.put_photo(
        case_id, data[start:end], photo_id,
        headers={"Repr-Digest": repr_digest(data), "Upload-Offset": str(start), "Upload-Length": str(len(data))},
    )  # fmt: skip


def test_a_whole_photo_is_received_stored_and_sent_to_be_scored(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    response = api.put_photo(case_id, data, photo_id)
    assert response.status_code == 201
    receipt = response.json
    assert (receipt["state"], receipt["uploaded_sha256"]) == ("waiting", sha256_of(data))
    (message,) = api.sent
    assert (message.photo_id, message.stored_sha256) == (photo_id, receipt["stored_sha256"])
    stored = api.parts.store.get(message.object_key)
    assert sha256_of(stored) == receipt["stored_sha256"]


def test_the_stored_photo_has_the_same_pixels_and_no_metadata(api):
    image = Image.open(io.BytesIO(a_good_png()))
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "PhoneMaker", "2026:11:01 12:00:00"
    tagged = io.BytesIO()
    image.save(tagged, "PNG", exif=exif)
    assert b"PhoneMaker" in tagged.getvalue()
    case_id = api.put_case()
    assert api.put_photo(case_id, tagged.getvalue()).status_code == 201
    stored = api.parts.store.get(api.sent[0].object_key)
    assert b"PhoneMaker" not in stored
    was, now = decode(tagged.getvalue()), decode(stored)
    assert (was.rgb[was.mask] == now.rgb[now.mask]).all()
    assert (was.mask == now.mask).all()


def test_a_photo_in_many_pieces_is_the_photo(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    cuts = sorted(random.Random(7).sample(range(1, len(data)), 10))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        response = _piece(api, case_id, photo_id, data, start, end)
        assert response.headers["Upload-Offset"] == str(end)
        assert response.status_code == (201 if end == len(data) else 202)
    assert response.json["uploaded_sha256"] == sha256_of(data)


def test_a_later_piece_need_not_say_the_whole_size_again(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    _piece(api, case_id, photo_id, data, 0, 100)
    rest = {"Repr-Digest": repr_digest(data), "Upload-Offset": "100"}
    assert api.put_photo(case_id, data[100:], photo_id, headers=rest).status_code == 201


def test_photos_that_show_nothing_are_not_taken_for_one_another(api):
    black = io.BytesIO()
    Image.new("RGB", (200, 100)).save(black, "PNG")
    for code in ("A-1", "A-2"):
        case_id = api.put_case(subject_code=code)
        api.put_photo(case_id, black.getvalue())
    assert api.get(f"/cases/{case_id}")["warnings"] == []


def test_get_tells_where_to_go_on_and_so_does_a_piece_that_leaves_a_gap(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    _piece(api, case_id, photo_id, data, 0, 100)
    state = api.call("GET", f"/cases/{case_id}/photos/{photo_id}")
    assert (state.json["state"], state.headers["Upload-Offset"]) == ("uploading", "100")
    beyond = _piece(api, case_id, photo_id, data, 101, 200)
    assert the_fault(beyond)[:2] == (409, "offset-mismatch")
    assert beyond.headers["Upload-Offset"] == "100"


def test_of_a_piece_that_comes_again_only_what_is_new_is_kept(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    for start, end, held in ((0, 100, 100), (0, 100, 100), (50, 80, 100), (60, 200, 200), (0, len(data), len(data))):
        response = _piece(api, case_id, photo_id, data, start, end)
        assert response.headers["Upload-Offset"] == str(held)
    assert (response.status_code, response.json["uploaded_sha256"]) == (201, sha256_of(data))


def test_a_photo_that_is_here_already_is_200_and_stays_as_it_is(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    first, again = (api.put_photo(case_id, data, photo_id) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert len(api.sent) == 1


def test_the_same_photo_by_eight_clients_at_once_is_one_photo(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: api.put_photo(case_id, data, photo_id).status_code, range(8)))
    assert statuses == [200] * 7 + [201]
    assert len(api.sent) == 1


def test_a_photo_that_could_not_be_stored_is_taken_in_when_it_is_sent_again(api, monkeypatch):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    store = api.parts.store.root
    store.rename(store.with_name("unmounted"))
    assert api.put_photo(case_id, data, photo_id).status_code == 503
    store.with_name("unmounted").rename(store)
    assert api.put_photo(case_id, data, photo_id).status_code == 201


def test_a_photo_that_comes_at_once_waits_in_the_database_only_while_it_cannot_be_stored(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    store = api.parts.store.root
    store.rename(store.with_name("unmounted"))
    assert api.put_photo(case_id, data, photo_id).status_code == 503
    assert api.call("GET", f"/cases/{case_id}/photos/{photo_id}").headers["Upload-Offset"] == str(len(data))
    store.with_name("unmounted").rename(store)
    assert _piece(api, case_id, photo_id, data, len(data), len(data)).status_code == 201
    assert api.put_photo(case_id, a_good_png(seed=1)).status_code == 201
    with api.parts.database.read() as connection:
        assert connection.execute(select(upload_pieces)).all() == []


def test_another_photo_under_the_same_id_is_a_conflict(api):
    case_id, photo_id = api.put_case(), new_id()
    api.put_photo(case_id, a_good_png(seed=1), photo_id)
    status, code, fault = the_fault(api.put_photo(case_id, a_good_png(seed=2), photo_id))
    assert (status, code) == (409, "content-differs")
    assert "uploaded_sha256" in fault["reason"]


def test_a_photo_that_was_refused_leaves_its_id_free_for_the_next_try(api):
    case_id, photo_id, data = api.put_case(), new_id(), a_good_png()
    assert api.put_photo(case_id, data[:-40], photo_id).status_code == 422
    assert api.put_photo(case_id, data, photo_id).status_code == 201


def test_a_photo_of_poor_quality_is_kept_and_another_is_asked_for_in_plain_words(api):
    black = io.BytesIO()
    Image.new("RGB", (200, 100)).save(black, "PNG")
    case_id = api.put_case()
    receipt = api.put_photo(case_id, black.getvalue()).json
    assert (receipt["state"], receipt["refusal"]) == ("refused", "photo-quality")
    assert receipt["retake"]
    case = api.get(f"/cases/{case_id}")
    assert (case["status"], case["advice"]["code"]) == ("retake", "retake-photo")
    assert api.sent == []


def test_three_refused_photos_refer(api):
    case_id = api.put_case()
    for shade in range(3):
        black = io.BytesIO()
        Image.new("RGB", (200, 100 + shade)).save(black, "PNG")
        api.put_photo(case_id, black.getvalue())
    assert api.get(f"/cases/{case_id}")["advice"]["code"] == "refer-for-blood-test"


def test_the_same_photo_under_another_subject_warns_on_both_cases(api):
    data = a_good_png()
    one, two = api.put_case(subject_code="A-1"), api.put_case(subject_code="A-2")
    for case_id in (one, two):
        api.put_photo(case_id, data)
    cases = [api.get(f"/cases/{case_id}") for case_id in (one, two)]
    assert [case["warnings"] for case in cases] == [["same-photo-of-another-subject"]] * 2
    assert [case["photos"][0]["same_photo_cases"] for case in cases] == [[two], [one]]


def test_the_same_photo_re_encoded_still_warns(api):
    one, two = api.put_case(subject_code="A-1"), api.put_case(subject_code="A-2")
    jpeg = file_of(tissue(), "JPEG", quality=92)
    again = file_of(Image.open(io.BytesIO(jpeg)), "PNG")
    api.put_photo(one, jpeg, headers={"Content-Type": "image/jpeg"})
    api.put_photo(two, again)
    assert api.get(f"/cases/{one}")["warnings"]


def test_the_same_photo_of_the_same_subject_does_not_warn(api):
    data = a_good_png()
    for _ in range(2):
        case_id = api.put_case(subject_code="A-1")
        api.put_photo(case_id, data)
    assert api.get(f"/cases/{case_id}")["warnings"] == []


def test_different_photos_do_not_warn(api):
    for seed in range(8):
        case_id = api.put_case(subject_code=f"A-{seed}")
        api.put_photo(case_id, a_good_png(seed=seed))
    assert not any(case["warnings"] for case in api.get("/cases")["items"])


@pytest.mark.parametrize("media_type", ["jpeg", "webp"])
def test_other_formats_arrive_as_well(api, media_type):
    out = io.BytesIO()
    Image.open(io.BytesIO(a_good_png())).convert("RGB").save(out, media_type.upper(), quality=95)
    response = api.put_photo(api.put_case(), out.getvalue(), headers={"Content-Type": f"image/{media_type}"})
    assert response.status_code == 201, response.text
