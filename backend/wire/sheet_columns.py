"""The headings that a column may have, in lower case and without spaces, hyphens and underscores; and its words."""

import re
from enum import StrEnum
from typing import TypeVar

from pallor.errors import Refused
from pallor.subject import Sex

Word = TypeVar("Word", bound=StrEnum)
Otherwise = TypeVar("Otherwise")

_HEADINGS = {
    "business_id": ("businessid", "labnumber", "labno", "labid", "laboratorynumber", "accession", "accessionnumber"),
    "value": ("value", "hb", "haemoglobin", "hemoglobin", "hbvalue"),
    "analyte": ("analyte", "test", "testname", "testcode", "parameter", "investigation", "examination"),
    "unit": ("unit", "units", "hbunit"),
    "loinc": ("loinc",),
    "specimen": ("specimen", "specimenkind", "specimentype"),
    "method": ("method",),
    "device": ("device", "analyser", "analyzer"),
    "performer": ("performer",),
    "status": ("status",),
    "rejected_because": ("rejectedbecause", "rejectreason"),
    "taken_at": ("takenat", "collectedat", "drawnat"),
    "resulted_at": ("resultedat", "measuredat"),
    "specimen_barcode": ("specimenbarcode", "barcode"),
    "case_id": ("caseid",),
    "subject_code": ("subjectcode",),
    "visited_on": ("visitedon", "visitdate"),
    "age_months": ("agemonths",),
    "age_years": ("ageyears",),
    "sex": ("sex", "gender"),
}
COLUMNS = {heading: name for name, headings in _HEADINGS.items() for heading in headings}
HAEMOGLOBINS = {"hb", "hgb", "haemoglobin", "hemoglobin", "hbhaemoglobin", "haemoglobinhb", "hemoglobinhgb", "7187"}
HB_WITH_UNIT = re.compile(r"(?:hb|haemoglobin|hemoglobin)\s*[(\[]([^)\]]{1,16})[)\]]", re.IGNORECASE)
SEXES = {"f": Sex.FEMALE, "female": Sex.FEMALE, "m": Sex.MALE, "male": Sex.MALE}


class WordUnknown(Refused):
    """A cell of a column that takes one of a few words holds another."""


def enumerated(kind: type[Word], name: str, text: str | None, otherwise: Otherwise) -> Word | Otherwise:
    """The word of a cell; raises ``WordUnknown``."""
    if text is None:
        return otherwise
    try:
        return kind(text.lower().replace(" ", "-"))
    except ValueError:
        raise WordUnknown(
            "not a word of this column", field=name, value="(not repeated)",
            remedy=f"Write one of {', '.join(kind)}, or leave it empty.",
        ) from None  # fmt: skip
