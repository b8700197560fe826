"""A snapshot is its bytes: whoever holds its digest can tell whether anything of it was changed."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from pallor.digest import canonical_json, sha256_of
from pallor.ids import new_id
from pallor.snapshot import (
    LabelledPhoto,
    SnapshotBroken,
    SnapshotMissing,
    digest_of_snapshot,
    read_snapshot,
    snapshot_key,
    write_snapshot,
)
from pallor.store.folder import FolderStore
from pallor.store.port import ObjectStore
from pallor.store.s3 import S3Store, connect
from tests.support.builders import a_line

LINES = tuple(a_line(case_id=f"case-{number}", site="Kumasi Süd\r\u2028") for number in range(5))


class SnapshotContract:
    """What holds whatever store a snapshot lies in."""

    def test_what_was_frozen_is_read_back(self, store: ObjectStore) -> None:
        digest = write_snapshot(store, LINES)
        assert set(read_snapshot(store, digest)) == set(LINES)
        assert digest == digest_of_snapshot(LINES)

    def test_the_same_lines_in_any_order_are_the_same_snapshot(self, store: ObjectStore) -> None:
        digest = write_snapshot(store, LINES)
        before = store.get(snapshot_key(digest))
        assert write_snapshot(store, LINES[::-1]) == digest
        assert store.get(snapshot_key(digest)) == before
        assert list(store.keys("snapshots/")) == [snapshot_key(digest)]
        assert write_snapshot(store, LINES[1:]) != digest

    def test_one_that_was_taken_away_says_why(self, store: ObjectStore) -> None:
        digest = write_snapshot(store, LINES)
        store.delete(snapshot_key(digest))
        with pytest.raises(SnapshotMissing, match="somebody in it was erased"):
            read_snapshot(store, digest)

    @pytest.mark.parametrize("damage", ["cut", "changed", "no-gzip", "another", "empty"])
    def test_damaged_bytes_are_never_read(self, store: ObjectStore, damage: str) -> None:
        digest = write_snapshot(store, LINES)
        data = store.get(snapshot_key(digest))
        one_more = b"".join(canonical_json(asdict(line)) + b"\n" for line in (*LINES, a_line()))
        store.put(snapshot_key(digest), {
            "cut": data[: len(data) // 2],
            "changed": data[:60] + bytes([data[60] ^ 255]) + data[61:],
            "no-gzip": b"case-0",
            "another": gzip.compress(one_more),
            "empty": b"",
        }[damage])  # fmt: skip
        with pytest.raises(SnapshotBroken, match=digest):
            read_snapshot(store, digest)


class TestInAFolder(SnapshotContract):
    @pytest.fixture
    def store(self, tmp_path) -> FolderStore:
        return FolderStore(tmp_path / "store")


@pytest.mark.usefixtures("aws")
class TestInS3(SnapshotContract):
    @pytest.fixture
    def store(self, s3_server: str) -> Iterator[S3Store]:
        client = connect(s3_server)
        bucket = f"snapshots-{new_id()}"
        client.create_bucket(Bucket=bucket)
        yield S3Store(bucket, client=client)
        client.close()


def without(line: LabelledPhoto, name: str) -> dict:
    return {key: value for key, value in asdict(line).items() if key != name}


LINE = asdict(a_line())
NOT_A_LINE = {
    **{f"without {name}": without(a_line(), name) for name in LINE},
    **{f"{name} of another kind": LINE | {name: None} for name in LINE},
    "one field too many": LINE | {"subject_code": "A-017"},
    "a yes for an age": LINE | {"age_months": True},
    "a number for a yes": LINE | {"anaemic": 1},
    "a photo without a digest": LINE | {"photo": "a.png"},
    "a haemoglobin that is no number": LINE | {"hb_g_per_l": "low"},
    "a haemoglobin without an end": LINE | {"hb_g_per_l": "NaN"},
    "a world of its own": LINE | {"world": "imagined"},
    "a moment nobody knows": LINE | {"captured_at": "yesterday"},
    "a haemoglobin below nothing": LINE | {"hb_g_per_l": "-5"},
    "a haemoglobin that nobody has": LINE | {"hb_g_per_l": "1e300", "severity": "none", "anaemic": False},
    "an age before birth": LINE | {"age_months": -5},
    "a sex that no table knows": LINE | {"sex": "f"},
    "a table that nobody wrote": LINE | {"label_table": "who-1968"},
    "a severity that is none": LINE | {"severity": "grave"},
    "a severity without anaemia": LINE | {"anaemic": False},
    "anaemia with enough haemoglobin": LINE | {"hb_g_per_l": "131.0"},
    "no anaemia with too little": LINE | {"severity": "none", "anaemic": False},
    "an adult's label for a child": LINE | {"hb_g_per_l": "115.0"},
    "a list": [LINE],
    "a word": "line",
}


@pytest.mark.parametrize("what", NOT_A_LINE)
def test_a_line_that_is_not_one_is_refused_though_its_digest_is_right(tmp_path, what):
    store, text = FolderStore(tmp_path), json.dumps(NOT_A_LINE[what]).encode() + b"\n"
    store.put(snapshot_key(sha256_of(text)), gzip.compress(text))
    with pytest.raises(SnapshotBroken):
        read_snapshot(store, sha256_of(text))


def test_a_line_whose_source_tells_no_moment_is_one(tmp_path):
    store, line = FolderStore(tmp_path), a_line(captured_at="", device="")
    assert read_snapshot(store, write_snapshot(store, [line])) == (line,)


@pytest.mark.parametrize(
    "facts",
    [
        {"hb_g_per_l": "104.0", "severity": "mild"},
        {"hb_g_per_l": "45.0", "severity": "severe"},
        {"hb_g_per_l": "107.0", "severity": "mild", "age_months": 300},  # pregnant
        {"hb_g_per_l": "107.0", "severity": "moderate", "age_months": 300},  # or not: the line does not say
        {"hb_g_per_l": "125.0", "severity": "mild", "age_months": 300, "sex": "male"},
        {"hb_g_per_l": "104.0", "severity": "mild", "sex": "unknown"},
    ],
)
def test_every_label_that_a_table_can_give_is_read(tmp_path, facts):
    store, line = FolderStore(tmp_path), a_line(**facts)
    assert read_snapshot(store, write_snapshot(store, [line])) == (line,)


def test_what_unpacks_to_a_whole_memory_is_not_unpacked(tmp_path):
    store, text = FolderStore(tmp_path), b"\n" * 50_000_000
    store.put(snapshot_key(sha256_of(text)), gzip.compress(text))
    with pytest.raises(SnapshotBroken, match="more than its lines can be"):
        read_snapshot(store, sha256_of(text))


def test_a_name_that_is_no_digest_leads_nowhere():
    with pytest.raises(ValueError, match="not a sha256"):
        snapshot_key("../images")
