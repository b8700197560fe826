"""The public CP-AnemiC folder as it is published: two image folders and one sheet (doi:10.17632/m53vz6b7fx.1).

CC BY 4.0, with the authors' sentence that it may be reused for academic purpose only: credit it wherever it is used.
Nothing is judged here: haemoglobin stays the text the sheet holds, and what it means is ``pallor.lab``'s work.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pallor.errors import Refused, shortened
from pallor.subject import Sex

SHEET = "Anemia_Data_Collection_Sheet.csv"
HB_UNIT = "g/dL"  # of the whole sheet, stated by the authors, not written in it
OLDEST_MONTHS = (
    60  # of the authors' children, "6 to 59 months" by their words and up to five whole years by their sheet
)
CREDIT = (
    "CP-AnemiC (Conjunctival Pallor) data set from Ghana, doi:10.17632/m53vz6b7fx.1, CC BY 4.0; "
    "its authors add that it can be reused for academic purpose only and should be cited."
)
_REMARKS = frozenset({"Anemic", "Non-anemic"})  # and the names of the two folders
_COLUMNS = ("IMAGE_ID", "HB_LEVEL", "Age(Months)", "GENDER", "REMARK", "HOSPITAL")
_WHOLE = re.compile(r"-?[0-9]{1,6}")
_SEXES = {"male": Sex.MALE, "female": Sex.FEMALE}


class DatasetMissing(Refused):
    """The folder, its sheet or a photo that the sheet names is not there."""


class DatasetBroken(Refused):
    """The sheet is no text, lacks a column or every row, or a row holds what it cannot mean."""


@dataclass(frozen=True)
class Row:
    """One line of the sheet, and where its photo lies.

    ``hb``: as written, in ``HB_UNIT``. ``age_months``: mostly whole years. ``remark``: ``Anemic`` | ``Non-anemic``.
    """

    image_id: str
    photo: Path
    hb: str
    age_months: int
    sex: Sex
    site: str
    remark: str


def read(folder: Path) -> tuple[Row, ...]:
    """Every row of the sheet, in its order.

    Raises:
        DatasetMissing: no sheet, or a photo is not where the sheet's remark puts it.
        DatasetBroken: another layout.
    """
    sheet = folder / SHEET
    if not sheet.is_file():
        raise DatasetMissing(
            f"there is no {SHEET}",
            field="data",
            value=folder.name,
            remedy="Name the folder that holds the sheet and the folders Anemic and Non-anemic.",
        )
    try:
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if lacking := [column for column in _COLUMNS if column not in (table.fieldnames or ())]:
                raise _broken(f"its first line does not name {', '.join(lacking)}", SHEET)
            rows = tuple(_row(folder, number, line) for number, line in enumerate(table, start=2))
    except UnicodeDecodeError as error:
        raise _broken("it is not UTF-8: a table program saved it in another encoding", SHEET) from error
    except csv.Error as error:
        raise _broken(f"it is no table: {error}", SHEET) from error
    if not rows:
        raise _broken("it holds no row", SHEET)
    return rows


def _row(folder: Path, number: int, line: Mapping[str, str]) -> Row:
    if faults := tuple(_faults(line)):
        raise _broken(f"line {number}: {'; '.join(faults)}", line.get("IMAGE_ID"))
    image_id, remark = line["IMAGE_ID"].strip(), line["REMARK"].strip()
    row = Row(
        image_id=image_id,
        photo=folder / remark / f"{image_id}.png",
        hb=line["HB_LEVEL"].strip(),
        age_months=int(line["Age(Months)"]),
        sex=_SEXES[line["GENDER"].strip().lower()],
        site=(line["HOSPITAL"] or "").strip(),
        remark=remark,
    )
    if not row.photo.is_file():
        raise DatasetMissing(
            f"line {number} of {SHEET} names a photo that is not there",
            field="data",
            value=f"{row.photo.parent.name}/{row.photo.name}",
            remedy="Unpack the data set again: the sheet and the photos belong together.",
        )
    return row


def _faults(line: Mapping[str, str | None]) -> Iterator[str]:
    """What keeps a line from being a row, one after the other."""
    told = {column: (line.get(column) or "").strip() for column in _COLUMNS}
    if missing := [column for column in _COLUMNS if not told[column] and column != "HOSPITAL"]:
        yield f"it has no {', '.join(missing)}"
        return
    if told["REMARK"] not in _REMARKS:
        yield f"REMARK {shortened(told['REMARK'])} is neither of {', '.join(sorted(_REMARKS))}"
    if "/" in told["IMAGE_ID"] or "\0" in told["IMAGE_ID"]:
        yield "IMAGE_ID is no name of a file"
    if told["GENDER"].lower() not in _SEXES:
        yield f"GENDER {shortened(told['GENDER'])} is neither of Female, Male"
    if not _WHOLE.fullmatch(told["Age(Months)"]):
        yield f"Age(Months) {shortened(told['Age(Months)'])} is no whole number of months"


def _broken(reason: str, value: object) -> DatasetBroken:
    return DatasetBroken(
        f"{SHEET} is not as it was published: {reason}", field="data", value=value,
        remedy="Use the sheet as it was published, saved as CSV in UTF-8, or post your own cases over the API.",
    )  # fmt: skip
