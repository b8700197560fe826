"""Every attack of The Update Framework's list, and every key that may be stolen: refused by name, the old serves on."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pallor.clock import utc_text
from pallor.digest import sha256_of
from pallor.release.channel import Named
from pallor.release.places import POLICY, clearance_target, file_place, release_target, target_place
from pallor.release.policy import Policy
from pallor.release.repository import ceremony, contents
from pallor.release.shelf import CHALLENGER
from sync.clock import FloorClock
from sync.fetch import Line
from sync.journal import read_journal, write_journal
from sync.trust import MetadataUnsigned, RootUnknown, Trust, fetch_root
from tests.support.agents import a_node
from tests.support.bucket import a_bucket
from tests.support.clock import HandClock
from tests.support.repository import a_repository, a_signer, a_small_release

ONLINE = ("server-channels", "server-snapshot", "server-timestamp")


@pytest.fixture(autouse=True)
def _the_old_one_serves_on(node):
    """After every attack of this file."""
    yield
    assert node.serves == "good-1"
    assert node.machine.shelf.current().release_id == "good-1"


def test_arbitrary_software_in_the_place_of_a_file(world, node, bucket, tmp_path):
    named = world.release("good-2", tmp_path / "good-2", model=b"good weights")
    bucket.lies[file_place(sha256_of(b"good weights"))] = b"evil weights"
    world.channel(named)
    assert node.fails() == "file-changed"


def test_arbitrary_software_in_the_place_of_a_manifest(world, node, bucket, tmp_path):
    named = world.release("good-2", tmp_path / "good-2")
    data = (tmp_path / "good-2" / "manifest.json").read_bytes()
    place = target_place(release_target("good-2"), named.manifest)
    bucket.lies[place] = data.replace(b"toy", b"bad").replace(b"child", b"adult").replace(b"0.45", b"0.01")
    assert bucket.lies[place] != data
    world.channel(named)
    assert node.fails() == "metadata-mixed"


@pytest.mark.parametrize("role", ["releases", "targets", "snapshot", "timestamp", "channels"])
def test_a_wrong_key(world, node, bucket, tmp_path, role):
    forge(world, bucket, role, lambda signed: None, "stranger")
    assert node.fails() == "metadata-unsigned"


def test_a_threshold_that_is_not_met(world, node):
    def give_everything_away(root):
        root.add_key(world.keys["stranger"].public_key, "root")
        root.roles["root"].threshold = 1

    world.force_root(give_everything_away, "anna", "stranger")
    assert node.fails() == "metadata-unsigned"


def test_a_rollback_of_what_is_newest(world, node, bucket, tmp_path):
    before = bucket.content("metadata/timestamp.json")
    world.clock.move(days=1)
    world.channel(world.named, note="newer")
    node.once()
    bucket.lies["metadata/timestamp.json"] = before
    assert node.fails() == "metadata-rolled-back"


def test_a_rollback_of_one_role_by_whoever_holds_the_keys_of_what_is_newest(world, node, bucket, tmp_path):
    world.release("good-2", tmp_path / "good-2")
    contents.set_policy(world.repository, world.keys["dora"], floor=1, yank={"good-2": "a mistake"})
    world.stamp()
    node.once()
    forge(world, bucket, "snapshot", lambda snapshot: lower(snapshot.meta["releases.json"]), "server-snapshot")
    assert node.fails() == "metadata-rolled-back"


def test_an_indefinite_freeze(world, node, clock):
    clock.move(days=13)
    assert node.fails() == ""
    clock.move(days=2)
    assert node.fails() == "metadata-expired"
    stale = read_journal(node.machine.state).stale_since
    clock.move(days=400)
    node.once()
    assert read_journal(node.machine.state).stale_since == stale


def test_files_of_different_moments_mixed(world, node, bucket, tmp_path):
    old = bucket.content("metadata/2.releases.json")
    world.channel(world.release("good-2", tmp_path / "good-2"))
    bucket.lies["metadata/3.releases.json"] = old
    assert node.fails() == "metadata-mixed"


def test_another_snapshot_than_the_timestamp_names(world, node, bucket, tmp_path):
    world.channel(world.release("good-2", tmp_path / "good-2"))
    bucket.lies["metadata/2.snapshot.json"] = bucket.content("metadata/1.snapshot.json")
    assert node.fails() == "metadata-mixed"


@pytest.mark.parametrize("name", ["metadata/timestamp.json", "metadata/2.root.json"])
def test_endless_metadata(world, node, bucket, name):
    bucket.endless.add(name)
    assert node.fails() == "metadata-endless"


def test_an_endless_file(world, node, bucket, tmp_path):
    named = world.release("good-2", tmp_path / "good-2", model=b"good weights")
    bucket.endless.add(file_place(sha256_of(b"good weights")))
    world.channel(named)
    assert node.fails() == "file-endless"


@pytest.mark.parametrize("how", ["drips", "slow_heads"])
def test_a_slow_retrieval(world, node, bucket, how):
    node.machine = replace(node.machine, limit_seconds=0.2)
    getattr(bucket, how).add("metadata/timestamp.json")
    assert node.fails() == "retrieval-slow"


def test_a_slow_retrieval_of_a_file_which_may_be_slow_but_not_for_ever(world, node, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("sync.download._LONGEST_SECONDS", 0.2)
    named = world.release("good-2", tmp_path / "good-2", model=b"good weights")
    bucket.slow_heads.add(file_place(sha256_of(b"good weights")))
    world.channel(named)
    assert node.fails() == "retrieval-slow"


@pytest.mark.parametrize(("role", "days"), [("timestamp", 15), ("channels", 91), ("releases", 366), ("root", 731)])
def test_expired_metadata_whatever_else_is_fresh(world, node, clock, role, days):
    clock.move(days=days)
    everything = {"root", "targets", "releases", "candidates", "channels"} - {role}
    drafts = ceremony.renew(
        world.repository, everything & {"releases", "channels", *(() if role == "root" else ("root", "targets"))}
    )
    world.put(drafts, "anna", "ben", "dora", "server-channels")
    if role != "timestamp":
        world.stamp()
    assert node.fails() == "metadata-expired"


def test_stolen_online_keys_introduce_nothing(world, node, bucket, tmp_path):
    digest = plant(world, tmp_path, "evil-1")
    world.channel(Named("evil-1", digest))
    assert node.fails() == "release-unsigned"


def test_stolen_online_keys_sign_no_release(world, node, bucket, tmp_path):
    digest = plant(world, tmp_path, "evil-1")
    target = world.repository.put_content(release_target("evil-1"), (tmp_path / "evil-1/manifest.json").read_bytes())
    forge(world, bucket, "releases", lambda releases: releases.targets.update({target.path: target}), *ONLINE)
    assert digest
    assert node.fails() == "metadata-unsigned"


def test_stolen_online_keys_clear_nothing(world, node, bucket, tmp_path):
    target = world.repository.put_content(clearance_target("good-1"), b"{}", number=1)

    def clear(clearances):
        clearances.targets[target.path] = target

    forge(world, bucket, "clearances", clear, *ONLINE, "dora")  # and one of the two people's
    trust = Trust(
        tmp_path / "trust", world.root_bytes, Line(bucket.url), FloorClock(world.clock, read_journal(tmp_path).floor)
    )
    trust.refresh()
    with pytest.raises(MetadataUnsigned):
        trust._document(clearance_target("good-1"))


def test_stolen_online_keys_do_not_lower_the_floor(world, node, bucket):
    policy = world.repository.put_content(POLICY, b'{"floor":1,"format":1,"yanked":{}}')
    contents.set_policy(world.repository, world.keys["dora"], floor=1)
    forge(world, bucket, "releases", lambda releases: releases.targets.update({POLICY: policy}), *ONLINE)
    assert node.fails() == "metadata-unsigned"


def test_a_floor_that_was_seen_stays_though_all_metadata_were_lost(world, node):
    journal = read_journal(node.machine.state)
    write_journal(node.machine.state, replace(journal, policy_floor=7))
    assert node.fails() == "floor-lowered"


def test_a_stolen_candidate_key_reaches_the_challengers_slot_and_no_further(world, node, tmp_path):
    evil = world.candidate("evil-1", tmp_path / "evil-1", model=b"evil")
    world.channel(evil, world.named)
    assert node.fails() == "release-unsigned"
    world.channel(world.named, challenger=evil)
    assert node.fails() == ""
    assert node.machine.shelf.named(CHALLENGER) == "evil-1"


def test_a_stolen_candidate_key_signs_nothing_but_candidates(world, node, bucket, tmp_path):
    digest = plant(world, tmp_path, "evil-1")
    target = world.repository.put_content(
        release_target("evil-1"), (tmp_path / "evil-1/manifest.json").read_bytes(), number=9
    )
    world.candidate("cand-1", tmp_path / "cand-1")
    forge(world, bucket, "candidates", lambda candidates: candidates.targets.update({target.path: target}), "trainer")
    world.channel(Named("evil-1", digest))
    assert node.fails() == "release-unsigned"


def test_a_stolen_candidate_key_cannot_exchange_a_challenger(world, node, tmp_path):
    named = world.candidate("cand-1", tmp_path / "cand-1")
    world.channel(world.named, challenger=Named("cand-1", sha256_of(b"what the administrator saw")))
    assert named.release_id == "cand-1"
    assert node.fails() == "release-replaced"


def test_a_stolen_channel_key_cannot_choose_what_was_taken_back(world, node, tmp_path):
    named = world.release("bad-1", tmp_path / "bad-1")
    contents.set_policy(world.repository, world.keys["dora"], yank={"bad-1": "a mistake"})
    world.channel(named)
    assert node.fails() == "release-yanked"


def test_a_stolen_channel_key_cannot_keep_from_stopping_what_was_taken_back(world, node, tmp_path):
    bad = world.release("bad-1", tmp_path / "bad-1")
    world.channel(bad)
    node.once()
    assert node.serves == "bad-1"
    contents.set_policy(world.repository, world.keys["dora"], yank={"bad-1": "it was stolen"})
    garbage = world.repository.put_content("channels/main.json", b"no channel")
    world.force("channels", lambda signed: signed.targets.update({garbage.path: garbage}), "server-channels")
    world.stamp()
    assert node.fails() == "metadata-unreadable"


def test_a_stolen_channel_key_cannot_go_below_the_floor(world, node):
    contents.set_policy(world.repository, world.keys["dora"], floor=2)
    world.channel(world.low)
    assert node.fails() == "release-below-floor"


def test_a_stolen_channel_key_cannot_exchange_what_an_id_stands_for(world, node):
    world.channel(Named("good-1", sha256_of(b"another manifest")))
    world.channel(Named("good-2", sha256_of(b"another manifest")))
    assert node.fails() == "release-unsigned"


def test_a_stolen_channel_key_signs_no_other_channel_name_or_role(world, node, bucket):
    target = world.repository.put_content("policy.json", json.dumps(Policy(9).to_json()).encode())
    forge(world, bucket, "channels", lambda channels: channels.targets.update({POLICY: target}), "server-channels")
    assert node.fails() == ""
    assert read_journal(node.machine.state).policy_floor == 1


def test_a_synthetic_release_is_not_for_people(world, node, tmp_path):
    digest = a_small_release(tmp_path / "toy-1", "toy-1", world="synthetic")
    target = world.repository.put_content(
        release_target("toy-1"), (tmp_path / "toy-1/manifest.json").read_bytes(), number=2
    )
    draft = world.repository.draft("releases")
    draft.signed.targets[target.path] = target
    world.put({"releases": draft}, "dora")
    world.channel(Named("toy-1", digest))
    assert node.fails() == "world-differs"


def test_a_repository_of_the_other_world_is_not_for_this_node(world, node, clock, tmp_path):
    other = a_repository(tmp_path / "synthetic", clock, "synthetic")
    other.channel(other.release("toy-1", tmp_path / "toy-1", world="synthetic"))
    (tmp_path / "other").mkdir()
    with a_bucket(other.folder / "tuf") as bucket:
        stranger = a_node(tmp_path / "other", other.root_bytes, bucket.url, clock, first="good-1")
        assert stranger.fails() == "world-differs"
        with pytest.raises(RootUnknown):
            fetch_root(Line(bucket.url), sha256_of(world.root_bytes))


def test_a_machine_in_1970_takes_what_is_fresh_and_refuses_what_it_has_outlived(world, node, clock, bucket, tmp_path):
    class NoBattery:
        def now(self):
            return clock.now().replace(year=1970)

    node.machine = replace(node.machine, clock=NoBattery())
    assert node.fails() == ""
    old = {name: bucket.content(name) for name in ("metadata/timestamp.json",)}
    clock.move(days=30)
    world.put(ceremony.renew(world.repository, ["channels"]), "server-channels")
    world.stamp()
    assert node.fails() == ""
    assert read_journal(node.machine.state).floor.at >= clock.now() - timedelta(minutes=1)
    bucket.lies |= old
    assert node.fails() == "metadata-rolled-back"
    (node.machine.state / "trust" / "metadata" / "timestamp.json").unlink()
    assert node.fails() == "metadata-expired"


def test_a_thief_who_signs_a_moment_far_ahead_is_cured_by_a_new_root(world, node, clock, bucket):
    def far_ahead(timestamp):
        timestamp.unrecognized_fields["issued_at"] = utc_text(clock.now() + timedelta(days=600))

    draft = world.repository.draft("timestamp", based_on=world.repository.timestamp())
    draft.signed.version = 50
    far_ahead(draft.signed)
    draft.sign(world.keys["server-timestamp"])
    world.repository.publish_timestamp(draft)
    node.once()
    assert node.fails() == "metadata-expired"
    world.keys["server-timestamp-2"] = a_signer("server-timestamp-2")
    drafts = ceremony.change(
        world.repository, "timestamp", add=world.public("server-timestamp-2"), remove=["server-timestamp"]
    )
    world.put(drafts, "anna", "cleo")
    world.keys["server-timestamp"] = world.keys["server-timestamp-2"]
    world.stamp()
    assert node.fails() == ""


def test_other_words_in_the_place_of_a_channel(world, node, bucket):
    ((place, _),) = set(bucket.asked("targets/channels"))
    bucket.lies[place] = bucket.content(place).replace(b"a test", b"a lie!")
    assert node.fails() == ""  # what it has is what is signed
    (node.machine.state / "trust" / "targets" / "channels%2Fmain.json").unlink()
    assert node.fails() == "metadata-mixed"


def lower(meta):
    meta.version -= 1
    meta.hashes = None
    meta.length = None


def plant(world, folder, release_id):
    """Put the files of a release into the store, as anybody who can write there does; its manifest's digest."""
    digest = a_small_release(folder / release_id, release_id, model=b"evil weights")
    for path in (folder / release_id).rglob("*"):
        if path.is_file():
            world.repository.put_file(sha256_of(path.read_bytes()), path.read_bytes())
    return digest


def forge(world, bucket, role, change, *names):
    """Sign a role with these keys, and let what is newest name it, as a thief of the online keys does."""
    repository = world.repository
    if role == "timestamp":
        draft = repository.draft(role, based_on=repository.timestamp())
        draft.signed.version += 1
        for name in names:
            draft.sign(world.keys[name], append=True)
        repository.publish_timestamp(draft)
        return
    version = world.force(role, change, *names)
    if role != "snapshot":
        world.point_at(role, version)
    else:
        world.point_at_snapshot(version)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def world(made, clock, tmp_path):
    """A repository with one good release that everybody is to run."""
    signed = made.copy(tmp_path / "store", clock)
    signed.named, signed.low = made.named, made.low
    return signed


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    signed = a_repository(folder / "store", HandClock())
    signed.keys["stranger"] = a_signer("stranger")
    signed.low = signed.release("low-1", folder / "low-1")
    signed.named = signed.release("good-1", folder / "good-1")
    signed.channel(signed.named)
    return signed


@pytest.fixture
def bucket(world):
    with a_bucket(world.folder / "tuf") as bucket:
        yield bucket


@pytest.fixture
def node(world, bucket, clock, tmp_path):
    """A node that has run the good release for long."""
    node = a_node(tmp_path / "node", world.root_bytes, bucket.url, clock)
    node.once()
    node.serve(100)
    assert node.once().trial is None
    assert node.serves == "good-1"
    return node
