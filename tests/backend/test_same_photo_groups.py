"""What the trainer found comes back: labels whose photograph is another subject's as well are withheld."""

import json

import pytest
from sqlalchemy import func, select

from backend.db.tables import audit, same_photo_members, same_photo_reports
from backend.services.audit import verify_audit
from pallor.digest import sha256_of
from pallor.ids import new_id
from tests.support.api import the_fault
from tests.support.builders import a_case_body
from tests.support.synthetic import a_good_png
from tests.support.training import a_learnable, erase, export, lines_of, withheld

REASON = "same-photo-of-another-subject"
IMPORTED = sha256_of(b"a photo of another data set")


def hand_back(api, digest, *groups, method="points-and-pixels"):
    said = {"method": method, "groups": [{"photos": list(group)} for group in groups]}
    return api.call("PUT", f"/snapshots/{digest}/same-photo-groups", "trainer", json=said)


def test_a_photograph_of_two_subjects_withholds_both_labels_and_the_next_snapshot_lacks_them(api):
    one, two, free = (a_learnable(api, f"A-{number}") for number in range(3))
    digest = export(api)
    response = hand_back(api, digest, [one.photo, two.photo], [free.photo])
    assert response.status_code == 201
    assert {k: response.json[k] for k in ("snapshot_digest", "method", "groups", "photos", "unknown_photos")} == {
        "snapshot_digest": digest,
        "method": "points-and-pixels",
        "groups": 2,
        "photos": 3,
        "unknown_photos": 0,
    }
    assert response.json["withheld"] == 2
    assert [withheld(api, case.case_id) for case in (one, two, free)] == [[REASON], [REASON], []]
    assert set(lines_of(api, export(api))) == {free.case_id}


def test_whoever_looks_at_the_case_sees_why_and_phones_hear_of_it(api):
    one, two = a_learnable(api, "A-1"), a_learnable(api, "A-2")
    digest, cursor = export(api), api.get("/changes")["next"]
    hand_back(api, digest, [one.photo, two.photo])
    case = api.get(f"/cases/{one.case_id}", "field")
    assert (case["warnings"], case["photos"][0]["same_photo_cases"]) == ([REASON], [two.case_id])
    news = api.get(f"/changes?cursor={cursor}", "field")["items"]
    assert {item["id"] for item in news if item["kind"] == "photo"} == {one.photo_id, two.photo_id}


def test_the_same_report_again_changes_nothing_and_answers_the_same(api):
    one, two = a_learnable(api, "A-1"), a_learnable(api, "A-2")
    digest = export(api)
    first = hand_back(api, digest, [one.photo, two.photo])
    labels, trail = len(api.get("/labels")["items"]), _trail(api)
    again = hand_back(api, digest, [two.photo, one.photo, one.photo])
    assert (again.status_code, again.json) == (200, first.json)
    assert (len(api.get("/labels")["items"]), _trail(api)) == (labels, trail)


def test_a_group_of_one_persons_photos_says_nothing(api):
    visits = [a_learnable(api, "A-1"), a_learnable(api, "a-1")]
    response = hand_back(api, export(api), [visit.photo for visit in visits])
    assert (response.status_code, response.json["withheld"]) == (201, 0)
    assert [withheld(api, visit.case_id) for visit in visits] == [[], []]


def test_in_a_group_of_three_photos_of_two_people_nobody_is_his_own_twin(api):
    first, second, other = a_learnable(api, "A-1"), a_learnable(api, "A-1"), a_learnable(api, "A-2")
    hand_back(api, export(api), [first.photo, second.photo, other.photo])
    case = api.get(f"/cases/{first.case_id}")
    assert case["photos"][0]["same_photo_cases"] == [other.case_id]


def test_photos_that_are_not_here_are_counted_and_withhold_nothing(api):
    one = a_learnable(api, "A-1")
    response = hand_back(api, export(api), [one.photo, IMPORTED])
    assert (response.json["photos"], response.json["unknown_photos"], response.json["withheld"]) == (1, 1, 0)
    assert withheld(api, one.case_id) == []


def test_what_was_found_in_an_earlier_snapshot_stands_when_a_later_one_names_it_no_more(api):
    one, two, free = (a_learnable(api, f"A-{number}") for number in range(3))
    hand_back(api, export(api), [one.photo, two.photo])
    later = export(api)
    assert hand_back(api, later, [free.photo]).status_code == 201
    assert set(lines_of(api, export(api, 200))) == {free.case_id}


def test_a_second_report_about_the_same_snapshot_replaces_the_first(api):
    one, two, three = (a_learnable(api, f"A-{number}") for number in range(3))
    digest = export(api)
    hand_back(api, digest, [one.photo, two.photo])
    better = hand_back(api, digest, [two.photo, three.photo], method="eyes")
    assert (better.status_code, better.json["method"], better.json["withheld"]) == (200, "eyes", 2)
    assert [withheld(api, case.case_id) for case in (one, two, three)] == [[], [REASON], [REASON]]
    assert hand_back(api, digest).json["withheld"] == 0
    assert export(api)


def test_what_the_server_saw_itself_stands_whatever_the_trainer_says(api):
    data = a_good_png(seed=5)
    one, two, free = a_learnable(api, "A-1", data=data), a_learnable(api, "A-2", data=data), a_learnable(api, "A-3")
    digest = export(api)
    assert hand_back(api, digest, [free.photo]).json["withheld"] == 0
    assert withheld(api, one.case_id) == withheld(api, two.case_id) == [REASON]


def test_one_photo_under_two_subjects_is_a_group_of_both(api):
    data = a_good_png(seed=5)
    one = a_learnable(api, "A-1", data=data)
    digest = export(api)
    a_learnable(api, "A-2", data=data)
    assert hand_back(api, digest, [one.photo]).json["withheld"] == 2


def test_practice_sites_and_real_ones_do_not_accuse_each_other(api):
    real, practice = a_learnable(api, "A-1"), a_learnable(api, "A-2", site="school")
    assert hand_back(api, export(api), [real.photo, practice.photo]).json["withheld"] == 0
    assert withheld(api, real.case_id) == []


def test_a_photo_of_a_case_without_a_value_counts_as_anothers(api):
    one = a_learnable(api, "A-1")
    case_id = api.put_case(subject_code="A-2")
    photo = api.put_photo(case_id, a_good_png(seed=6)).json["stored_sha256"]
    assert hand_back(api, export(api), [one.photo, photo]).json["withheld"] == 1
    api.put_result(case_id)
    assert withheld(api, case_id) == [REASON]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"groups": []}, "request-not-valid", "method"),
        ({"method": "x", "groups": [{"photos": []}]}, "request-not-valid", "groups.0.photos"),
        ({"method": "x", "groups": [{"photos": ["Amina"]}]}, "request-not-valid", "groups.0.photos.0"),
        ({"method": "x\n", "groups": []}, "request-not-valid", "method"),
        ({"method": "x", "groups": [{"photos": [IMPORTED], "who": 1}]}, "request-not-valid", "groups.0.who"),
        ({"method": "x", "groups": [{"photos": [IMPORTED]}] * 2}, "photo-in-two-groups", "groups"),
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_half_done(api, body, code, field):
    one, two = a_learnable(api, "A-1"), a_learnable(api, "A-2")
    digest = export(api)
    if body["groups"]:
        body = body | {"groups": [{"photos": [one.photo, two.photo]}, *body["groups"]]}
        field = field.replace("groups.0", "groups.1")
    refused = the_fault(api.call("PUT", f"/snapshots/{digest}/same-photo-groups", "trainer", json=body))
    assert (refused[0], refused[1], refused[2]["field"]) == (422, code, field)
    assert (withheld(api, one.case_id), withheld(api, two.case_id)) == ([], [])
    with api.parts.database.read() as connection:
        assert connection.execute(select(same_photo_reports)).all() == []


def test_a_snapshot_that_was_not_exported_here_is_404(api):
    assert the_fault(hand_back(api, IMPORTED, [IMPORTED]))[:2] == (404, "not-found")


def test_groups_of_thousands_of_photos_fit_and_still_there_is_an_end(api):
    one, two = a_learnable(api, "A-1"), a_learnable(api, "A-2")
    digest = export(api)
    many = [[sha256_of(f"{number}".encode()), sha256_of(f"{number}'".encode())] for number in range(4000)]
    response = hand_back(api, digest, [one.photo, two.photo], *many)
    assert (response.status_code, response.json["withheld"], response.json["unknown_photos"]) == (201, 2, 8000)
    too_much = json.dumps({"method": "x" * 17 * 1024 * 1024, "groups": []})
    path = f"/snapshots/{digest}/same-photo-groups"
    assert api.call("PUT", path, "trainer", data=too_much, content_type="application/json").status_code == 413
    all_wrong = {"method": "x", "groups": [{"photos": ["?"]}] * 9000}
    assert len(api.call("PUT", path, "trainer", json=all_wrong).json["faults"]) == 100
    longer_than_a_case = a_case_body(danger_signs=["lethargic"] * 9000)
    assert api.call("PUT", f"/cases/{new_id()}", json=longer_than_a_case).status_code == 413


def test_when_one_of_two_is_erased_the_other_is_free_and_nothing_of_the_first_is_left(api):
    one, two = a_learnable(api, "MARK-1"), a_learnable(api, "A-2")
    hand_back(api, export(api), [one.photo, two.photo])
    cursor = api.get("/changes")["next"]
    erase(api, "MARK-1")
    case = api.get(f"/cases/{two.case_id}")
    assert (case["warnings"], case["label"]["withheld"]) == ([], [])
    assert two.photo_id in [item["id"] for item in api.get(f"/changes?cursor={cursor}")["items"]]
    with api.parts.database.read() as connection:
        assert set(connection.execute(select(same_photo_members.c.photo_id)).scalars()) == {two.photo_id}
        trail = str(connection.execute(select(audit)).all())
    assert one.photo not in trail
    assert set(lines_of(api, export(api))) == {two.case_id}
    verify_audit(api.parts.database)


def _trail(api):
    with api.parts.database.read() as connection:
        return connection.execute(select(func.count()).select_from(audit)).scalar()
