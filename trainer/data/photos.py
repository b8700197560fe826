"""Labelled photos in memory, laid out as the model reads them, with the digest of all that was learned from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pallor.cp_anemic import HB_UNIT, Row
from pallor.digest import digest_of, sha256_of
from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.lab import read_hb
from pallor.label import label_of
from pallor.subject import Subject

LABEL_TABLE = "who-2011"
# CP-AnemiC gives most ages in whole years. A row at 60 months is labelled as the youngest children are (below 110 g/L),
# as its authors did, not by the 5 to 11 years' cut-off that begins at 60.
_OLDEST_MONTH = 59


@dataclass(frozen=True, eq=False)
class Photos:
    """``n`` labelled photos, row by row.

    Attributes:
        inputs: (n, S, S, 3) uint8, what ``to_input`` made of each photo.
        anaemic: (n,) bool, by ``LABEL_TABLE``.
        hb: (n,) float64, g/L.
        groups: (n,) int, equal where the photograph is the same.
        sites: (n,) text, the hospital.
        digest: of every photo's bytes, haemoglobin, group and site, and of the label table: the snapshot.
    """

    inputs: NDArray[np.uint8]
    anaemic: NDArray[np.bool_]
    hb: NDArray[np.float64]
    groups: NDArray[np.int64]
    sites: NDArray[np.str_]
    digest: str

    def __len__(self) -> int:
        return len(self.anaemic)


def load(
    rows: Sequence[Row],
    groups: Mapping[str, str],
    spec: PreprocessSpec,
    *,
    seen: Callable[[], None] = lambda: None,
) -> Photos:
    """Decode, lay out and label; ``seen`` is called after each row."""
    inputs, anaemic, hbs, record = [], [], [], []
    for row in rows:
        data = row.photo.read_bytes()
        inputs.append(to_input(spec, decode(data)))
        hb = read_hb(row.hb, HB_UNIT)
        hbs.append(float(hb.g_per_l))
        anaemic.append(label_row(row)[1])
        record.append([row.image_id, sha256_of(data), str(hb.g_per_l), groups[row.image_id], row.site])
        seen()
    _, numbers = np.unique([groups[row.image_id] for row in rows], return_inverse=True)
    return Photos(
        inputs=np.stack(inputs),
        anaemic=np.array(anaemic, bool),
        hb=np.array(hbs),
        groups=numbers.astype(np.int64),
        sites=np.array([row.site for row in rows]),
        digest=digest_of({"label_table": LABEL_TABLE, "rows": sorted(record)}),
    )


def label_row(row: Row) -> tuple[float, bool | None]:
    """Haemoglobin in g/L, and whether that is anaemia by ``LABEL_TABLE``."""
    hb = read_hb(row.hb, HB_UNIT)
    subject = Subject(min(row.age_months, _OLDEST_MONTH), row.sex)
    return float(hb.g_per_l), label_of(hb, subject, LABEL_TABLE).anaemic
