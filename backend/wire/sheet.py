"""CSV and XLSX as laboratories keep them: known columns by their headings, every other column dropped unread."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from openpyxl import load_workbook

from backend.wire.lab_line import Given, one_unit, years
from backend.wire.moments import read_day, read_iso
from backend.wire.sheet_columns import COLUMNS, HAEMOGLOBINS, HB_WITH_UNIT, SEXES, enumerated
from pallor.errors import Refused
from pallor.lab import NotHaemoglobin, Performer, Specimen
from pallor.reported import Rejection, ReportStatus

CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_SHEET_BYTES = 4 * 1024 * 1024
MOST_ROWS = 1000
_MOST_LINES = 20_000  # with empty ones, of which a sheet that was formatted has many
_MOST_COLUMNS, _LONGEST_CELL = 100, 500
_MOST_UNPACKED, _MOST_MEMBERS = 32 * 1024 * 1024, 200
# What a workbook says besides its cells becomes an object for each element, and 60 kB of a ZIP can hold millions.
_LISTS, _MOST_ELEMENTS_OF_LISTS, _MOST_ELEMENTS = ("xl/worksheets/", "xl/sharedStrings"), 500_000, 50_000
_NEEDED = (("business_id", "lab_number", "your own number of each result"), ("value", "hb", "the haemoglobin"))
_AGE = re.compile(r"[0-9]{1,4}")


class SheetUnreadable(Refused):
    """Not a CSV or XLSX file, or larger inside than any list of results."""


class ColumnMissing(Refused):
    """Without this column no row can be read."""


class ColumnTwice(Refused):
    """Two columns of one meaning: which counts?"""


class RowTooLong(Refused):
    """More cells than headings: nobody knows which cell belongs where."""


class CellUnreadable(Refused):
    """A cell holds something else than its column says."""


@dataclass(frozen=True)
class SheetRow:
    """One row, as it was read, or why it cannot be. ``number``: as the sheet counts, the heading is 1."""

    number: int
    read: Given | Refused


@dataclass(frozen=True)
class Sheet:
    """``dropped``: how many columns were not read."""

    rows: tuple[SheetRow, ...]
    dropped: int


def read_sheet(data: bytes, media_type: str, zone: tzinfo) -> Sheet:
    """Every row that is not empty.

    Args:
        zone: of moments that name none.

    Raises:
        SheetUnreadable, ColumnMissing, ColumnTwice
    """
    cells = _xlsx(data) if media_type == XLSX else _csv(data)
    heading, body = cells[0] if cells else [], cells[1:]
    columns, unit = _columns(heading)
    rows = [(number, row) for number, row in enumerate(body, start=2) if any(row)]
    if len(rows) > MOST_ROWS:
        raise _unreadable(f"more than {MOST_ROWS} rows", "Send it in several parts.")
    width = max(at for at, text in enumerate(heading) if text) + 1
    return Sheet(
        tuple(_overlong(number) if any(row[width:]) else
              _row(number, {name: row[at] for name, at in columns.items() if at < len(row)}, unit, zone)
              for number, row in rows),
        sum(1 for text in heading if text) - len(columns),
    )  # fmt: skip


def _columns(heading: Sequence[str]) -> tuple[dict[str, int], str | None]:
    """Where each known column is, and the unit that the heading of the value names."""
    found: dict[str, int] = {}
    unit = None
    for at, text in enumerate(heading):
        name = COLUMNS.get(_plain(text))
        if name is None and (with_unit := HB_WITH_UNIT.fullmatch(text.strip())):
            name, unit = "value", with_unit[1].strip()
        if name is None:
            continue
        if name in found:
            raise ColumnTwice(
                "two columns say the same", field=name, value=f"columns {found[name] + 1} and {at + 1}",
                remedy="Keep the one that counts.",
            )  # fmt: skip
        found[name] = at
    for needed, called, holds in _NEEDED:
        if needed not in found:
            raise ColumnMissing(
                f"no column is called {called}", field=needed, value=f"{len(heading)} columns",
                remedy=f"Write {called} over the column that holds {holds}. Others are unit, taken_at, barcode.",
            )  # fmt: skip
    if _plain(heading[found["value"]]) != "value":
        found.pop("analyte", None)  # the heading of the value says already what it is
    return found, unit


def _overlong(number: int) -> SheetRow:
    refusal = RowTooLong(
        "cells beyond the last heading: a comma in a number or a name may have split one in two", field="row",
        value="(not repeated)", remedy="Put such cells in quotes, or save it with semicolons or as XLSX.",
    )  # fmt: skip
    return SheetRow(number, refusal)


def _row(number: int, cells: dict[str, str], unit: str | None, zone: tzinfo) -> SheetRow:
    try:
        return SheetRow(number, _given(cells, unit, zone))
    except Refused as refusal:
        return SheetRow(number, refusal)


def _given(cells: dict[str, str], unit: str | None, zone: tzinfo) -> Given:
    def of(name: str) -> str | None:
        return cells.get(name) or None

    if (analyte := of("analyte")) and re.sub(r"[^a-z0-9]", "", analyte.lower()) not in HAEMOGLOBINS:
        raise NotHaemoglobin(
            "another analyte than haemoglobin, or not known as such here", field="analyte", value="(not repeated)",
            remedy=f"Send haemoglobin alone; it is called one of {', '.join(sorted(HAEMOGLOBINS))}.",
        )  # fmt: skip
    day = of("visited_on")
    return Given(
        business_id=of("business_id"),
        status=enumerated(ReportStatus, "status", of("status"), ReportStatus.FINAL),
        value=of("value"),
        unit=one_unit("unit", of("unit") or unit, unit),
        loinc=of("loinc"),
        specimen=enumerated(Specimen, "specimen", of("specimen"), Specimen.UNKNOWN),
        method=of("method"),
        device=of("device"),
        performer=enumerated(Performer, "performer", of("performer"), Performer.UNKNOWN),
        rejection=enumerated(Rejection, "rejected_because", of("rejected_because"), None),
        taken_at=read_iso(of("taken_at"), zone, "taken_at"),
        resulted_at=read_iso(of("resulted_at"), zone, "resulted_at"),
        barcode=of("specimen_barcode"),
        case_id=of("case_id"),
        subject_code=of("subject_code"),
        visited_on=read_day(day[:10], "visited_on") if day else None,
        age_months=_age(of("age_months"), of("age_years")),
        sex=SEXES.get((of("sex") or "").lower()),
    )


def _age(months: str | None, whole_years: str | None) -> tuple[int, int] | None:
    for name, text in (("age_months", months), ("age_years", whole_years)):
        if text is not None and not _AGE.fullmatch(text):
            raise CellUnreadable(
                "an age is a whole number", field=name, value="(not repeated)", remedy="Write digits alone."
            )
    if months is not None:
        return int(months), int(months)
    return years(int(whole_years)) if whole_years is not None else None


def _csv(data: bytes) -> list[list[str]]:
    """Cells as text, by whichever of comma, semicolon and tab finds the most columns that are known."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode(
            "cp1252", "replace"
        )  # as spreadsheets write it; what differs is in names, which are not read
    if "\0" in text:
        raise _unreadable("not a text", "Send CSV as Content-Type text/csv, XLSX as its own.")
    found = [cells for delimiter in ",;\t" if (cells := _split(text, delimiter)) is not None]
    if not found:
        raise _unreadable("quotes that do not end", "Save it again as CSV.")
    return max(found, key=lambda cells: _known(cells[0]) if cells else 0)


def _split(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        return list(_bounded(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)))
    except csv.Error:
        return None


def _known(heading: Sequence[str]) -> int:
    return sum(1 for text in heading if _plain(text) in COLUMNS)


def _plain(heading: str) -> str:
    return re.sub(r"[\s_-]+", "", heading).lower()


def _xlsx(data: bytes) -> list[list[str]]:
    """Cells of the first sheet that is shown, as text; what unpacks to more than a list needs is not unpacked."""
    try:
        _check_archive(data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = next(one for one in book.worksheets if one.sheet_state == "visible")
        lines = sheet.iter_rows(max_row=_MOST_LINES + 1, max_col=_MOST_COLUMNS + 1, values_only=True)
        found = list(_bounded(_until_last([_text(cell) for cell in row]) for row in lines))
        book.close()
        return found
    except Refused:
        raise
    except Exception as error:  # whatever the library trips over, the file is not one
        raise _unreadable("not an XLSX workbook", "Save it again as XLSX, or as CSV.") from error


def _check_archive(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _MOST_UNPACKED:
            raise _unreadable("much larger inside than a list of results", "Send the list alone, or as CSV.")
        for member in members:
            with archive.open(member) as part:
                unpacked = part.read(member.file_size + 1)  # what a header says of its size may be a lie
            most = _MOST_ELEMENTS_OF_LISTS if member.filename.startswith(_LISTS) else _MOST_ELEMENTS
            if unpacked.count(b"</") + unpacked.count(b"/>") > most:
                raise _unreadable("much larger inside than a list of results", "Send the list alone, or as CSV.")
            # A spreadsheet writes UTF-8; in UTF-16 a declaration would not be seen.
            hidden = member.filename.endswith((".xml", ".rels")) and b"\0" in unpacked
            if len(unpacked) > member.file_size or hidden or b"<!DOCTYPE" in unpacked or b"<!ENTITY" in unpacked:
                raise _unreadable("no workbook that a spreadsheet writes", "Save it again as XLSX, or as CSV.")


def _bounded(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    for number, row in enumerate(rows):
        if number > (MOST_ROWS * 2 if any(row) else _MOST_LINES - 1) or len(row) > _MOST_COLUMNS:
            raise _unreadable(f"more than {MOST_ROWS} rows or {_MOST_COLUMNS} columns", "Send it in several parts.")
        yield [cell.strip() if len(cell) <= _LONGEST_CELL else "" for cell in row]


def _until_last(cells: list[str]) -> list[str]:
    """Without the empty ones at its end: a sheet that was formatted goes on for long."""
    width = next((at for at in range(len(cells), 0, -1) if cells[at - 1]), 0)
    return cells[:width]


def _text(cell: Any) -> str:
    if cell is None or isinstance(cell, bool):
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else str(Decimal(repr(cell)))
    return str(cell)


def _unreadable(reason: str, remedy: str) -> SheetUnreadable:
    return SheetUnreadable(reason, field="body", value="(not repeated)", remedy=remedy)
