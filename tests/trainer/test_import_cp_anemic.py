"""The public data set becomes a snapshot like any other."""

import csv
import io

import pytest
from PIL import Image, PngImagePlugin

from pallor.cp_anemic import HB_UNIT, SHEET, DatasetBroken, read
from pallor.digest import sha256_of
from pallor.image.decode import decode
from pallor.image.spec import PreprocessSpec
from pallor.lab import read_hb
from pallor.snapshot import read_snapshot
from pallor.store.folder import FolderStore
from pallor.store.port import image_key
from tests.support.photos import cp_anemic, crescent, file_of, tissue
from trainer.data.groups import GROUPS_FILE, GroupsBroken, groups_of_lines, read_groups
from trainer.data.import_cp_anemic import RowUnfit, import_cp_anemic, label_row
from trainer.data.photos import load

HEADER = "IMAGE_ID,HB_LEVEL,Severity,Age(Months),GENDER,REMARK,HOSPITAL\n"
ROWS = ("a,9.9,Moderate,24,Male,Anemic,Ejusu ", "b,11.0,Non-Anemic,60,Female,Non-anemic,Kumasi")


def png(seed: int) -> bytes:
    """A marked photo with words beside it, as image programs write them."""
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "somebody")
    image = Image.fromarray(tissue(seed=seed))
    image.putalpha(Image.fromarray(crescent()))
    return file_of(image, pnginfo=told)


def dataset(folder, *rows, photos=png):
    """A folder in the published layout."""
    folder.mkdir(exist_ok=True)
    (folder / SHEET).write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8-sig")
    for number, row in enumerate(rows):
        ((image_id, *_, remark, _),) = csv.reader([row])
        (folder / remark).mkdir(exist_ok=True)
        (folder / remark / f"{image_id}.png").write_bytes(photos(number))
    return folder


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def imported(folder, store):
    return sorted(read_snapshot(store, import_cp_anemic(folder, store)), key=lambda line: line.case_id)


def test_a_row_is_a_line_labelled_as_its_authors_did(tmp_path, store):
    one, two = imported(dataset(tmp_path / "data", *ROWS), store)
    assert (one.case_id, one.hb_g_per_l, one.anaemic, one.severity) == ("a", "99.0", True, "moderate")
    assert (one.age_months, one.sex, one.site, one.label_table) == (24, "male", "Ejusu", "who-2011")
    assert (one.world, one.source, one.captured_at, one.device) == ("real", "cp-anemic", "", "")
    # 60 months, and still below 110 g/L: not by the older children's cut-off.
    assert (two.hb_g_per_l, two.anaemic, two.severity, two.age_months) == ("110.0", False, "none", 59)
    assert one.subject != two.subject
    assert one.subject != "a"


def test_photos_are_stored_without_loss_and_without_what_is_written_beside_them(tmp_path, store):
    folder = dataset(tmp_path / "data", *ROWS)
    for line in imported(folder, store):
        stored = store.get(image_key(line.photo))
        assert sha256_of(stored) == line.photo
        assert b"somebody" not in stored
        assert Image.open(io.BytesIO(stored)).info == {}
        given = decode(next(folder.glob(f"*/{line.case_id}.png")).read_bytes())
        again = decode(stored)
        assert (again.mask == given.mask).all()
        assert (again.rgb[again.mask] == given.rgb[given.mask]).all()


def test_the_same_folder_again_changes_nothing(tmp_path, store):
    folder, seen = dataset(tmp_path / "data", *ROWS), []
    digest = import_cp_anemic(folder, store, seen=lambda: seen.append(1))
    before = {key: store.get(key) for key in store.keys()}  # noqa: SIM118  # it is no dict
    assert import_cp_anemic(folder, store) == digest
    assert {key: store.get(key) for key in store.keys()} == before  # noqa: SIM118
    assert len(seen) == 2


def test_two_rows_with_the_same_bytes_are_two_lines_of_one_photo(tmp_path, store):
    one, two = imported(dataset(tmp_path / "data", *ROWS, photos=lambda _: png(0)), store)
    assert one.photo == two.photo
    assert (one.case_id, one.subject) != (two.case_id, two.subject)


def test_a_photo_that_is_too_large_is_refused_before_it_is_read(tmp_path, store):
    folder = dataset(tmp_path / "data", *ROWS)
    with (folder / "Anemic" / "a.png").open("r+b") as file:
        file.truncate(3 * 10**9)  # it takes no room, but would take 3 GB of memory
    with pytest.raises(RowUnfit, match="larger than"):
        import_cp_anemic(folder, store)


@pytest.mark.parametrize("damaged", [b"", b"GIF89a", png(0)[:300]])
def test_a_photo_that_cannot_be_read_is_named_and_there_is_no_snapshot(tmp_path, store, damaged):
    folder = dataset(tmp_path / "data", *ROWS)
    (folder / "Non-anemic" / "b.png").write_bytes(damaged)
    with pytest.raises(RowUnfit) as refused:
        import_cp_anemic(folder, store)
    assert refused.value.value == "Non-anemic/b.png"
    assert list(store.keys("snapshots/")) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("c,99,Mild,24,Male,Anemic,Ejusu", "outside 2.0 to 25.0 g/dL"),
        ("c,low,Mild,24,Male,Anemic,Ejusu", "not a plain decimal number"),
        ("c,9.9,Mild,3,Male,Anemic,Ejusu", "below 6 months"),
        ("c,9.9,Mild,-3,Male,Anemic,Ejusu", "outside what people reach"),
        ("c,9.9,Mild,61,Male,Anemic,Ejusu", "61 months are more than the 60 of this layout"),
        ("c,9.9,Mild,360,Female,Anemic,Ejusu", "360 months"),
        ('c,"9,9",Mild,24,Male,Anemic,Ejusu', "HB_LEVEL 9,9 is not a plain decimal number"),
    ],
)
def test_a_row_without_a_label_is_named(tmp_path, store, row, words):
    with pytest.raises(RowUnfit, match=words) as refused:
        import_cp_anemic(dataset(tmp_path / "data", *ROWS, row), store)
    assert refused.value.value == "Anemic/c.png"


def test_two_rows_of_one_name_are_refused(tmp_path, store):
    with pytest.raises(DatasetBroken, match="same IMAGE_ID"):
        import_cp_anemic(dataset(tmp_path / "data", ROWS[0], ROWS[0]), store)


def test_groups_by_image_id_are_groups_of_photos(tmp_path, store):
    lines = imported(dataset(tmp_path / "data", *ROWS), store)
    found = groups_of_lines(lines, {"a": "1", "b": "2"})
    assert found == {lines[0].photo: "1", lines[1].photo: "2"}
    with pytest.raises(GroupsBroken, match="has no group"):
        groups_of_lines(lines, {"a": "1"})


def test_one_photo_in_two_groups_is_refused(tmp_path, store):
    lines = imported(dataset(tmp_path / "data", *ROWS, photos=lambda _: png(0)), store)
    assert groups_of_lines(lines, {"a": "1", "b": "1"}) == {lines[0].photo: "1"}
    with pytest.raises(GroupsBroken, match="two groups"):
        groups_of_lines(lines, {"a": "1", "b": "2"})


def test_the_published_folder_becomes_photos_with_the_groups_that_eyes_found(store):
    folder = cp_anemic()
    rows = {row.image_id: row for row in read(folder)}
    digest = import_cp_anemic(folder, store)
    lines = read_snapshot(store, digest)
    assert {line.case_id for line in lines} == rows.keys()
    for line in lines:
        row = rows[line.case_id]
        assert line.anaemic == (row.remark == "Anemic") == label_row(row)[1]
        assert line.hb_g_per_l == str(read_hb(row.hb, HB_UNIT).g_per_l)
    groups = groups_of_lines(lines, read_groups(folder / GROUPS_FILE, sorted(rows)))
    few = lines[:40]
    photos = load(store, digest, few, groups, PreprocessSpec(size=32))
    assert len(photos) == 40
