"""A release reaches nodes step by step, is watched, halted and taken back; every word is signed, and kept for ever."""

import json
import random
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from backend.__main__ import main
from backend.db.tables import devices, metadata
from backend.services.audit import export_audit
from backend.services.channel_words import newest_word
from backend.services.halt_rules import of_agreement, of_failures, of_shift
from backend.services.judge_rollouts import judge_rollouts
from backend.services.receive_node_report import ReportNotSigned, ReportOfAnother, ReportOld, receive_node_report
from backend.services.sign_channels import OnlineKeysMissing, Signing, online_keys, sign_channels, sign_newest
from backend.services.watch_fleet import Progress
from backend.sweeper import move_rollouts
from pallor.ids import new_id
from pallor.release.channel import Channel, bucket_of
from pallor.release.places import channel_target
from pallor.release.repository import ceremony, contents
from pallor.release.repository.keys import new_key
from tests.support.api import the_fault
from tests.support.clock import HandClock
from tests.support.fleet import a_fleet, a_report, key_facts, sign
from tests.support.repository import a_repository

FIRST = "/rollouts/main"


def test_a_rollout_goes_its_steps_and_its_history_is_kept_for_ever(api, signed, fleet):
    in_production(api, fleet, "eye-1")
    begun = start(api, "eye-2").json
    assert (begun["word"]["previous_id"], begun["word"]["percent"], begun["running"]) == ("eye-1", 1.0, True)
    assert begun["progress"]["reached"] == 1
    for percent, reached in ((10, 2), (50, 6), (100, 12)):
        serve_well(api, fleet, "eye-2")
        answer = move(api, "advance").json
        assert (answer["word"]["percent"], answer["progress"]["reached"]) == (percent, reached)
    assert answer["running"] is False
    history = api.get(f"{FIRST}/history")["items"]
    assert [(one["kind"], one["release_id"], one["percent"]) for one in history] == [
        ("start", "eye-1", 100.0), ("start", "eye-2", 1.0), ("advance", "eye-2", 10.0), ("advance", "eye-2", 50.0),
        ("advance", "eye-2", 100.0),
    ]  # fmt: skip
    assert {one["made_by"] for one in history} == {"test-admin"}
    assert history[3]["evidence"]["counts"] == 2
    trail = [row for row in export_audit(api.parts.database) if row["action"].startswith("rollout.")]
    assert [row["action"] for row in trail] == ["rollout.start"] * 2 + ["rollout.advance"] * 3


def test_what_was_decided_is_signed_and_a_node_can_read_it(api, signed, fleet):
    signing = Signing(
        signed.repository, {role: signed.keys[f"server-{role}"] for role in ("channels", "snapshot", "timestamp")}
    )
    in_production(api, fleet, "eye-1")
    assert api.get(FIRST)["word"]["signed_at"] is None
    assert sign_channels(api.parts.database, api.clock, signing) == 1
    sign_newest(signing)
    assert api.get(FIRST)["word"]["signed_at"] is not None
    said = channel_of(signed)
    assert (said.release.release_id, said.share, said.approved_by) == ("eye-1", 2**32, "test-admin")
    assert said.expires_at - api.clock.now() > timedelta(days=89)
    assert move_rollouts(api.parts.database, api.clock, signing).signed == 0
    api.clock.move(days=46)
    assert move_rollouts(api.parts.database, api.clock, signing).signed == 1
    assert channel_of(signed).expires_at - api.clock.now() > timedelta(days=89)


def test_the_servers_keys_are_found_by_what_is_signed_of_them(api, signed, tmp_path):
    folder = tmp_path / "keys"
    names = ("channels", "snapshot", "timestamp")
    made = {name: new_key(folder, f"any-{name}", "four words for it") for name in names}
    with pytest.raises(OnlineKeysMissing, match="channels"):
        online_keys(signed.repository, folder, "four words for it")
    for name in names:
        signed.put(ceremony.change(signed.repository, name, add=[made[name]]), "anna", "ben", "server-channels")
    found = online_keys(signed.repository, folder, "four words for it")
    assert {name: signer.public_key.keyid for name, signer in found.items()} == {
        name: key.keyid for name, key in made.items()
    }


def test_a_halted_rollout_reaches_nobody_new_until_somebody_says_why_it_may(api, signed, fleet):
    in_production(api, fleet, "eye-1")
    start(api, "eye-2")
    serve_well(api, fleet, "eye-2")
    halted = move(api, "halt", reason="a nurse called").json
    assert (halted["word"]["kind"], halted["word"]["reason"]) == ("halt", "a nurse called")
    assert the_fault(move(api, "advance"))[:2] == (409, "rollout-halted")
    assert move(api, "advance", note="it was another app", percent=50.0).json["word"]["percent"] == 50


def test_a_rollback_is_a_new_word_that_names_from_to_and_reason(api, signed, fleet):
    in_production(api, fleet, "eye-1")
    start(api, "eye-2")
    back = move(api, "rollback", reason="worse in Tamale").json
    assert (back["word"]["release_id"], back["word"]["share"]) == ("eye-1", 2**32)
    said = newest(api)
    assert (said.from_release, said.to_release, said.reason) == ("eye-2", "eye-1", "worse in Tamale")
    assert the_fault(move(api, "rollback", reason="again"))[:2] == (409, "nothing-to-go-back-to")
    assert the_fault(move(api, "advance"))[:2] == (409, "rollout-ended")
    assert start(api, "eye-3").json["word"]["previous_id"] == "eye-1"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"release_id": "nobodys-1"}, 404, "release-unsigned"),
        ({"release_id": "yanked-1"}, 409, "release-not-offered"),
        ({"release_id": "cand-1"}, 404, "release-unsigned"),
        ({"release_id": "eye-2", "challenger_id": "nobodys-1"}, 404, "candidate-unknown"),
        ({"release_id": "eye-2", "percent": 0}, 422, "request-not-valid"),
        ({"release_id": "eye-2", "percent": 101}, 422, "request-not-valid"),
    ],
)
def test_only_what_people_have_signed_is_rolled_out(api, signed, tmp_path, body, status, code):
    signed.candidate("cand-1", tmp_path / "cand-1")
    signed.release("yanked-1", tmp_path / "yanked-1")
    contents.set_policy(signed.repository, signed.keys["dora"], yank={"yanked-1": "a mistake"})
    assert the_fault(api.call("POST", f"{FIRST}/start", "admin", json=body))[:2] == (status, code)


def test_where_nothing_is_signed_nothing_is_rolled_out(api):
    assert the_fault(start(api, "eye-1"))[:2] == (409, "repository-missing")


def test_what_cannot_be_moved_is_told(api, signed, fleet):
    assert the_fault(move(api, "advance"))[:2] == (404, "channel-unknown")
    in_production(api, fleet, "eye-1")
    start(api, "eye-2")
    assert the_fault(start(api, "eye-3"))[:2] == (409, "rollout-running")
    assert the_fault(move(api, "advance"))[:2] == (409, "nobody-counts")
    serve_well(api, fleet, "eye-2")
    assert the_fault(move(api, "advance", percent=0.5))[:2] == (409, "step-backward")


def test_a_candidate_may_answer_beside_a_release(api, signed, fleet, tmp_path):
    signed.candidate("cand-1", tmp_path / "cand-1")
    answer = start(api, "eye-1", challenger_id="cand-1")
    assert answer.json["word"]["challenger_id"] == "cand-1"
    assert newest(api).challenger.manifest.startswith("sha256:")


def test_a_cohort_is_of_its_sites(api, signed, fleet):
    answer = start(api, "eye-1", percent=100, sites=["school"]).json
    assert answer["progress"]["reached"] == 0
    a_fleet(api.parts.database, api.clock, 2, "school")
    assert api.get(FIRST)["progress"]["reached"] == 2


def test_a_step_reaches_at_least_one_node_of_its_cohort(api, signed, fleet):
    a_fleet(api.parts.database, api.clock, 2, "school")
    for number in range(6):  # by a share of all fourteen, chance would leave both out
        answer = api.call("POST", f"/rollouts/channel-{number}/start", "admin",
                          json={"release_id": "eye-1", "sites": ["school"]})  # fmt: skip
        assert answer.json["progress"]["reached"] == 1


def test_a_node_counts_after_five_cases_or_a_day_and_a_silent_one_is_stale_then_lost(api, signed, fleet):
    start(api, "eye-1", percent=100)
    node = fleet[0]
    node.says(cases=4)
    assert progress(api)["trying"] == 1
    node.says(cases=5)
    assert progress(api)["counts"] == 1
    since = api.clock.now().replace(microsecond=0)
    fleet[1].says(cases=0, since=since, engine=None)
    api.clock.move(hours=24)
    fleet[1].says(cases=0, since=since, engine=None)
    assert progress(api)["trying"] == 1  # installed is not running: nobody asked its golden photos
    fleet[1].says(cases=0, since=since)
    assert (progress(api)["counts"], progress(api)["silent"]) == (1, 11)
    voices = {one["name"]: one["voice"] for one in api.get("/nodes")["items"]}
    assert (voices[fleet[0].name], voices[fleet[1].name], voices[fleet[5].name]) == ("stale", "fresh", "lost")
    api.clock.move(days=7)
    assert {one["voice"] for one in api.get("/nodes")["items"]} == {"lost"}


def test_a_report_is_believed_when_its_own_node_signed_it(api, fleet):
    node, other = fleet[0], fleet[1]
    now = api.clock.now().replace(microsecond=0)
    report = a_report(node.name, now)

    def receive(said, signature, device=node):
        return receive_node_report(api.parts.database, api.clock, device.device_id, said, signature, "real")

    assert receive(report, sign(report, node.key))
    assert not receive(report, sign(report, node.key))
    older, newer = a_report(node.name, now, cases=3), a_report(node.name, now, sequence=2)
    toy = a_report(node.name, now, sequence=9, world="synthetic")
    for why, said, signature, device in (
        (ReportOld, older, sign(older, node.key), node),
        (ReportNotSigned, newer, sign(newer, other.key), node),
        (ReportNotSigned, newer, sign(older, node.key), node),
        (ReportNotSigned, newer, "no base64", node),
        (ReportOfAnother, report, sign(report, node.key), other),
        (ReportOfAnother, toy, sign(toy, node.key), node),
    ):
        with pytest.raises(why):
            receive(said, signature, device)


def test_a_report_over_the_wire(api):
    key = Ed25519PrivateKey.generate()
    with api.parts.database.write() as tx:
        tx.execute(update(devices).where(devices.c.name == "test-node").values(**key_facts(key)))
    report = a_report("test-node", api.clock.now())
    body = {"report": report.to_json(), "signature": sign(report, key)}
    first, again = (api.call("POST", "/node-reports", "node", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert api.get("/nodes")["items"][0]["report"] == report.to_json()
    broken = {"report": report.to_json() | {"cases": -1}, "signature": "x"}
    assert the_fault(api.call("POST", "/node-reports", "node", json=broken))[0] == 422


@pytest.mark.parametrize("reason", ["golden-failure", "crash"])
def test_a_release_that_a_node_took_off_is_taken_back_from_all(api, signed, fleet, reason):
    in_production(api, fleet, "eye-1")
    start(api, "eye-2")
    assert judge_rollouts(api.parts.database, api.clock) == 0
    reached(api, fleet)[0].steps_back("eye-2", reason)
    assert api.get(FIRST)["against"].startswith(reason)
    assert judge_rollouts(api.parts.database, api.clock) == 1
    word = api.get(FIRST)["word"]
    assert (word["kind"], word["release_id"], word["made_by"]) == ("rollback", "eye-1", "sweeper")
    assert word["evidence"]["rule"]["rule"] == reason
    assert judge_rollouts(api.parts.database, api.clock) == 0


def test_scores_that_moved_take_a_rollout_back(api, signed, fleet):
    in_production(api, fleet, "eye-1")
    start(api, "eye-2")
    chance = random.Random(1)
    for release, mean, count in (("eye-1", 0.45, 200), ("eye-2", 0.55, 120)):
        scored(api, release, [min(1, max(0, chance.gauss(mean, 0.2))) for _ in range(count)])
    assert judge_rollouts(api.parts.database, api.clock) == 1
    assert newest(api).reason.startswith("score-shift")


def test_worse_agreement_with_the_laboratory_takes_a_rollout_back(api, signed, fleet):
    in_production(api, fleet, "eye-1")
    start(api, "eye-2")
    scored(api, "eye-1", [0.1, 0.9] * 20, found=[False, True] * 20)
    scored(api, "eye-2", [0.9, 0.1] * 20, found=[False, True] * 20)
    assert judge_rollouts(api.parts.database, api.clock) == 1
    assert newest(api).reason.startswith("worse-agreement")


def test_the_rules_are_quiet_where_nothing_speaks():
    chance = random.Random(2)
    alarms = 0
    for _ in range(200):
        before = [chance.gauss(0.4, 0.25) for _ in range(1000)]
        alarms += of_shift([chance.gauss(0.4, 0.25) for _ in range(200)], before) is not None
    assert alarms == 0
    assert of_shift([0.9] * 29, [0.1] * 100) is None
    assert of_agreement([0.9] * 19, [0.1] * 100) is None
    assert of_failures(Progress(known=5000, reached=5000, failed=99, reasons={"crash": 99})) is None
    assert of_failures(Progress(known=5000, reached=5000, failed=100, reasons={"crash": 100})).rule == "crash"
    assert of_failures(Progress(known=12, reached=1, failed=1, reasons={"damaged": 1})) is None
    assert (
        of_failures(Progress(known=12, reached=2, failed=2, reasons={"by-hand": 1, "crash-loop": 1})).rule
        == "crash-loop"
    )


def test_the_repository_is_served_from_any_byte_on(api, signed):
    client = api.app.test_client()
    whole = client.get("/tuf/metadata/1.root.json")
    assert (whole.status_code, whole.data) == (200, signed.root_bytes)
    rest = client.get("/tuf/metadata/1.root.json", headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.data) == (206, signed.root_bytes[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{len(whole.data) - 1}/{len(whole.data)}"
    for place in ("metadata/9.root.json", "../images/x", "..%2Fimages", ".incoming/x"):
        missing = client.get(f"/tuf/{place}")
        assert (missing.status_code, missing.data) == (404, b"")


def test_the_commands_move_a_rollout(three_releases, sqlite_url, monkeypatch, capsys):
    monkeypatch.setenv("PALLOR_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("PALLOR_STORE_URL", f"file://{three_releases.folder}")

    def run(*words, status=0):
        assert main(["rollout", *words]) == status
        said = capsys.readouterr()
        return said.out + said.err

    assert "eye-1, in production" in run("start", "eye-1", "--percent", "100", "--note", "the first")
    assert "eye-2, start, 1 %; before it eye-1" in run("start", "eye-2", "--site", "kumasi-1")
    assert "reaches 1 % of this channel" in run("start", "eye-3", status=2)
    assert "no node has answered" in run("advance", status=2)
    assert "halt: a call" in run("halt", "--reason", "a call")
    assert "eye-1, in production" in run("rollback", "--reason", "harm")
    assert "signed: not yet" in run("status")
    history = run("history").splitlines()
    assert [line.split()[1] for line in history[1:]] == ["start", "start", "halt", "rollback"]
    assert all("operator" in line for line in history[1:])


def start(api, release_id, **facts):
    return api.call("POST", f"{FIRST}/start", "admin", json={"release_id": release_id, **facts})


def move(api, verb, **facts):
    return api.call("POST", f"{FIRST}/{verb}", "admin", json=facts)


def in_production(api, fleet, release_id):
    assert start(api, release_id, percent=100).status_code == 201
    for node in fleet:
        node.says(release_id, cases=50)


def serve_well(api, fleet, release_id):
    for node in reached(api, fleet):
        node.says(release_id, cases=5)


def reached(api, fleet):
    said = newest(api)
    return [node for node in fleet if bucket_of(said.rollout, node.name) < said.share]


def progress(api):
    return api.get(FIRST)["progress"]


def newest(api):
    with api.parts.database.read() as connection:
        return Channel.from_json(newest_word(connection, "main").content)


def channel_of(signed):
    target = signed.repository.targets("channels")[channel_target("main")]
    return Channel.from_json(json.loads(signed.repository.content(target)))


def scored(api, release_id, probabilities, found=None):
    """Cases that were answered by a release, and perhaps confirmed by the laboratory: anaemic or not."""
    rows = {"cases": [], "photos": [], "predictions": [], "labels": []}
    for number, probability in enumerate(probabilities):
        case_id, photo_id, now = new_id(), new_id(), api.clock.now()
        rows["cases"].append({"id": case_id, "site": "kumasi-1", "subject_code": "S-1", "facts": {}, "received_at": now,
                              "submitted_digest": "", "received_by": ""})  # fmt: skip
        photo = {"id": photo_id, "case_id": case_id, "bytes": 1, "captured_at": now, "declared_at": now}
        texts = ("uploaded_sha256", "state", "media_type", "declared_by")
        rows["photos"].append(photo | dict.fromkeys(texts, ""))
        rows["predictions"].append({"photo_id": photo_id, "release_id": release_id, "probability": probability,
                                    "answer": {}, "shown": True, "recorded_at": now})  # fmt: skip
        if found is not None:
            rows["labels"].append({"id": new_id(), "case_id": case_id, "content_digest": "", "eligible": True,
                                   "record": {"anaemic": found[number]}, "derived_at": now})  # fmt: skip
    with api.parts.database.write() as tx:
        for table, values in rows.items():
            if values:
                tx.execute(metadata.tables[table].insert(), values)


@pytest.fixture
def fleet(api):
    """Twelve nodes; the API's own is not let in."""
    with api.parts.database.write() as tx:
        tx.execute(update(devices).where(devices.c.name == "test-node").values(confirmed_at=None))
    return a_fleet(api.parts.database, api.clock, 12)


@pytest.fixture
def signed(api, three_releases):
    """A repository in the API's own store, with three releases that people have signed."""
    return three_releases.copy(api.parts.store.root, api.clock)


@pytest.fixture(scope="module")
def three_releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    made = a_repository(folder / "store", HandClock())
    for number in (1, 2, 3):
        made.release(f"eye-{number}", folder / f"eye-{number}")
    return made
