"""Who may sign, and what is signed: every role's keys are made, used, exchanged and taken away."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from pallor.release.channel import Channel, ChannelUnreadable, Cohort, Named, bucket_of, share_for
from pallor.release.manifest import IntendedUse
from pallor.release.places import POLICY, channel_target, clearance_target, release_target
from pallor.release.policy import Clearance, Policy, PolicyUnreadable
from pallor.release.repository import ceremony, contents
from pallor.release.repository.ceremony import AlreadyBegun, KeysUnfit
from pallor.release.repository.contents import (
    CandidateUnknown,
    FloorLowered,
    ReleaseImmutable,
    ReleaseTakenBack,
    ReleaseUnsigned,
    ScopeTooWide,
    WorldDiffers,
)
from pallor.release.repository.documents import issued_at
from pallor.release.repository.ledger import (
    Repository,
    RepositoryDamaged,
    RepositoryMissing,
    SignaturesMissing,
    VersionTaken,
)
from pallor.release.repository.roles import KEY_ROLES, LIFETIME
from pallor.release.shelf import ReleaseChanged
from pallor.store.folder import FolderStore
from tests.support.builders import a_clearance
from tests.support.clock import HandClock
from tests.support.repository import HOLDERS, a_channel, a_repository, a_signer, a_small_release

EVIDENCE = "sha256:" + "e" * 64


def test_a_node_that_knows_the_first_root_reads_what_was_signed(signed, tmp_path):
    release = signed.release("eye-1", tmp_path / "eye-1")
    signed.channel(release)
    read = a_reader(signed, tmp_path)
    assert json.loads(read(channel_target("main")))["release"]["release_id"] == "eye-1"
    assert read(release_target("eye-1")) == (tmp_path / "eye-1" / "manifest.json").read_bytes()
    assert Policy.from_json(json.loads(read(POLICY))) == Policy(1)
    assert signed.repository.world == "real"


def test_each_role_lives_as_long_as_it_should_and_says_when_it_was_signed(signed, tmp_path):
    signed.channel(signed.release("eye-1", tmp_path / "eye-1"))
    now = signed.clock.now()
    repository = signed.repository
    found = {role: repository.newest(role) for role in ("targets", "releases", "candidates", "channels", "snapshot")}
    for role, one in {**found, "root": repository.root(), "timestamp": repository.timestamp()}.items():
        assert abs(one.signed.expires - now - LIFETIME[role]).total_seconds() < 2, role
        assert abs(issued_at(one.signed) - now).total_seconds() < 2, role


def test_what_lacks_a_signature_is_not_published(clock, tmp_path):
    signed = a_repository(tmp_path / "store", clock)
    drafts = ceremony.change(signed.repository, "candidates", add=[a_signer("trainer-2").public_key])
    with pytest.raises(SignaturesMissing, match="2 more of anna, ben, cleo"):
        signed.put(drafts)
    with pytest.raises(SignaturesMissing, match="1 more of ben, cleo"):
        signed.put(drafts, "anna")
    assert ceremony.sign(signed.repository, drafts, signed.keys["dora"]) == []
    signed.put(drafts, "cleo")


def test_what_was_drafted_before_another_change_is_drafted_anew(signed):
    first = ceremony.renew(signed.repository, ["targets"])
    second = ceremony.renew(signed.repository, ["targets"])
    signed.put(first, "anna", "ben")
    with pytest.raises(VersionTaken):
        signed.put(second, "anna", "ben")


def test_a_store_is_begun_once(signed):
    keys = {role: signed.public(*names) for role, names in HOLDERS.items()}
    with pytest.raises(AlreadyBegun):
        ceremony.begin(signed.repository, "real", keys)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("root", ("anna", "ben")),  # one lost key would be the end
        ("root", ("anna", "ben", "anna")),
        ("clearances", ("dora",)),
        ("releases", ()),
        ("releases", ("server-channels",)),  # whoever takes the server could release
        ("root", ("anna", "ben", "server-snapshot")),
    ],
)
def test_keys_with_which_nothing_or_too_much_could_be_signed_are_refused(clock, tmp_path, role, names):
    made = a_repository(tmp_path / "other", clock)
    keys = {name: made.public(*held) for name, held in HOLDERS.items()} | {role: made.public(*names)}
    nothing = Repository(FolderStore(tmp_path / "empty"), clock)
    with pytest.raises(RepositoryMissing):
        nothing.root()
    with pytest.raises(KeysUnfit):
        ceremony.begin(nothing, "real", keys)


@pytest.mark.parametrize("role", KEY_ROLES)
def test_every_roles_key_is_exchanged_and_the_old_one_counts_no_more(signed, tmp_path, role):
    release = signed.release("eye-1", tmp_path / "eye-1")
    clear(signed, release)
    signed.channel(release)
    node = tmp_path / "node"
    a_reader(signed, node)(channel_target("main"))
    old, new = HOLDERS[role][0], f"{HOLDERS[role][0]}-2"
    signed.keys[new] = a_signer(new)
    drafts = ceremony.change(signed.repository, role, add=signed.public(new), remove=[old])
    signers = ("anna", "ben", new) if role == "root" else ("ben", "cleo", new, "emil")
    signed.put(drafts, *signers)
    if role in ("snapshot", "timestamp"):
        signed.keys[old], signed.keys[new] = signed.keys[new], signed.keys[old]
    signed.stamp()
    read = a_reader(signed, node)  # the same node, which knows the old keys
    for target in (channel_target("main"), release_target("eye-1"), clearance_target("eye-1")):
        assert read(target)
    threshold, names = ceremony.holders(signed.repository)[role]
    assert new in names
    assert old not in names
    assert threshold == (2 if role in ("root", "clearances") else 1)
    if role in ("snapshot", "timestamp"):
        return
    again = ceremony.renew(signed.repository, [role])
    ceremony.sign(signed.repository, again, signed.keys[old])
    with pytest.raises(SignaturesMissing):
        signed.repository.publish(*again.values())


def test_what_a_thief_offered_goes_with_the_key(signed, tmp_path):
    signed.candidate("eye-1", tmp_path / "eye-1")
    signed.keys["trainer-2"] = a_signer("trainer-2")
    drafts = ceremony.change(
        signed.repository, "candidates", add=signed.public("trainer-2"), remove=["trainer"], stolen=True
    )
    signed.put(drafts, "anna", "ben", "trainer-2")
    with pytest.raises(CandidateUnknown):
        contents.publish(signed.repository, "eye-1", signed.keys["dora"])


def test_a_root_without_two_of_those_before_it_is_passed_over(signed):
    def give_away(root):
        root.add_key(signed.keys["trainer"].public_key, "root")
        root.roles["root"].threshold = 1

    signed.force("root", give_away, "trainer", "anna")
    assert signed.repository.root().signed.version == 1


def test_an_id_stands_for_one_manifest_for_ever(signed, tmp_path):
    signed.candidate("eye-1", tmp_path / "eye-1")
    a_small_release(tmp_path / "other", "eye-1", model=b"others")
    assert contents.offer(signed.repository, tmp_path / "eye-1", signed.keys["trainer"]) == "eye-1"
    with pytest.raises(ReleaseImmutable):
        contents.offer(signed.repository, tmp_path / "other", signed.keys["trainer"])
    assert contents.publish(signed.repository, "eye-1", signed.keys["dora"]) == 1
    assert contents.publish(signed.repository, "eye-1", signed.keys["emil"]) == 1
    with pytest.raises(ReleaseImmutable):
        contents.offer(signed.repository, tmp_path / "other", signed.keys["trainer"])


def test_releases_are_numbered_and_the_floor_only_rises(signed, tmp_path):
    for name in ("eye-1", "eye-2"):
        signed.release(name, tmp_path / name)
    assert {name: one.custom["number"] for name, one in contents.releases_of(signed.repository).items()} == {
        "eye-1": 1, "eye-2": 2,
    }  # fmt: skip
    assert contents.set_policy(signed.repository, signed.keys["dora"], floor=2).floor == 2
    with pytest.raises(FloorLowered):
        contents.set_policy(signed.repository, signed.keys["dora"], floor=1)


def test_a_yanked_release_does_not_come_back(signed, tmp_path):
    named = signed.candidate("eye-1", tmp_path / "eye-1")
    contents.set_policy(signed.repository, signed.keys["dora"], yank={"eye-1": "learned from a copy"})
    with pytest.raises(ReleaseTakenBack, match="learned from a copy"):
        contents.publish(signed.repository, named.release_id, signed.keys["dora"])


def test_only_what_is_whole_becomes_a_release(signed, tmp_path):
    signed.candidate("eye-1", tmp_path / "eye-1")
    file = next(signed.repository.store.keys("tuf/files/"))
    signed.repository.store.put(file, b"something else")
    with pytest.raises(RepositoryDamaged):
        contents.publish(signed.repository, "eye-1", signed.keys["dora"])
    (tmp_path / "eye-1" / "card.md").write_text("another card")
    with pytest.raises(ReleaseChanged):
        contents.offer(signed.repository, tmp_path / "eye-1", signed.keys["trainer"])


def test_a_synthetic_release_stays_out_of_a_real_world_and_is_never_cleared(signed, clock, tmp_path):
    with pytest.raises(WorldDiffers):
        signed.candidate("toy-1", tmp_path / "toy-1", world="synthetic")
    synthetic = a_repository(tmp_path / "synthetic", clock, "synthetic")
    named = synthetic.release("toy-1", tmp_path / "toy-1", world="synthetic")
    with pytest.raises(WorldDiffers, match="never cleared"):
        contents.draft_clearance(synthetic.repository, clearance_of(named))


def test_clearing_takes_two_people_and_the_manifest_that_was_published(signed, tmp_path):
    named = signed.release("eye-1", tmp_path / "eye-1")
    draft = {"clearances": contents.draft_clearance(signed.repository, clearance_of(named))}
    with pytest.raises(SignaturesMissing, match="1 more of emil"):
        signed.put(draft, "dora", "trainer", "server-channels")
    signed.put(draft, "emil")
    assert clearance_target("eye-1") in signed.repository.targets("clearances")
    with pytest.raises(ReleaseUnsigned):
        contents.draft_clearance(signed.repository, clearance_of(Named("eye-1", EVIDENCE)))
    for wider in (IntendedUse(6, 60, pregnant=False), IntendedUse(5, 59, pregnant=False), IntendedUse(6, 59, True)):
        with pytest.raises(ScopeTooWide):
            contents.draft_clearance(signed.repository, clearance_of(named, scope=wider))


def test_the_timestamp_is_signed_daily_and_the_rest_when_it_changes(signed, tmp_path):
    signed.channel(signed.release("eye-1", tmp_path / "eye-1"))
    assert signed.stamp() == replace(signed.stamp(), snapshot=False, timestamp=False, due=())
    signed.clock.move(days=1)
    done = signed.stamp()
    assert (done.snapshot, done.timestamp) == (False, True)
    signed.clock.move(days=15)
    assert signed.stamp().snapshot
    signed.clock.move(days=300)
    assert [role for role, _ in signed.stamp().due] == ["releases", "candidates", "channels"]


def test_what_somebody_without_a_key_put_there_is_passed_over(signed, tmp_path):
    signed.channel(signed.release("eye-1", tmp_path / "eye-1"))
    signed.keys["stranger"] = a_signer("stranger")
    signed.force("releases", lambda targets: targets.targets.clear(), "stranger")
    signed.repository.store.put("tuf/metadata/99.releases.json", b"{")
    assert contents.releases_of(signed.repository).keys() == {"eye-1"}
    assert not signed.stamp().snapshot


def test_a_share_holds_at_least_one_node_and_at_least_its_percentage():
    for count in (1, 12, 200, 999):
        nodes = [f"node-{number}" for number in range(count)]
        for percent in (1, 10, 50, 99.9):
            share = share_for(percent, "r", nodes)
            held = sum(bucket_of("r", node) < share for node in nodes)
            assert held == max(1, -(-count * percent // 100))
    assert share_for(100, "r", ["a"]) == 2**32
    assert share_for(1, "r", []) == 42949673
    with pytest.raises(ValueError, match="not a share"):
        share_for(0, "r", ["a"])


def test_a_cohort_is_of_its_sites_and_has_all_of_its_hardware():
    assert Cohort().holds(["a"], [])
    assert Cohort(("a", "b"), ("cpu",)).holds(["b", "c"], ["cpu", "sm86"])
    assert not Cohort(("a",)).holds(["b"], ["cpu"])
    assert not Cohort(hardware=("cpu", "sm86")).holds(["a"], ["cpu"])


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"share": -1}, {"share": 2**32 + 1}, {"share": True}, {"release": None}, {"name": "../x"}, {"x": 1},
     {"release": {"release_id": "../x", "manifest": EVIDENCE}}, {"release": {"release_id": "x", "manifest": "md5:"}}],
)  # fmt: skip
def test_a_channel_that_cannot_be_is_not_read(signed, tmp_path, change):
    said = a_channel(signed.release("eye-1", tmp_path / "eye-1"), None, signed.clock)
    assert Channel.from_json(said.to_json()) == said
    with pytest.raises(ChannelUnreadable):
        Channel.from_json(said.to_json() | change)


OPEN = {"format": 1, "floor": 1, "yanked": {}}


@pytest.mark.parametrize(
    "said",
    [None, [], {}, OPEN | {"floor": 0}, OPEN | {"floor": "2"}, OPEN | {"yanked": {"": ""}}, OPEN | {"yanked": []}],
)
def test_a_policy_that_cannot_be_is_not_read(said):
    with pytest.raises(PolicyUnreadable):
        Policy.from_json(said)
    with pytest.raises(PolicyUnreadable):
        Clearance.from_json(said)


class Files(FetcherInterface):
    """Reads the store's own files."""

    def _fetch(self, url):
        path = Path(url.removeprefix("file://"))
        if not path.exists():
            raise DownloadHTTPError("nothing there", 404)
        return iter([path.read_bytes()])


def clearance_of(named, **facts):
    return a_clearance(named.release_id, manifest=named.manifest, evidence=EVIDENCE, **facts)


def clear(signed, named):
    draft = contents.draft_clearance(signed.repository, clearance_of(named))
    signed.put({"clearances": draft}, "dora", "emil")


def a_reader(signed, folder):
    """python-tuf's own client over the store's files, with the first root in its hand."""
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    base = f"file://{signed.folder}/tuf"
    updater = Updater(
        str(folder / "cache"), f"{base}/metadata/", str(folder), f"{base}/targets/", fetcher=Files(),
        bootstrap=signed.root_bytes,
    )  # fmt: skip
    updater._trusted_set.reference_time = signed.clock.now()
    updater.refresh()

    def read(target):
        info = updater.get_targetinfo(target)
        path = updater.download_target(info)
        with open(path, "rb") as file:
            return file.read()

    return read


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def signed(clock, tmp_path):
    return a_repository(tmp_path / "store", clock)
