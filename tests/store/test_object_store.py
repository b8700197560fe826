"""One contract, two stores: a folder, and S3 over HTTP."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pallor.store import open_store
from pallor.store.folder import FolderStore
from pallor.store.port import KeyRefused, ObjectMissing, ObjectStore, StoreUnavailable, StoreUnknown
from pallor.store.s3 import S3Store, connect

KEY = "images/ab/abcdef.png"


class ObjectStoreContract:
    """What every store promises."""

    def test_what_was_put_is_got_byte_for_byte(self, store: ObjectStore) -> None:
        data = bytes(range(256)) * 300
        store.put(KEY, data)
        assert store.get(KEY) == data
        assert store.has(KEY)

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        store.put(KEY, b"")
        assert store.has(KEY)
        assert store.get(KEY) == b""

    def test_the_same_key_again_replaces(self, store: ObjectStore) -> None:
        store.put(KEY, b"old and longer")
        store.put(KEY, b"new")
        assert store.get(KEY) == b"new"
        assert list(store.keys()) == [KEY]

    def test_what_is_not_there_is_missing(self, store: ObjectStore) -> None:
        store.put(KEY, b"x")
        for key in ("images/ab/other.png", "images", "images/ab", f"{KEY}/below"):
            assert not store.has(key)
            with pytest.raises(ObjectMissing):
                store.get(key)

    def test_after_a_put_nothing_is_unfinished(self, store: ObjectStore) -> None:
        store.put(KEY, b"x")
        assert store.discard_unfinished(timedelta()) == 0
        assert store.get(KEY) == b"x"

    def test_delete_takes_away_and_twice_is_once(self, store: ObjectStore) -> None:
        store.put(KEY, b"x")
        store.delete(KEY)
        store.delete(KEY)
        store.delete("never/was")
        assert not store.has(KEY)
        assert list(store.keys()) == []

    def test_keys_come_in_byte_order_and_by_prefix(self, store: ObjectStore) -> None:
        names = ["a.b", "a-b", "a/z", "a/b/c", "a/b-c", "a0", "labels/v1/dt=2026-11-21/x.json", "Z"]
        for name in names:
            store.put(name, b"x")
        assert list(store.keys()) == sorted(names)
        assert list(store.keys("a/")) == ["a/b-c", "a/b/c", "a/z"]
        assert list(store.keys("a/b")) == ["a/b-c", "a/b/c"]
        assert list(store.keys("a")) == ["a-b", "a.b", "a/b-c", "a/b/c", "a/z", "a0"]
        assert list(store.keys("nothing/here")) == []

    def test_more_keys_than_one_page_holds_are_all_listed(self, store: ObjectStore) -> None:
        names = [f"many/{number:04}" for number in range(23)]  # S3Store is made with pages of 10
        for name in names:
            store.put(name, b"x")
        assert list(store.keys("many/")) == names

    @pytest.mark.parametrize(
        "key",
        [
            *(
                "",
                "/etc/passwd",
                "a/../b",
                "..",
                "a//b",
                "a/",
                "./a",
                ".hidden",
                "a\\b",
                "a\nb",
                "a\x00b",
                "a b",
                "a:b",
            ),
            *("é", "~/\ud800", "a" * 256, "/".join(["a" * 200] * 3)),
        ],
    )
    def test_a_key_that_not_every_store_can_hold_is_refused(self, store: ObjectStore, key: str) -> None:
        for use in (store.get, store.has, store.delete, lambda k: store.put(k, b"x")):
            with pytest.raises(KeyRefused, match="key: not a key"):
                use(key)

    def test_a_prefix_that_leaves_the_store_is_refused(self, store: ObjectStore) -> None:
        with pytest.raises(KeyRefused):
            list(store.keys("../"))

    def test_readers_see_the_old_or_the_new_and_never_a_part(self, store: ObjectStore) -> None:
        sizes = {200_000: b"a", 300_000: b"b"}
        store.put(KEY, b"a" * 200_000)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                for size, letter in sizes.items():
                    store.put(KEY, letter * size)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            seen = [store.get(KEY) for _ in range(30)]
        finally:
            stop.set()
            writer.join()
        assert all(data == sizes[len(data)] * len(data) for data in seen)


class TestFolderStore(ObjectStoreContract):
    def test_a_half_written_object_is_never_listed_and_leaves_no_litter(self, store: FolderStore) -> None:
        store.put("a", b"x")
        (store.root / ".incoming" / "left-by-a-killed-process").write_bytes(b"half")
        assert list(store.keys()) == ["a"]
        with pytest.raises(KeyRefused, match="in the way"):
            store.put("a/b", b"x")
        assert [p.name for p in (store.root / ".incoming").iterdir()] == ["left-by-a-killed-process"]

    def test_what_a_killed_process_left_goes_once_it_is_old_and_nothing_else(self, store: FolderStore) -> None:
        store.put(KEY, b"x")
        young, old = (store.root / ".incoming" / name for name in ("young", "old"))
        for file, age in ((young, 0), (old, 3600)):
            file.write_bytes(b"half")
            os.utime(file, (time.time() - age, time.time() - age))
            os.utime(store.root / KEY, (time.time() - age, time.time() - age))
        assert store.discard_unfinished(timedelta(minutes=10)) == 1
        assert (young.exists(), old.exists(), store.get(KEY)) == (True, False, b"x")

    def test_a_key_may_not_be_the_folder_of_another(self, store: FolderStore) -> None:
        store.put("a/b", b"x")
        with pytest.raises(KeyRefused, match="in the way"):
            store.put("a", b"x")

    def test_a_store_that_went_away_is_unavailable_not_empty(self, store: FolderStore) -> None:
        store.put(KEY, b"x")
        store.root.rename(store.root.with_name("unmounted"))
        for use in (store.get, store.has, store.delete, lambda _: list(store.keys())):
            with pytest.raises(StoreUnavailable):
                use(KEY)

    def test_a_folder_that_is_not_to_be_made_is_away_until_it_is_there(self, tmp_path: Path) -> None:
        reader = FolderStore(tmp_path / "disk", make=False)
        for use in (reader.get, reader.has, lambda k: reader.put(k, b"x"), lambda _: list(reader.keys())):
            with pytest.raises(StoreUnavailable):
                use(KEY)
        FolderStore(tmp_path / "disk").put(KEY, b"x")
        assert reader.get(KEY) == b"x"

    def test_a_folder_that_lets_nobody_in_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(StoreUnavailable):
            FolderStore(tmp_path / "file" / "store")

    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "store")


@pytest.mark.usefixtures("aws")
class TestS3Store(ObjectStoreContract):
    def test_two_stores_in_one_bucket_do_not_see_each_other(self, store: S3Store) -> None:
        neighbour = S3Store(store.bucket, prefix="neighbour", client=store.client)
        neighbour.put(KEY, b"theirs")
        assert not store.has(KEY)
        assert list(neighbour.keys()) == [KEY]

    def test_a_bucket_that_is_not_there_is_unavailable_not_empty(self, store: S3Store) -> None:
        nowhere = S3Store("no-such-bucket", client=store.client)
        for use in (nowhere.get, lambda k: nowhere.put(k, b"x"), lambda _: list(nowhere.keys())):
            with pytest.raises(StoreUnavailable):
                use(KEY)

    def test_a_server_that_does_not_answer_is_unavailable(self) -> None:
        away = S3Store("photos", client=connect("http://127.0.0.1:9"))  # the discard port: nobody listens
        with pytest.raises(StoreUnavailable):
            away.get(KEY)
        with pytest.raises(StoreUnavailable):
            away.has(KEY)

    @pytest.fixture
    def store(self, s3_server: str, request: pytest.FixtureRequest) -> Iterator[S3Store]:
        client = connect(s3_server)
        bucket = f"photos-{abs(hash(request.node.name))}"
        client.create_bucket(Bucket=bucket)
        yield S3Store(bucket, prefix="site/one", client=client, page_size=10)
        client.close()


@pytest.mark.usefixtures("aws")
def test_a_store_is_opened_by_its_address(tmp_path: Path, s3_server: str) -> None:
    folder = open_store(f"file://{tmp_path}/objects")
    assert isinstance(folder, FolderStore)
    assert folder.root == tmp_path / "objects"
    bucket = open_store("s3://photos/site/one", s3_endpoint=s3_server)
    assert isinstance(bucket, S3Store)
    assert (bucket.bucket, bucket.prefix) == ("photos", "site/one/")
    bucket.client.close()


@pytest.mark.parametrize("url", ["", "photos", "file://relative", "s3://", "ftp://host/x"])
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreUnknown, match="not the address of a store"):
        open_store(url)
