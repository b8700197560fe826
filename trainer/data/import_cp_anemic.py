"""The public CP-AnemiC folder as a snapshot, so that nothing further on knows where photos come from.

An imported case is called by its ``IMAGE_ID``, which is what ``same_photo_groups.csv`` speaks of.
"""

from collections.abc import Callable
from pathlib import Path

from pallor.cp_anemic import HB_UNIT, OLDEST_MONTHS, DatasetBroken, Row, read
from pallor.digest import hex_of, sha256_of
from pallor.errors import Refused, shortened
from pallor.image.decode import decode, encode, read_file
from pallor.lab import Hb, HbNotANumber, read_hb
from pallor.label import Label, label_of
from pallor.snapshot import LabelledPhoto, write_snapshot
from pallor.store.port import ObjectStore, image_key
from pallor.subject import Subject

LABEL_TABLE = "who-2011"
# CP-AnemiC is of children of 6 to 59 months and gives most ages in whole years. A row at 60 is labelled as its authors
# did, as the youngest are (below 110 g/L), not by the cut-off of 5 to 11 years, which begins there.
_LAST_OF_THE_YOUNGEST = 59


class RowUnfit(Refused):
    """A row of the sheet, or its photo, cannot be learned from."""


def import_cp_anemic(folder: Path, store: ObjectStore, *, seen: Callable[[], None] = lambda: None) -> str:
    """Store every photo, re-encoded without loss and without metadata, and freeze the sheet; the snapshot's digest.

    Importing the same folder again changes nothing.

    Args:
        seen: called after each row.

    Raises:
        DatasetMissing, DatasetBroken, RowUnfit: there is no snapshot of it.
    """
    rows = read(folder)
    _check_names(rows)
    lines = []
    for row in rows:
        stored = _stored(row)
        store.put(image_key(sha256_of(stored)), stored)
        lines.append(_line(row, sha256_of(stored)))
        seen()
    return write_snapshot(store, lines)


def label_row(row: Row) -> tuple[float, bool]:
    """Haemoglobin in g/L, and whether that is anaemia by ``LABEL_TABLE``; raises ``RowUnfit``."""
    hb, label = _labelled(row)
    return float(hb.g_per_l), bool(label.anaemic)


def _line(row: Row, photo: str) -> LabelledPhoto:
    hb, label = _labelled(row)
    return LabelledPhoto(
        photo=photo,
        case_id=row.image_id,
        label_id=row.image_id,
        subject=hex_of(sha256_of(f"cp-anemic {row.image_id}".encode()))[:32],  # one row is one child, its authors say
        site=row.site,
        device="",
        captured_at="",
        age_months=_months(row),
        sex=row.sex.value,
        hb_g_per_l=str(hb.g_per_l),
        severity=str(label.severity),
        anaemic=bool(label.anaemic),
        label_table=label.table,
        world="real",
        source="cp-anemic",
    )


def _labelled(row: Row) -> tuple[Hb, Label]:
    try:
        hb = read_hb(row.hb, HB_UNIT)
        label = label_of(hb, Subject(_months(row), row.sex), LABEL_TABLE)
    except HbNotANumber as error:
        raise _unfit(row, f"HB_LEVEL {shortened(row.hb)} is {error.reason}", error.remedy) from error
    except Refused as error:
        raise _unfit(row, error.reason) from error
    if label.severity is None:
        raise _unfit(row, f"it has no label: {label.no_criterion}")
    return hb, label


def _months(row: Row) -> int:
    if row.age_months > OLDEST_MONTHS:
        raise _unfit(
            row, f"{row.age_months} months are more than the {OLDEST_MONTHS} of this layout, which is of children",
            "Is the age in months? Post older people over the API, which asks what their cut-offs need to know.",
        )  # fmt: skip
    return min(row.age_months, _LAST_OF_THE_YOUNGEST)


def _stored(row: Row) -> bytes:
    try:
        return encode(decode(read_file(row.photo)))
    except Refused as error:
        raise _unfit(row, error.reason) from error
    except OSError as error:
        raise _unfit(row, f"it cannot be opened: {error.strerror}") from error


def _check_names(rows: tuple[Row, ...]) -> None:
    known: set[str] = set()
    for row in rows:
        if row.image_id in known:
            raise DatasetBroken(
                "two rows have the same IMAGE_ID", field="data", value=row.image_id,
                remedy="Use the sheet as it was published: each row has a name of its own.",
            )  # fmt: skip
        known.add(row.image_id)


def _unfit(
    row: Row, reason: str, remedy: str = "Unpack the data set again, or take the row out of the sheet."
) -> RowUnfit:
    return RowUnfit(reason, field="data", value=f"{row.photo.parent.name}/{row.photo.name}", remedy=remedy)
