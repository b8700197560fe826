"""What people have signed about a release decides what may be said: cleared by two of them, or taken back for good."""

import csv
import io
from functools import partial

import pytest
from sqlalchemy import select

from backend.db.tables import taken_back
from backend.services.audit import export_audit
from backend.services.hear_clearances import hear_clearances
from backend.services.judge_rollouts import judge_rollouts
from backend.services.move_rollout import STEPS, Plan, ReleaseNotOffered, advance_rollout, roll_back, start_rollout
from backend.services.read_rollouts import list_words
from backend.services.record_prediction import record_prediction
from backend.services.register_release import register_release
from backend.services.taken_back import hear_what_was_taken_back
from pallor.clock import utc_text
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from pallor.release.repository import contents
from pallor.release.shelf import Release
from tests.support.api import an_api, the_fault
from tests.support.builders import NOON, a_clearance, a_prediction, an_id
from tests.support.clock import HandClock
from tests.support.fleet import a_fleet
from tests.support.repository import a_repository, a_small_release
from tests.support.synthetic import a_good_png

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is the same on both


@on_sqlite
def test_a_release_advises_once_two_people_have_cleared_it(api, signed):
    low, high = scored(api, 0.1), scored(api, 0.9)
    assert advice(api, low)["reasons"] == ["not-cleared"]
    clear(signed, "dora")
    api.clock.move(minutes=1)
    assert advice(api, low)["reasons"] == ["not-cleared"]
    clear(signed, "dora", "emil")
    assert advice(api, low)["reasons"] == ["not-cleared"]  # looked at once a minute
    api.clock.move(minutes=1)
    assert advice(api, low)["code"] == "low-chance"
    assert "14 in 100" in advice(api, low)["words"]
    assert advice(api, high)["reasons"] == ["screen-positive"]
    assert [case["advice"]["code"] for case in api.get("/cases")["items"]] == ["refer-for-blood-test", "low-chance"]
    api.clock.move(days=15)  # nobody signs daily any more
    assert advice(api, low)["reasons"] == ["not-cleared"]


def test_once_it_is_cleared_chance_sends_one_in_ten_and_the_record_weighs_them(api, signed):
    before = scored(api, 0.1, subject_code="B-0", seed=1)
    clear(signed, "dora", "emil")
    api.clock.move(minutes=1)
    cleared = partial(hear_clearances, api.parts.database, api.clock, api.parts.cleared)
    assert (cleared(), cleared()) == (1, 0)
    api.clock.move(minutes=1)
    now = {"captured_at": api.clock.now()}
    chosen = scored(api, 0.1, audited=True, subject_code="B-1", seed=2, **now)
    left, found = scored(api, 0.1, subject_code="B-2", seed=3, **now), scored(api, 0.9, subject_code="B-3", **now)
    old = scored(api, 0.1, subject_code="B-4", seed=4, sore_eye=True, **now)  # it decides nothing there
    assert (advice(api, chosen)["code"], advice(api, chosen)["reasons"]) == ("refer-for-blood-test", ["audit"])
    assert why(api, before, chosen, left, found, old) == [
        "investigational", "audit", "clinical", "screen-positive", "screen-positive",
    ]  # fmt: skip
    for case_id in (before, chosen, left, found, old):
        api.put_result(case_id, taken_at="2026-11-01T12:10:00Z")
    table = csv.DictReader(io.StringIO(api.call("GET", "/releases/toy-1/record.csv", "admin").text))
    weights = {row["case_id"]: float(row["weight"]) for row in table}
    assert weights == {chosen: 10.0, left: 0.0, found: 1.0, old: 1.0}
    yank(signed)
    api.clock.move(minutes=1)
    assert (cleared(), why(api, chosen)) == (1, ["audit"])  # it was cleared then
    api.clock.move(minutes=1)
    later = scored(api, 0.1, subject_code="B-5", seed=5, captured_at=api.clock.now())
    assert why(api, later) == ["investigational"]


@on_sqlite
def test_where_no_root_was_pinned_nothing_is_cleared(database, signed, tmp_path):
    api = an_api(database, signed.folder)
    registered(api)
    clear(signed, "dora", "emil")
    assert advice(api, scored(api, 0.1))["reasons"] == ["not-cleared"]


@on_sqlite
def test_a_release_of_another_manifest_than_was_cleared_is_not(api, signed):
    clear(signed, "dora", "emil")
    with api.parts.database.write() as tx:
        tx.exec_driver_sql("UPDATE releases SET digest = 'sha256:" + "f" * 64 + "'")
    assert advice(api, scored(api, 0.1))["reasons"] == ["not-cleared"]


@on_sqlite
def test_a_store_that_cannot_be_read_clears_nobody_and_stops_nothing(api, signed):
    clear(signed, "dora", "emil")
    for path in (signed.folder / "tuf/metadata").glob("*.snapshot.json"):
        path.write_bytes(b"garbage")
    assert advice(api, scored(api, 0.1))["reasons"] == ["not-cleared"]


def test_what_a_release_said_is_shown_no_more_once_it_was_taken_back(api, signed):
    clear(signed, "dora", "emil")
    case_id = scored(api, 0.1)
    assert advice(api, case_id)["code"] == "low-chance"
    before = api.get("/changes")["next"]
    yank(signed)
    assert hear(api, signed) == 1
    assert advice(api, case_id) == {
        "code": "refer-for-blood-test", "words": "Refer for a blood test.", "reasons": ["release-taken-back"],
    }  # fmt: skip
    told = api.get(f"/changes?cursor={before}")["items"]
    assert [(one["kind"], one["case_id"]) for one in told] == [("prediction", case_id)]
    assert hear(api, signed) == 0
    (row,) = [row for row in export_audit(api.parts.database) if row["action"] == "release.take-back"]
    assert (row["entity_id"], row["actor"]) == ("toy-1", "sweeper")


@on_sqlite
def test_why_it_said_so_is_shown_only_to_whoever_asks_for_it_by_name(api, signed):
    case_id = scored(api, 0.1)
    photo = f"/cases/{case_id}/photos/{api.get(f'/cases/{case_id}')['photos'][0]['photo_id']}/explanation"
    api.put_result(case_id)
    yank(signed)
    hear(api, signed)
    for role in ("lab", "admin"):
        assert the_fault(api.call("GET", photo, role))[:2] == (409, "answer-taken-back")
    assert the_fault(api.call("GET", f"{photo}?release_id=toy-1", "lab"))[:2] == (409, "answer-taken-back")
    assert api.get(f"{photo}?release_id=toy-1")["probability"] == 0.1


@on_sqlite
def test_what_was_once_taken_back_stays_so_whatever_the_store_says_later(api, signed):
    yank(signed)
    hear(api, signed)
    for path in (signed.folder / "tuf/metadata").glob("[2-9].releases.json"):
        path.unlink()
    assert hear(api, signed) == 0
    with api.parts.database.read() as connection:
        assert connection.execute(select(taken_back.c.release_id)).scalars().all() == ["toy-1"]
    assert advice(api, scored(api, 0.1))["reasons"] == ["release-taken-back"]


def test_a_rollout_of_what_was_taken_back_goes_back_by_itself(api, signed, tmp_path):
    signed.release("toy-2", tmp_path / "toy-2")
    nodes = a_fleet(api.parts.database, api.clock, 3)
    start(api, signed, "toy-1", 100.0)
    start(api, signed, "toy-2", STEPS[0])
    for node in nodes:
        node.says("toy-2", cases=9)
    yank(signed, "toy-2")
    hear(api, signed)
    with pytest.raises(ReleaseNotOffered, match="taken back"):
        advance_rollout(api.parts.database, api.clock, "main", None, "", by="x")
    assert judge_rollouts(api.parts.database, api.clock) == 1
    newest = list_words(api.parts.database, "main", 9, 0)[-1]
    assert (newest.kind, newest.release_id, newest.reason) == ("rollback", "toy-1", "taken-back: a mistake")
    with pytest.raises(ReleaseNotOffered, match="taken back"):
        start(api, signed, "toy-2", 100.0)


@on_sqlite
def test_what_has_reached_everybody_for_long_goes_back_as_well(api, signed, tmp_path):
    signed.release("toy-2", tmp_path / "toy-2")
    start(api, signed, "toy-1", 100.0)
    start(api, signed, "toy-2", 100.0)
    api.clock.move(days=100)
    yank(signed, "toy-2")
    hear(api, signed)
    assert judge_rollouts(api.parts.database, api.clock) == 1


@on_sqlite
def test_nobody_goes_back_to_what_was_taken_back_nor_asks_it_beside_another(api, signed, tmp_path):
    signed.release("toy-2", tmp_path / "toy-2")
    start(api, signed, "toy-1", 100.0)
    start(api, signed, "toy-2", 100.0)
    yank(signed, "toy-1")
    hear(api, signed)
    with pytest.raises(ReleaseNotOffered, match="taken back"):
        roll_back(api.parts.database, api.clock, "main", "a call", by="x")
    with pytest.raises(ReleaseNotOffered, match="taken back"):
        start(api, signed, "toy-2", 100.0, challenger_id="toy-1")
    assert judge_rollouts(api.parts.database, api.clock) == 0


def start(api, signed, release_id, percent, **facts):
    plan = Plan(release_id, percent, **facts)
    start_rollout(api.parts.database, api.clock, signed.repository, "main", plan, by="x")


def hear(api, signed):
    return hear_what_was_taken_back(api.parts.database, api.clock, signed.repository)


def yank(signed, release_id="toy-1"):
    contents.set_policy(signed.repository, signed.keys["dora"], yank={release_id: "a mistake"})
    signed.stamp()


def clear(signed, *names):
    _, digest = contents.manifest_of(signed.repository, "toy-1")
    draft = contents.draft_clearance(signed.repository, a_clearance(manifest=digest))
    for name in names:
        draft.sign(signed.keys[name], append=True)
    signed.force("clearances", lambda targets: targets.targets.update(draft.signed.targets), *names)
    signed.stamp()


def scored(api, probability, *, audited=False, captured_at=NOON, seed=None, **facts):
    """A case whose photo the release has answered; its id."""
    case_id, photo_id = api.put_case(an_id(audited=audited), **facts), new_id()
    query = {"captured_at": utc_text(captured_at)}
    api.put_photo(case_id, a_good_png(seed=seed or int(100 * probability)), photo_id, query=query)
    message = RecordPrediction(photo_id, "toy-1", a_prediction(probability, photo_id=photo_id))
    assert record_prediction(api.parts.database, api.clock, message, "who-2024")
    return case_id


def why(api, *case_ids):
    return [api.get(f"/cases/{case_id}", "field")["why_blood"] for case_id in case_ids]


def advice(api, case_id):
    return api.get(f"/cases/{case_id}", "field")["advice"]


def registered(api):
    manifest, digest = contents.manifest_of(api.parts.repository, "toy-1")
    register_release(api.parts.database, api.clock, Release(None, manifest, digest), "real")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    signed = a_repository(folder / "store", HandClock())
    a_small_release(folder / "toy-1", "toy-1")
    contents.offer(signed.repository, folder / "toy-1", signed.keys["trainer"])
    contents.publish(signed.repository, "toy-1", signed.keys["dora"])
    signed.stamp()
    return signed


@pytest.fixture
def api(database, made, tmp_path):
    """The API with a pinned root, and a signed release that it knows."""
    made.copy(tmp_path / "store", made.clock)
    api = an_api(database, tmp_path / "store", root_metadata=made.folder / "tuf/metadata/1.root.json")
    registered(api)
    return api


@pytest.fixture
def signed(made, tmp_path, request):
    """The repository in the API's own store."""
    clock = request.getfixturevalue("api").clock if "api" in request.fixturenames else HandClock()
    return made.copy(tmp_path / "store", clock)
