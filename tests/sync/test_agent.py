"""An agent brings what is meant for its node, tries it, watches it, and goes back by itself."""

import errno
import os
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from pallor.node_report import NodeReport
from pallor.release.channel import Cohort, bucket_of
from pallor.release.repository import contents
from pallor.release.shelf import CHALLENGER, CURRENT, PREVIOUS
from sync.agent import DiskTrouble
from sync.alone import AnotherAgent, alone
from sync.journal import read_journal
from tests.support.agents import a_node
from tests.support.bucket import a_bucket
from tests.support.clock import HandClock
from tests.support.repository import a_channel, a_repository


def test_a_release_is_fetched_tried_and_activated_with_the_files_that_fit(place, node):
    place.roll_out("eye-1")
    assert node.fails() == ""
    assert (node.serves, node.machine.shelf.named(PREVIOUS)) == ("eye-1", "old-1")
    folder = node.machine.shelf.current().folder
    assert sorted(os.listdir(folder)) == ["card.md", "golden", "int8.onnx", "manifest.json"]
    assert node.bench.probed == ["old-1", "eye-1"]


def test_looking_again_fetches_two_small_files_and_changes_nothing(place, node, bucket):
    place.roll_out("eye-1")
    node.once()
    bucket.requests.clear()
    assert node.fails() == ""
    assert [name for name, _ in bucket.requests] == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_a_file_that_did_not_change_is_not_fetched_again(place, node, bucket):
    place.roll_out("eye-1")
    node.once()
    node.serve(100)
    bucket.requests.clear()
    place.roll_out("eye-2", previous="eye-1")
    node.once()
    assert node.serves == "eye-2"
    (card,) = bucket.asked("files/")
    assert card[1] == len("eye-2")


def test_a_download_goes_on_where_it_was_cut(place, node, bucket):
    place.roll_out("eye-1", model=bytes(300_000))
    bucket.cut_after = [100_000, 50_000]
    assert node.fails() == ""
    assert node.serves == "eye-1"
    assert [size for _, size in bucket.asked("files/") if size > 100] == [100_000, 50_000, 150_000]


def test_a_line_that_brings_nothing_any_more_is_left_until_the_next_round(place, node, bucket):
    place.roll_out("eye-1", model=bytes(300_000))
    bucket.cut_after = [100_000, 0, 0, 0]
    assert node.fails() == "repository-away"
    assert node.serves == "old-1"
    bucket.cut_after.clear()
    assert node.fails() == ""
    assert [size for _, size in bucket.asked("files/") if size > 100] == [100_000, 200_000]


def test_a_server_that_cannot_begin_in_the_middle_serves_all_the_same(place, node, bucket):
    place.roll_out("eye-1", model=bytes(range(256)) * 1000)
    bucket.cut_after, bucket.ranges = [70_000], False
    node.once()
    node.once()
    assert node.serves == "eye-1"


def test_a_node_that_is_not_meant_keeps_what_it_has(place, node):
    place.roll_out("eye-1", share=bucket_of("rollout-1", "node-1"))
    assert node.fails() == ""
    assert node.serves == "old-1"
    place.roll_out("eye-1", share=bucket_of("rollout-1", "node-1") + 1)
    node.once()
    assert node.serves == "eye-1"


@pytest.mark.parametrize("cohort", [Cohort(("tamale-1",)), Cohort(hardware=("sm86",))])
def test_a_node_outside_the_cohort_keeps_what_it_has(place, node, cohort):
    place.roll_out("eye-1", cohort=cohort)
    node.once()
    assert node.serves == "old-1"


def test_a_release_that_fails_its_golden_photos_never_answers_and_is_tried_twice(place, node, clock):
    place.roll_out("eye-1")
    node.bench.bad.add("eye-1")
    assert node.fails() == "probe-failed"
    assert node.serves == "old-1"
    assert node.fails() == "release-resting"
    clock.move(hours=7)
    assert node.fails() == "probe-failed"
    clock.move(hours=7)
    assert node.fails() == "release-failed-here"
    assert node.serves == "old-1"
    assert not node.machine.shelf.folder_of("eye-1").exists()
    assert last_report(node).stepped_back.reason == "golden-failure"


def test_a_broken_worker_is_not_held_against_the_release(place, node, clock):
    place.roll_out("eye-1")
    node.once()
    place.roll_out("eye-2")
    node.bench.broken = True
    for _ in range(3):
        clock.move(hours=7)
        assert node.fails() == "worker-broken"
    assert (node.serves, last_report(node).stepped_back) == ("eye-1", None)
    node.bench.broken = False
    assert node.fails() == ""
    assert node.serves == "eye-2"


def test_a_halted_rollout_reaches_nobody_who_has_not_taken_it_yet(place, node):
    place.roll_out("eye-1", kind="halt", reason="a call")
    node.once()
    assert node.serves == "old-1"
    place.roll_out("eye-1", kind="advance")
    node.once()
    assert node.serves == "eye-1"
    place.roll_out("eye-1", kind="halt", reason="another call")
    assert node.fails() == ""
    assert node.serves == "eye-1"


def test_a_release_whose_worker_crashes_on_trial_is_taken_off_at_once(place, node):
    place.roll_out("eye-1")
    node.once()
    crash(node.serve(20))
    node.once()
    assert node.serves == "old-1"
    assert last_report(node).stepped_back.reason == "crash"


def test_a_release_that_served_proves_itself_and_one_crash_later_is_forgiven(place, node, clock):
    place.roll_out("eye-1")
    node.once()
    note = node.serve(99)
    assert node.once().trial is not None
    note.count()
    assert node.once().trial is None
    crash(note)
    node.once()
    assert node.serves == "eye-1"
    for _ in range(2):
        crash(node.serve(1))
        clock.move(minutes=5)
        node.once()
    assert node.serves == "old-1"
    assert last_report(node).stepped_back.reason == "crash-loop"


def test_a_day_without_a_crash_is_enough_and_a_power_cut_is_no_crash(place, node, clock, monkeypatch):
    place.roll_out("eye-1")
    node.once()
    crash(node.serve(3))
    monkeypatch.setattr("pallor.release.serving.boot_id", lambda: "another boot")
    assert node.once().trial is not None
    clock.move(hours=25)
    assert node.once().trial is None
    assert node.serves == "eye-1"


def test_a_signed_rollback_brings_the_earlier_one_back_without_a_download(place, node, bucket):
    place.roll_out("eye-1")
    node.once()
    node.serve(100)
    place.roll_out("eye-2", previous="eye-1")
    node.once()
    node.serve(100)
    node.once()
    bucket.requests.clear()
    place.roll_out("eye-1", kind="rollback", from_release="eye-2", to_release="eye-1", reason="worse")
    assert node.fails() == ""
    assert (node.serves, node.once().trial) == ("eye-1", None)
    assert bucket.asked("files/") == []


def test_a_challenger_comes_beside_and_a_candidate_may_be_one(place, node, tmp_path):
    candidate = place.signed.candidate("cand-1", tmp_path / "cand-1")
    place.roll_out("eye-1", challenger=candidate)
    node.once()
    shelf = node.machine.shelf
    assert [shelf.named(slot) for slot in (CURRENT, PREVIOUS, CHALLENGER)] == ["eye-1", "old-1", "cand-1"]
    assert last_report(node).challenger == "cand-1"
    place.roll_out("eye-1", challenger=None)
    node.once()
    assert shelf.named(CHALLENGER) is None
    assert not shelf.folder_of("cand-1").exists()


def test_what_no_slot_names_is_freed(place, node):
    for number in (1, 2, 3):
        place.roll_out(f"eye-{number}")
        node.once()
        node.serve(100)
        node.once()
    shelf = node.machine.shelf
    assert sorted(os.listdir(shelf.root / "releases")) == ["eye-2", "eye-3"]


def test_a_yanked_release_stops_answering_and_is_not_taken_again(place, node):
    place.roll_out("eye-1")
    node.once()
    contents.set_policy(place.signed.repository, place.signed.keys["dora"], yank={"eye-1": "a mistake"})
    place.signed.stamp()
    assert node.fails() == "release-yanked"
    assert node.serves == "old-1"
    assert node.fails() == "release-yanked"


def test_when_nothing_may_run_any_more_nothing_answers(place, node):
    place.roll_out("eye-1")
    node.once()
    place.signed.release("eye-2", place.folder / "eye-2")
    contents.set_policy(place.signed.repository, place.signed.keys["dora"], floor=2)
    place.signed.stamp()
    node.once()
    assert node.serves is None


def test_a_release_that_was_damaged_on_the_disk_is_brought_anew(place, node):
    place.roll_out("eye-1")
    node.once()
    node.serve(100)
    node.once()
    for _ in range(3):  # as often as the disk fails
        (node.machine.shelf.folder_of("eye-1") / "int8.onnx").write_bytes(b"rust")
        assert node.fails() == "release-damaged"
        assert node.machine.shelf.current().release_id == "eye-1"
        assert read_journal(node.machine.state).tries == {}


def test_a_release_that_was_damaged_steps_back_until_it_can_be_brought_anew(place, node):
    place.roll_out("eye-1")
    node.once()
    (node.machine.shelf.folder_of("eye-1") / "int8.onnx").write_bytes(b"rust")
    node.once("file:///nowhere")
    assert node.machine.shelf.current().release_id == "old-1"
    assert last_report(node).stepped_back.reason == "damaged"
    node.once()
    assert node.machine.shelf.current().release_id == "eye-1"


def test_a_slot_that_names_what_is_not_there_is_put_right(place, node):
    shelf = node.machine.shelf
    (shelf.root / CURRENT).unlink()
    (shelf.root / CURRENT).symlink_to("releases/lost-1")
    place.roll_out("eye-1")
    node.once()
    assert (shelf.current().release_id, shelf.named(PREVIOUS)) == ("eye-1", None)


def test_nobody_steps_back_to_what_is_damaged(place, node):
    place.roll_out("eye-1")
    node.once()
    (node.machine.shelf.folder_of("old-1") / "int8.onnx").write_bytes(b"rust")
    crash(node.serve(3))
    assert node.once("file:///nowhere").stepped_back is None
    assert node.serves == "eye-1"


def test_two_agents_on_one_folder_refuse_each_other(node):
    with alone(node.machine.state), pytest.raises(AnotherAgent):
        node.once()
    with alone(node.machine.shelf.root), pytest.raises(AnotherAgent):
        node.once()
    node.once()


def test_a_stick_brings_a_release_without_any_network(place, node, signed, tmp_path):
    place.roll_out("eye-1")
    stick = shutil.copytree(signed.folder / "tuf", tmp_path / "stick")
    node.once(f"file://{stick}")
    assert node.serves == "eye-1"


def test_a_full_disk_is_told_before_anything_is_fetched(place, node, bucket, monkeypatch):
    place.roll_out("eye-1")
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000_000))
    assert node.fails() == "disk-full"
    assert bucket.asked("files/") == []


def test_a_disk_that_takes_nothing_any_more_is_told_and_serving_goes_on(place, node, monkeypatch):
    place.roll_out("eye-1")
    node.once()
    place.roll_out("eye-2")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("sync.journal.os.replace", full)
        with pytest.raises(DiskTrouble, match="No space left"):
            node.once()
    assert node.serves == "eye-1"
    assert any("disk-trouble" in error for error in last_report(node).errors)
    assert node.fails() == ""
    assert node.serves == "eye-2"


def test_files_are_fetched_at_their_hours_alone(place, node, bucket):
    place.roll_out("eye-1")
    node.machine = replace(node.machine, may_fetch=lambda: False)
    assert node.fails() == "not-now"
    assert bucket.asked("files/") == []


def test_a_graphics_card_gets_its_model_and_the_one_for_processors(place, node):
    node.bench.have = ("cpu", "gpu", "sm86")
    place.roll_out("eye-1")
    node.once()
    assert {"fp16.onnx", "int8.onnx"} <= set(os.listdir(node.machine.shelf.current().folder))


def test_the_report_is_the_nodes_own_word(place, node):
    place.roll_out("eye-1")
    node.once()
    node.serve(7)
    node.once()
    report = last_report(node)
    assert (report.release_id, report.cases, report.trial) == ("eye-1", 7, True)
    assert (report.engine.flavour, report.engine.max_difference) == ("onnxruntime-cpu", 0.001)
    assert report.manifest == node.machine.shelf.current().digest
    assert read_journal(node.machine.state).sequence == report.sequence
    node.once()
    assert last_report(node).sequence == report.sequence + 1


def test_a_journal_that_a_failing_disk_lost_is_begun_anew(place, node):
    place.roll_out("eye-1")
    node.once()
    (node.machine.state / "journal.json").write_text("{")
    node.once()
    assert node.serves == "eye-1"
    assert len(list(node.machine.state.glob("damaged.*.json"))) == 1


def test_a_node_whose_journal_was_lost_is_heard_all_the_same(place, node, clock):
    for _ in range(3):
        node.once()
    heard = last_report(node).sequence
    (node.machine.state / "journal.json").unlink()
    clock.move(minutes=30)
    node.once()
    assert last_report(node).sequence > heard


def test_what_has_expired_stops_changes_and_never_serving(place, node, clock):
    place.roll_out("eye-1", expires_at=clock.now() + timedelta(days=5))
    clock.move(days=6)
    assert node.fails() == "channel-expired"
    assert node.serves == "old-1"
    clock.move(days=10)
    assert node.fails() == "metadata-expired"
    assert read_journal(node.machine.state).stale_since is not None
    place.roll_out("eye-1")
    node.once()
    assert (node.serves, read_journal(node.machine.state).stale_since) == ("eye-1", None)


def test_a_node_that_hears_nothing_for_long_says_since_when_it_is_stale(place, node, clock):
    place.roll_out("eye-1")
    node.once()
    clock.move(days=13)
    assert node.once("file:///nowhere").stale_since is None
    clock.move(days=2)
    assert node.once("file:///nowhere").stale_since is not None
    assert node.serves == "eye-1"


def last_report(node):
    return NodeReport.from_json(node.sent[-1]["report"])


def crash(note):
    """The process dies: the system lets go of its lock, and nobody writes that it ended."""
    os.close(note._descriptor)


class Place:
    """The repository, and what an administrator does with it."""

    def __init__(self, signed, folder):
        self.signed, self.folder, self.named = signed, folder, {}

    def roll_out(self, release_id, previous=None, *, model=None, **facts):
        if release_id not in self.named:
            parts = {} if model is None else {"model": model}
            self.named[release_id] = self.signed.release(release_id, self.folder / release_id, **parts)
        channel = a_channel(self.named[release_id], self.named.get(previous), self.signed.clock, **facts)
        contents.set_channel(self.signed.repository, channel, self.signed.keys["server-channels"])
        self.signed.stamp()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def signed(clock, tmp_path):
    return a_repository(tmp_path / "store", clock)


@pytest.fixture
def place(signed, tmp_path):
    return Place(signed, tmp_path)


@pytest.fixture
def bucket(signed):
    with a_bucket(signed.folder / "tuf") as bucket:
        yield bucket


@pytest.fixture
def node(signed, bucket, clock, tmp_path):
    return a_node(tmp_path / "node", signed.root_bytes, bucket.url, clock)
