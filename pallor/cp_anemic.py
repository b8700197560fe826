"""The public CP-AnemiC folder as it is published: two image folders and one sheet (doi:10.17632/m53vz6b7fx.1).

CC BY 4.0, with the authors' sentence that it may be reused for academic purpose only: credit it wherever it is used.
Nothing is judged here: haemoglobin stays the text the sheet holds, and what it means is ``pallor.lab``'s work.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pallor.errors import Refused
from pallor.subject import Sex

SHEET = "Anemia_Data_Collection_Sheet.csv"
HB_UNIT = "g/dL"  # of the whole sheet, stated by the authors, not written in it
CREDIT = (
    "CP-AnemiC (Conjunctival Pallor) data set from Ghana, doi:10.17632/m53vz6b7fx.1, CC BY 4.0; "
    "its authors add that it can be reused for academic purpose only and should be cited."
)
_REMARKS = frozenset({"Anemic", "Non-anemic"})  # and the names of the two folders
_SEXES = {"male": Sex.MALE, "female": Sex.FEMALE}


class DatasetMissing(Refused):
    """The folder, its sheet or a photo that the sheet names is not there."""


class DatasetBroken(Refused):
    """The sheet lacks a column, or a row holds what it cannot mean."""


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
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        return tuple(_row(folder, number, line) for number, line in enumerate(csv.DictReader(file), start=2))


def _row(folder: Path, number: int, line: Mapping[str, str]) -> Row:
    try:
        image_id, remark = line["IMAGE_ID"].strip(), line["REMARK"].strip()
        if remark not in _REMARKS or "/" in image_id:
            raise ValueError(f"{remark}/{image_id}")
        row = Row(
            image_id=image_id,
            photo=folder / remark / f"{image_id}.png",
            hb=line["HB_LEVEL"].strip(),
            age_months=int(line["Age(Months)"]),
            sex=_SEXES[line["GENDER"].strip().lower()],
            site=line["HOSPITAL"].strip(),
            remark=remark,
        )
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise DatasetBroken(
            f"line {number} of {SHEET} is not one of CP-AnemiC's: {error!r}",
            field="data",
            value=line.get("IMAGE_ID"),
            remedy="Use the sheet as it was published, or post your own cases over the API.",
        ) from error
    if not row.photo.is_file():
        raise DatasetMissing(
            f"line {number} of {SHEET} names a photo that is not there",
            field="data",
            value=f"{row.photo.parent.name}/{row.photo.name}",
            remedy="Unpack the data set again: the sheet and the photos belong together.",
        )
    return row
