"""Bytes over a line: paced, through a proxy, and every fault by its name."""

import pytest

from pallor.digest import sha256_of
from pallor.release.places import file_place
from sync.download import FileChanged, download, reuse
from sync.fetch import FileMissing, Line, Pace, RepositoryAway
from tests.support.bucket import a_bucket

DATA = bytes(range(256)) * 1000
DIGEST = sha256_of(DATA)


def test_a_pace_is_kept(bucket, tmp_path):
    slept = []
    line = Line(bucket.url, pace=Pace(100_000, sleep=slept.append))
    download(line, DIGEST, len(DATA), tmp_path / "file")
    assert sum(slept) == pytest.approx(2.56, abs=0.02)
    assert line.received == len(DATA)


def test_a_proxy_of_the_environment_is_used(bucket, monkeypatch):
    for name in ("http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", bucket.url)
    with pytest.raises(FileMissing), Line("http://nowhere.invalid").open("some/file"):
        pass
    assert bucket.requests[-1][0].endswith("nowhere.invalid/some/file")


def test_what_is_not_there_and_who_is_not_there_are_told_apart(bucket):
    for line in (Line(bucket.url), Line("file:///nowhere")):
        with pytest.raises(FileMissing), line.open("nothing"):
            pass
    rested = []
    with pytest.raises(RepositoryAway), Line("http://127.0.0.1:1", rest=rested.append).open("nothing"):
        pass
    assert rested == [1.0, 5.0]


def test_what_arrived_changed_is_thrown_away_and_fetched_anew(bucket, tmp_path):
    line, to = Line(bucket.url), tmp_path / "file"
    (tmp_path / "file.part").write_bytes(b"rust")
    with pytest.raises(FileChanged):
        download(line, DIGEST, len(DATA), to)
    assert list(tmp_path.glob("file*")) == []
    download(line, DIGEST, len(DATA), to)
    to.write_bytes(b"rust")
    download(line, DIGEST, len(DATA), to)
    assert to.read_bytes() == DATA
    before = line.received
    download(line, DIGEST, len(DATA), to)
    assert line.received == before


def test_a_file_that_is_here_already_is_taken_unless_it_is_damaged(tmp_path):
    (tmp_path / "good").write_bytes(DATA)
    (tmp_path / "bad").write_bytes(DATA[::-1])
    assert not reuse(DIGEST, len(DATA), tmp_path / "to", [tmp_path / "bad", tmp_path / "none"])
    assert reuse(DIGEST, len(DATA), tmp_path / "to", [tmp_path / "bad", tmp_path / "good"])
    assert (tmp_path / "to").read_bytes() == DATA


@pytest.fixture
def bucket(tmp_path):
    place = tmp_path / "store" / file_place(DIGEST)
    place.parent.mkdir(parents=True)
    place.write_bytes(DATA)
    with a_bucket(tmp_path / "store") as bucket:
        yield bucket
