"""The confirmed cases that a release holds to be most alike: which may be among them, and in which order."""

import math

import pytest

from pallor.ids import new_id
from tests.support.api import FOREIGN, repr_digest, staff_of, the_fault
from tests.support.builders import a_case_body, a_result_body
from tests.support.explain import score
from tests.support.synthetic import a_good_png
from tests.support.training import a_learnable, erase

# What differs between the dialects, if anything, shows in the tests without this.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_the_nearest_come_first_with_haemoglobin_and_distance(api, asked):
    near, far, opposite = confirmed(api, "B-1", (1, 0.1)), confirmed(api, "B-2", (0, 5)), confirmed(api, "B-3", (-2, 0))
    told = nearest(api, asked)
    assert (told["release_id"], told["compared"]) == ("toy-1", 3)
    assert [item["case_id"] for item in told["items"]] == [near.case_id, far.case_id, opposite.case_id]
    assert [item["photo_id"] for item in told["items"]] == [near.photo_id, far.photo_id, opposite.photo_id]
    assert [item["distance"] for item in told["items"]] == pytest.approx([1 - 1 / math.hypot(1, 0.1), 1, 2], abs=1e-6)
    assert (told["items"][0]["hb_g_per_l"], told["items"][0]["severity"]) == ("104.0", "mild")
    assert [item["case_id"] for item in nearest(api, asked, "?limit=1")["items"]] == [near.case_id]


@on_sqlite
def test_embeddings_of_two_releases_are_never_compared(api, asked):
    other = a_learnable(api, "B-1")
    score(api, other.photo_id, (1,), release_id="toy-2")
    assert nearest(api, asked)["compared"] == 0
    score(api, asked[1], (1,), release_id="toy-2")
    assert [item["case_id"] for item in nearest(api, asked, "?release_id=toy-2")["items"]] == [other.case_id]


def test_whose_label_does_not_count_is_no_neighbour(api, asked):
    case_id, photo_id = api.put_case(subject_code="B-0"), new_id()
    api.put_photo(case_id, a_good_png(seed=9000), photo_id)
    score(api, photo_id)  # without a value
    confirmed(api, "B-1", site="school")
    erased, withdrawn, conflicting = confirmed(api, "B-2"), confirmed(api, "B-3"), confirmed(api, "B-4")
    erase(api, "B-2")
    said = {"purpose": "care", "given": False, "at": "2026-11-01T12:45:00Z", "wording": "withdraw-en-1"}
    api.call("PUT", f"/cases/{withdrawn.case_id}/consents/{new_id()}", json=said)
    api.put_result(conflicting.case_id, hb={"value": "131", "unit": "g/L"})
    stays = confirmed(api, "B-5")
    told = nearest(api, asked)
    assert (told["compared"], [item["case_id"] for item in told["items"]]) == (1, [stays.case_id])
    assert erased.case_id not in str(told)


@on_sqlite
def test_neither_the_case_itself_nor_the_same_photograph_of_another_visit(api, asked):
    case_id = asked[0]
    api.put_result(case_id)
    second = new_id()
    api.put_photo(case_id, a_good_png(seed=9001), second)
    score(api, second)
    confirmed(api, "A-017", data=a_good_png(seed=9002))  # the person's next visit, with the very same photograph
    stays = confirmed(api, "A-017")
    assert [item["case_id"] for item in nearest(api, asked)["items"]] == [stays.case_id]


@on_sqlite
def test_a_case_counts_once_by_its_nearest_photo_and_by_none_far_from_its_value(api, asked):
    one = confirmed(api, "B-1", (1, 1))
    closer, long_before = new_id(), new_id()
    api.put_photo(one.case_id, a_good_png(seed=9003), closer)
    score(api, closer, (1, 0.5))
    query = {"captured_at": "2026-10-20T12:00:00Z"}
    assert api.put_photo(one.case_id, a_good_png(seed=9004), long_before, query=query).status_code == 201
    score(api, long_before, (1,))
    assert [item["photo_id"] for item in nearest(api, asked)["items"]] == [closer]


def test_a_laboratory_sees_neighbours_of_its_own_sites_alone(api, asked):
    here, elsewhere = confirmed(api, "B-1", (1, 0.2)), a_foreign_case(api)
    api.put_result(asked[0])
    assert [item["case_id"] for item in nearest(api, asked)["items"]] == [elsewhere, here.case_id]
    told = nearest(api, asked, role="lab")
    assert (told["compared"], [item["case_id"] for item in told["items"]]) == (1, [here.case_id])


@on_sqlite
def test_a_question_that_cannot_be_is_refused(api):
    for query in ("limit=0", "limit=51", "limit=x", "release_id=A%20name", "site=kumasi-1"):
        path = f"/cases/{api.put_case_of_operator()}/photos/{new_id()}/nearest-cases?{query}"
        assert the_fault(api.call("GET", path, "admin"))[:2] == (422, "request-not-valid")


@pytest.fixture
def asked(api):
    """A case whose photo release toy-1 has scored."""
    case_id, photo_id = api.put_case(), new_id()
    assert api.put_photo(case_id, a_good_png(seed=9002), photo_id).status_code == 201
    score(api, photo_id, (1,))
    return case_id, photo_id


def nearest(api, asked, query="", role="admin"):
    return api.get(f"/cases/{asked[0]}/photos/{asked[1]}/nearest-cases{query}", role)


def confirmed(api, subject_code, embedding=(1,), **facts):
    """A case with a value that counts, whose photo release toy-1 has scored."""
    case = a_learnable(api, subject_code, **facts)
    assert score(api, case.photo_id, embedding)
    return case


def a_foreign_case(api):
    nurse, laboratory = (f"Bearer {token}" for token in staff_of(api, FOREIGN))
    case_id, photo_id, data = new_id(), new_id(), a_good_png(seed=9005)
    photo = {"Authorization": nurse, "Content-Type": "image/png", "Repr-Digest": repr_digest(data)}
    query = {"captured_at": "2026-11-01T12:00:00Z"}
    for path, headers, request in (
        (f"/cases/{case_id}", {"Authorization": nurse}, {"json": a_case_body(site=FOREIGN)}),
        (f"/cases/{case_id}/photos/{photo_id}", photo, {"data": data, "query_string": query}),
        (f"/lab-results/{new_id()}", {"Authorization": laboratory}, {"json": a_result_body(case_id)}),
    ):
        assert api.call("PUT", path, None, headers=headers, **request).status_code == 201
    score(api, photo_id, (1,))
    return case_id
