"""A whole machine teaches: cases become a snapshot, what the trainer finds comes back, the next snapshot heeds it."""

import pytest

from pallor.clock import SystemClock, utc_text
from pallor.ids import new_id
from pallor.image.spec import PreprocessSpec
from pallor.onebox.client import Client
from pallor.snapshot import SnapshotMissing, read_snapshot
from pallor.store import open_store
from tests.support.builders import a_candidate
from tests.support.stack import SITE, a_stack, drawn_photos, wait_until
from trainer.data.photos import Photos, load
from trainer.post import Api

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with a_stack(tmp_path_factory.mktemp("learning")) as stack:
        yield stack


@pytest.fixture(scope="module")
def trainer(stack) -> Api:
    """The trainer's machine, enrolled as any device is."""
    order = {"kind": "trainer", "device_name": "trainer-1", "sites": [], "minutes": 5}
    with Client(stack.box.url) as stranger:
        enrolled = stranger.post("/enrolments", {"code": stack.admin.post("/enrolment-codes", order)["code"]})
    assert (enrolled["kind"], enrolled["world"]) == ("trainer", "synthetic")
    return Api(stack.box.url, enrolled["token"])


def test_from_cases_to_a_snapshot_and_back_with_what_was_found(stack, trainer):
    cases = [visit(stack, photo, number) for number, photo in enumerate(drawn_photos(3, seed=41), 1)]
    first = trainer.export_snapshot()
    photos = fetched(stack, first)
    assert (len(photos), photos.world, set(photos.sites.tolist())) == (3, "synthetic", {SITE})
    assert len(set(photos.subjects.tolist())) == 3
    assert trainer.export_snapshot() == first

    stored = [photo_of(stack, case_id) for case_id in cases]
    groups = {stored[0]: "one eye", stored[1]: "another", stored[2]: "one eye"}
    assert trainer.hand_back_groups(first, groups, method="by-hand") == 2
    reasons = [stack.admin.get(f"/cases/{case_id}")["label"]["withheld"] for case_id in cases]
    assert reasons == [["same-photo-of-another-subject"], [], ["same-photo-of-another-subject"]]
    second = trainer.export_snapshot()
    assert fetched(stack, second).ids.tolist() == [stored[1]]

    report = a_candidate(release_id="journey-1", world="synthetic", snapshot_digest=second)
    trainer.post_candidate(report)
    assert [(item["release_id"], item["snapshot"]) for item in stack.admin.get("/candidates")["items"]] == [
        ("journey-1", "complete")
    ]

    said = {"site": SITE, "subject_code": "J-2", "reason": "request"}
    erasure = stack.admin.put(f"/erasures/{new_id()}", said)
    assert (sorted(erasure["snapshots"]), erasure["releases"]) == (sorted([first, second]), ["journey-1"])
    store = open_store(stack.box.folder.store_url)
    wait_until(lambda: not list(store.keys("snapshots/")), "the snapshots to be taken away")
    with pytest.raises(SnapshotMissing):
        read_snapshot(store, second)
    assert stack.admin.get("/candidates")["items"][0]["snapshot"] == "incomplete"


def visit(stack, photo: bytes, number: int) -> str:
    """A case with a photo and, from the laboratory, a haemoglobin."""
    sent, now = stack.send(photo, number), utc_text(SystemClock().now())
    result = {"case_id": sent.case_id, "hb": {"value": "104", "unit": "g/L"}, "taken_at": now}
    stack.laboratory.put(f"/lab-results/{new_id()}", result)
    return sent.case_id


def photo_of(stack, case_id: str) -> str:
    (photo,) = stack.admin.get(f"/cases/{case_id}")["photos"]
    return str(photo["stored_sha256"])


def fetched(stack, digest: str) -> Photos:
    store = open_store(stack.box.folder.store_url)
    lines = read_snapshot(store, digest)
    return load(store, digest, lines, {line.photo: line.photo for line in lines}, PreprocessSpec(size=32))
