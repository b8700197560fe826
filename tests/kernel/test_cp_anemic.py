"""The public CP-AnemiC folder, read as it is published."""

from pathlib import Path

import pytest

from pallor.cp_anemic import SHEET, DatasetBroken, DatasetMissing, read
from pallor.subject import Sex
from tests.support.photos import cp_anemic

HEADER = (
    "IMAGE_ID,HB_LEVEL,Severity,Age(Months),GENDER,REMARK,HOSPITAL,CITY/TOWN,MUNICIPALITY/DISTRICT,REGION,COUNTRY\n"
)


def test_a_row_keeps_the_haemoglobin_as_it_was_written(dataset):
    (row,) = read(dataset("Image_002,9.90,Moderate,24,Male,Anemic,Komfo Anokye Teaching Hospital ,,,,Ghana"))
    assert row.image_id == "Image_002"
    assert row.hb == "9.90"
    assert (row.age_months, row.sex) == (24, Sex.MALE)
    assert row.site == "Komfo Anokye Teaching Hospital"
    assert row.photo.read_bytes() == b"Image_002"
    assert row.remark == "Anemic"


@pytest.mark.parametrize(
    "line",
    [
        "Image_002,9.9,Moderate,two years,Male,Anemic,Ejusu,,,,Ghana",
        "Image_002,9.9,Moderate,24,,Anemic,Ejusu,,,,Ghana",
        "Image_002,9.9,Moderate,24,Male,Unknown,Ejusu,,,,Ghana",
        "../Image_002,9.9,Moderate,24,Male,Anemic,Ejusu,,,,Ghana",
        "Image_002,9.9",
    ],
)
def test_a_row_that_cannot_be_understood_is_refused_with_its_line(dataset, line):
    folder = dataset("Image_001,9.9,Moderate,24,Male,Anemic,Ejusu,,,,Ghana")
    with (folder / SHEET).open("a") as sheet:
        sheet.write(f"{line}\n")
    with pytest.raises(DatasetBroken) as refused:
        read(folder)
    assert "line 3" in refused.value.reason
    assert refused.value.remedy


@pytest.mark.parametrize("rows", ["", HEADER, "\ufeff" + HEADER + "\n\n"])
def test_a_sheet_without_a_row_is_refused(tmp_path, rows):
    (tmp_path / SHEET).write_text(rows)
    with pytest.raises(DatasetBroken, match=r"no row|does not name"):
        read(tmp_path)


def test_a_column_that_lacks_is_named(tmp_path):
    (tmp_path / SHEET).write_text(HEADER.replace("HB_LEVEL", "HB LEVEL"))
    with pytest.raises(DatasetBroken, match="its first line does not name HB_LEVEL"):
        read(tmp_path)


def test_every_fault_of_a_line_is_named(dataset):
    folder = dataset("Image_001,9.9,Moderate,24,Male,Anemic,Ejusu,,,,Ghana")
    with (folder / SHEET).open("a") as sheet:
        sheet.write("Image_002,9.9,Moderate,2 years,Boy,Maybe,Ejusu,,,,Ghana\n")
    with pytest.raises(DatasetBroken) as refused:
        read(folder)
    for words in ("line 3", "REMARK Maybe", "GENDER Boy", "Age(Months) 2 years is no whole number"):
        assert words in refused.value.reason


@pytest.mark.parametrize(
    ("encoding", "text", "words"),
    [
        ("latin-1", HEADER + "Image_002,9.9,Moderate,24,Male,Anemic,Kéta,,,,Ghana\n", "not UTF-8"),
        ("utf-16", HEADER, "not UTF-8"),
        ("utf-8", HEADER + "x" * 200_000 + "\n", "no table"),
    ],
)
def test_a_sheet_that_a_table_program_spoilt_is_refused(tmp_path, encoding, text, words):
    (tmp_path / SHEET).write_text(text, encoding=encoding)
    with pytest.raises(DatasetBroken, match=words):
        read(tmp_path)


def test_a_folder_without_the_sheet_is_refused(tmp_path):
    with pytest.raises(DatasetMissing) as refused:
        read(tmp_path)
    assert SHEET in refused.value.reason


def test_a_photo_that_is_not_there_is_named(dataset):
    folder = dataset("Image_002,9.9,Moderate,24,Male,Anemic,Ejusu,,,,Ghana")
    (folder / "Anemic" / "Image_002.png").unlink()
    with pytest.raises(DatasetMissing) as refused:
        read(folder)
    assert refused.value.value == "Anemic/Image_002.png"


def test_the_published_folder_reads_whole():
    rows = read(cp_anemic())
    assert len(rows) >= 500
    assert len({row.site for row in rows}) == 10
    assert {row.remark == "Anemic" for row in rows if float(row.hb) < 11} == {True}
    assert {row.remark == "Anemic" for row in rows if float(row.hb) >= 11} == {False}


@pytest.fixture
def dataset(tmp_path: Path):
    """Writes a folder with one line in its sheet, in the published encoding, and the photo it names."""

    def write(line: str) -> Path:
        (tmp_path / SHEET).write_text(HEADER + line + "\n", encoding="utf-8-sig")
        fields = line.split(",")
        photo = tmp_path / fields[5] / f"{fields[0]}.png"
        photo.parent.mkdir()
        photo.write_bytes(fields[0].encode())
        return tmp_path

    return write
