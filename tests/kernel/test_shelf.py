"""The shelf shows the old release or the new one, and opens neither unless every byte is what the manifest says."""

import os
import threading
from pathlib import Path

import pytest

from pallor.errors import Untrusted
from pallor.release.manifest import ManifestUnreadable
from pallor.release.shelf import (
    CURRENT,
    PREVIOUS,
    Release,
    ReleaseChanged,
    ReleaseUnknown,
    Shelf,
    ShelfCleared,
    ShelfEmpty,
)
from tests.support.releases import a_release
from tests.support.repository import a_small_release


def test_a_release_is_put_activated_and_read_back(tmp_path: Path, shelf: Shelf) -> None:
    made = a_release(tmp_path / "made")
    put = shelf.put(made.folder)
    with pytest.raises(ShelfEmpty):
        shelf.current()
    shelf.activate(put.release_id)
    assert shelf.current_id() == "tiny-1"
    assert shelf.current().manifest == made.manifest
    assert shelf.current().digest == made.digest == made.manifest.digest()


def test_a_shelf_on_which_nothing_may_serve_is_told_from_one_that_is_away(tmp_path: Path, shelf: Shelf) -> None:
    shelf.activate(shelf.put(a_release(tmp_path / "made").folder).release_id)
    shelf.let(CURRENT, None)
    with pytest.raises(ShelfCleared):
        shelf.current_id()
    shelf.root.rename(tmp_path / "unmounted")
    shelf.root.mkdir()
    with pytest.raises(ShelfEmpty) as error:
        shelf.current_id()
    assert error.value.code() == "shelf-empty"


def test_putting_a_release_twice_is_putting_it_once(tmp_path: Path, shelf: Shelf) -> None:
    made = a_release(tmp_path / "made")
    assert shelf.put(made.folder) == shelf.put(made.folder)
    assert os.listdir(shelf.root / "releases") == ["tiny-1"]


def test_another_release_under_the_same_id_is_refused(tmp_path: Path, shelf: Shelf) -> None:
    shelf.put(a_release(tmp_path / "made").folder)
    with pytest.raises(ReleaseUnknown):
        shelf.put(a_release(tmp_path / "impostor", bias=3.0).folder)


def test_a_release_with_another_digest_than_the_trusted_one_is_refused(tmp_path: Path, shelf: Shelf) -> None:
    made = a_release(tmp_path / "made")
    with pytest.raises(ReleaseUnknown, match=made.digest):
        shelf.put(made.folder, trusted_digest="sha256:" + "0" * 64)
    assert not (shelf.root / "releases").exists()


@pytest.mark.parametrize("harm", ["changed", "missing", "swapped for a folder"])
@pytest.mark.parametrize("path", ["model.onnx", "golden/60.png", "card.md"])
def test_a_release_with_a_file_that_is_not_what_the_manifest_says_is_never_opened(
    tmp_path: Path, path: str, harm: str
) -> None:
    made = a_release(tmp_path / "made")
    file = made.path(path)
    data = bytearray(file.read_bytes())
    file.unlink()
    if harm == "changed":
        data[-1] ^= 1
        file.write_bytes(data)
    elif harm == "swapped for a folder":
        file.mkdir()
    with pytest.raises(ReleaseChanged, match=path):
        Release.open(made.folder)


def test_a_model_for_another_kind_of_machine_may_be_missing_but_not_all_of_them(tmp_path: Path) -> None:
    a_small_release(tmp_path / "made", "two-models")
    (tmp_path / "made" / "fp16.onnx").unlink()
    assert Release.open(tmp_path / "made").release_id == "two-models"
    (tmp_path / "made" / "int8.onnx").unlink()
    with pytest.raises(ReleaseChanged, match="every model is missing"):
        Release.open(tmp_path / "made")


def test_a_release_that_lies_under_anothers_name_is_not_opened(tmp_path: Path, shelf: Shelf) -> None:
    shelf.put(a_release(tmp_path / "one", "tiny-1").folder)
    shelf.folder_of("tiny-1").rename(shelf.folder_of("tiny-2"))
    with pytest.raises(ReleaseChanged, match="what lies here as tiny-2 calls itself tiny-1"):
        shelf.open("tiny-2")


def test_a_slot_names_one_release_or_none(tmp_path: Path, shelf: Shelf) -> None:
    shelf.put(a_release(tmp_path / "made").folder)
    assert shelf.named(PREVIOUS) is None
    shelf.let(PREVIOUS, "tiny-1")
    assert (shelf.named(PREVIOUS), shelf.named(CURRENT)) == ("tiny-1", None)
    shelf.let(PREVIOUS, None)
    shelf.let(PREVIOUS, None)
    assert shelf.named(PREVIOUS) is None
    with pytest.raises(ReleaseUnknown):
        shelf.let(PREVIOUS, "nowhere")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[" * 100_000, '{"format": 1}', '{"format": 99}', "\x00"])
def test_a_manifest_that_cannot_be_read_is_untrusted(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Untrusted) as caught:
        Release.open(tmp_path)
    assert isinstance(caught.value, ReleaseChanged | ManifestUnreadable)


def test_a_release_that_is_not_on_the_shelf_cannot_be_activated(shelf: Shelf) -> None:
    with pytest.raises(ReleaseUnknown):
        shelf.activate("nowhere")


def test_readers_see_the_old_release_or_the_new_one_while_the_shelf_moves(tmp_path: Path, shelf: Shelf) -> None:
    for number in (1, 2):
        shelf.put(a_release(tmp_path / f"made-{number}", f"tiny-{number}", bias=number).folder)
    shelf.activate("tiny-1")
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            shelf.activate("tiny-2")
            shelf.activate("tiny-1")

    mover = threading.Thread(target=move)
    mover.start()
    try:
        seen = {shelf.current_id() for _ in range(300)} | {shelf.current().release_id for _ in range(20)}
    finally:
        stop.set()
        mover.join()
    assert seen <= {"tiny-1", "tiny-2"}
    assert [name for name in os.listdir(shelf.root) if name.startswith(".")] == []


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")
