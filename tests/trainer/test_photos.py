"""A snapshot becomes arrays, and what is not as it was frozen is never learned from."""

from dataclasses import replace

import numpy as np
import pytest

from pallor.cp_anemic import CREDIT
from pallor.digest import sha256_of
from pallor.image.decode import decode, encode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.snapshot import SnapshotBroken, SnapshotMissing
from pallor.store.folder import FolderStore
from pallor.store.port import image_key
from tests.support.builders import a_line
from tests.support.photos import a_photo
from trainer.data.groups import GroupsBroken, every_photo_its_own, groups_digest
from trainer.data.photos import PhotoUnfit, SnapshotMixed, credit_of, load, write_files

SPEC = PreprocessSpec(size=32)
SNAPSHOT = "sha256:" + "9" * 64


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def frozen(store, seed, **facts):
    """A line whose photo lies in the store."""
    data = encode(a_photo(seed=seed))
    store.put(image_key(sha256_of(data)), data)
    return a_line(photo=sha256_of(data), **facts)


def loaded(store, lines, groups=None):
    return load(store, SNAPSHOT, lines, groups or every_photo_its_own([line.photo for line in lines]), SPEC)


def test_every_line_is_a_row_in_its_place(store):
    lines = (
        frozen(store, 1, hb_g_per_l="104.5", anaemic=True, subject="a", site="north", device="phone-1", age_months=7),
        frozen(store, 2, hb_g_per_l="131.0", anaemic=False, subject="b", site="south", captured_at="", sex="male"),
    )
    photos = loaded(store, lines)
    for row, line in enumerate(lines):
        stored = store.get(image_key(line.photo))
        np.testing.assert_array_equal(photos.inputs[row], to_input(SPEC, decode(stored)))
    assert photos.inputs.dtype == np.uint8
    assert (photos.anaemic.tolist(), photos.hb.tolist()) == ([True, False], [104.5, 131.0])
    assert (photos.subjects.tolist(), photos.sites.tolist()) == (["a", "b"], ["north", "south"])
    assert (photos.devices.tolist(), photos.sexes.tolist()) == (["phone-1", ""], ["female", "male"])
    assert (photos.ages.tolist(), photos.ids.tolist()) == ([7, 30], [line.photo for line in lines])
    assert photos.taken.tolist() == ["2026-11-01T12:00:00.000Z", ""]
    assert (photos.snapshot, photos.world, photos.label_table) == (SNAPSHOT, "real", "who-2024")


def test_groups_are_equal_where_the_photograph_is_and_their_names_do_not_matter(store):
    lines = [frozen(store, seed) for seed in (1, 2, 3)]
    one, two, three = (line.photo for line in lines)
    photos = loaded(store, lines, {one: "x", two: "y", three: "x"})
    assert photos.groups[0] == photos.groups[2] != photos.groups[1]
    renamed = loaded(store, lines, {one: "7", two: "1", three: "7"})
    assert renamed.groups_digest == photos.groups_digest == groups_digest({one: "a", three: "a", two: "b"})
    assert loaded(store, lines).groups_digest != photos.groups_digest


def test_a_photo_without_a_group_is_refused_before_any_is_fetched(store):
    with pytest.raises(GroupsBroken):
        loaded(store, [a_line()], {"sha256:" + "f" * 64: "x"})


def test_one_photo_under_two_cases_is_two_rows_of_one_group(store):
    first = frozen(store, 1)
    photos = loaded(store, [first, replace(first, case_id="another", subject="another")])
    assert photos.ids[0] == photos.ids[1]
    assert photos.groups[0] == photos.groups[1]
    assert photos.subjects[0] != photos.subjects[1]


def test_bytes_that_were_changed_are_never_learned_from(store):
    line = frozen(store, 1)
    store.put(image_key(line.photo), encode(a_photo(seed=2)))
    with pytest.raises(SnapshotBroken, match=line.photo):
        loaded(store, [line])


def test_a_photo_that_was_taken_away_says_why(store):
    line = frozen(store, 1)
    store.delete(image_key(line.photo))
    with pytest.raises(SnapshotMissing, match="somebody was erased"):
        loaded(store, [line])


def test_a_photo_too_small_for_the_recipe_is_named(store):
    line = frozen(store, 1, case_id="case-7")
    with pytest.raises(PhotoUnfit, match="case-7") as refused:
        load(store, SNAPSHOT, [line], {line.photo: "x"}, replace(SPEC, min_region_pixels=10**6))
    assert refused.value.value == line.photo


@pytest.mark.parametrize(("field", "other"), [("world", "synthetic"), ("label_table", "who-2011")])
def test_two_worlds_or_two_tables_are_not_learned_from_together(store, field, other):
    lines = [frozen(store, 1), frozen(store, 2, **{field: other})]
    with pytest.raises(SnapshotMixed) as refused:
        loaded(store, lines)
    assert refused.value.field == field


def test_nothing_is_not_learned_from(store):
    with pytest.raises(SnapshotMixed):
        loaded(store, [])


def test_each_photo_is_reported(store):
    lines, seen = [frozen(store, seed) for seed in (1, 2)], []
    load(store, SNAPSHOT, lines, every_photo_its_own([line.photo for line in lines]), SPEC, seen=lambda: seen.append(1))
    assert len(seen) == 2


def test_whom_to_credit_follows_from_the_sources():
    assert credit_of([a_line(source="cp-anemic")]) == CREDIT
    both = credit_of([a_line(source="synthetic"), a_line(source="cp-anemic"), a_line(source="cp-anemic")])
    assert both.count(CREDIT) == 1
    assert "nobody is on them" in both
    assert "agreed" in credit_of([a_line(source="pallor")])


def test_photos_are_laid_out_as_files_and_a_killed_run_goes_on(store, tmp_path):
    lines = [frozen(store, seed) for seed in (1, 2, 1)]
    files = write_files(store, lines, tmp_path / "photos")
    assert set(files) == {line.photo for line in lines}
    assert all(sha256_of(file.read_bytes()) == photo for photo, file in files.items())
    cut, kept = files[lines[0].photo], files[lines[1].photo]
    cut.write_bytes(cut.read_bytes()[:100])
    before = kept.stat().st_mtime_ns
    assert write_files(store, lines, tmp_path / "photos") == files
    assert sha256_of(cut.read_bytes()) == lines[0].photo
    assert kept.stat().st_mtime_ns == before
