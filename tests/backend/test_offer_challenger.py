"""A candidate that the trainer has signed becomes the challenger by itself, once, and is shown to nobody."""

import pytest

from backend.services.audit import export_audit
from backend.services.channel_words import newest_word
from backend.services.judge_rollouts import judge_rollouts
from backend.services.move_rollout import NothingToGoBackTo, Plan, roll_back, start_rollout
from backend.services.offer_challenger import offer_challenger
from backend.sweeper import hear
from pallor.candidate import Gate, GateRefusal
from pallor.digest import canonical_json, sha256_of
from pallor.release.channel import Channel
from pallor.release.places import candidate_target
from pallor.release.repository import contents
from pallor.release.repository.roles import CANDIDATES
from sync.rollout import meant
from tests.support.api import an_api
from tests.support.builders import a_candidate, a_manifest
from tests.support.repository import a_repository

# What differs between the dialects, if anything, shows in the tests of rollouts.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_signed_candidate_that_came_with_its_evidence_is_offered_once(api, signed):
    arrive(api, signed, "eye-2")
    assert offer(api) == 1
    assert offer(api) == 0
    word = api.get("/rollouts/main")["word"]
    said = (word["kind"], word["release_id"], word["challenger_id"], word["percent"], word["made_by"])
    assert said == ("challenge", "eye-1", "eye-2", 100.0, "sweeper")
    assert word["evidence"]["signed_by"] == ["trainer"]
    (row,) = [row for row in export_audit(api.parts.database) if row["action"] == "rollout.challenge"]
    assert row["content"]["new"]["evidence"]["challenger"] == "eye-2"
    assert api.get("/releases/eye-2/record")["overall"]["cases"] == 0  # it has a record of its own from now on


def test_nodes_go_on_with_the_release_and_take_the_challenger_beside_it(api, signed):
    arrive(api, signed, "eye-2")
    offer(api)
    wanted = meant(newest(api), "node-1", ["kumasi-1"], ["cpu"])
    assert wanted.release.release_id == "eye-1"
    assert wanted.challenger.release_id == "eye-2"


def test_what_its_gate_refuses_or_nobody_has_signed_or_came_otherwise_is_not_offered(api, signed, tmp_path):
    refused = Gate((GateRefusal("too-few-positives", "41 positives"),))
    arrive(api, signed, "eye-2", gate=refused)
    assert offer(api) == 0
    report(api, "eye-3", "sha256:" + "3" * 64)
    assert offer(api) == 0
    signed.candidate("eye-4", tmp_path / "eye-4")
    report(api, "eye-4", "sha256:" + "4" * 64)
    assert offer(api) == 0


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"[" * 100_000, canonical_json(a_manifest(release_id="eye-9").to_json())]
)
def test_what_a_stolen_key_signs_stops_nothing_else(api, signed, data, caplog):
    bad = signed.repository.put_content(candidate_target("eye-2"), data)
    draft = signed.repository.draft(CANDIDATES)
    draft.signed.targets[bad.path] = bad
    draft.sign(signed.keys["trainer"])
    signed.repository.publish(draft)
    report(api, "eye-2", sha256_of(data))
    heard = hear(api.parts.database, api.clock, api.parts.repository, api.parts.cleared)
    assert (heard.challengers_offered, "no challenger is offered" in caplog.text) == (0, True)
    assert api.call("GET", "/releases/eye-9/record", "admin").status_code == 404
    arrive(api, signed, "eye-3")
    assert offer(api) == 1


def test_while_a_rollout_is_under_way_nothing_is_put_beside_it(api, signed):
    arrive(api, signed, "eye-2")
    contents.publish(signed.repository, "eye-2", signed.keys["dora"])
    start(api, "eye-2", percent=10)
    arrive(api, signed, "eye-3")
    assert offer(api) == 0
    roll_back(api.parts.database, api.clock, "main", "harm", by="test")
    assert offer(api) == 1
    with pytest.raises(NothingToGoBackTo):  # a challenger beside what it went back to changes nothing of that
        roll_back(api.parts.database, api.clock, "main", "again", by="test")
    assert judge_rollouts(api.parts.database, api.clock) == 0


def test_where_people_took_it_off_or_on_it_stays_so(api, signed):
    arrive(api, signed, "eye-2")
    offer(api)
    start(api, "eye-1", percent=100)
    assert hear(api.parts.database, api.clock, api.parts.repository, api.parts.cleared).challengers_offered == 0
    arrive(api, signed, "eye-3")
    contents.publish(signed.repository, "eye-3", signed.keys["dora"])
    start(api, "eye-3", percent=100)
    assert offer(api) == 0
    assert api.get("/rollouts/main")["word"]["challenger_id"] is None


def test_where_nothing_is_signed_nothing_is_offered(database, tmp_path):
    assert offer(an_api(database, tmp_path / "store")) == 0


def offer(api):
    return offer_challenger(api.parts.database, api.clock, api.parts.repository)


def start(api, release_id, percent):
    start_rollout(
        api.parts.database, api.clock, api.parts.repository, "main", Plan(release_id, percent=percent), by="test"
    )


def arrive(api, signed, release_id, **facts):
    """As the trainer's round ends: signed into the store, and posted with its evidence."""
    report(api, release_id, signed.candidate(release_id, signed.folder.parent / release_id).manifest, **facts)


def report(api, release_id, manifest, **facts):
    body = a_candidate(release_id=release_id, manifest_digest=manifest, **facts)
    assert api.call("PUT", f"/candidates/{release_id}", "trainer", json=body.to_json()).status_code == 201


def newest(api):
    with api.parts.database.read() as connection:
        return Channel.from_json(newest_word(connection, "main").content)


@pytest.fixture
def signed(api, tmp_path):
    """A repository in the API's own store, with a release that everybody runs."""
    made = a_repository(api.parts.store.root, api.clock)
    made.release("eye-1", tmp_path / "eye-1")
    start(api, "eye-1", percent=100)
    return made
