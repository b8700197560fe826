"""Haemoglobin (Hb) as a laboratory reports it: the unit always named, g/L inside, the value kept as it was written."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

from pallor.errors import Refused, shortened

# g/L in one of the unit. Molar: the monomer, 64 458 g/mol over four haems = 16 114.5 g/mol (IUPAC/IFCC; UCUM `mmol/L`).
_GRAMS_PER_LITRE = {"g/L": Decimal(1), "g/dL": Decimal(10), "mmol/L": Decimal("16.1145")}
_MASS, _MOLES = frozenset({"g/L", "g/dL"}), frozenset({"mmol/L"})
# LOINC codes of haemoglobin in blood, and the class of unit each promises (loinc.org).
_LOINC_UNITS = {"718-7": _MASS, "30350-3": _MASS, "30352-9": _MASS, "20509-6": _MASS, "59260-0": _MOLES}
_LOOK_ALIKES = {
    "4548-4": "HbA1c, a measure of blood sugar", "17856-6": "HbA1c, a measure of blood sugar",
    "59261-8": "HbA1c, a measure of blood sugar", "4544-3": "haematocrit", "20570-8": "haematocrit",
    "785-6": "MCH, the haemoglobin of one red cell", "786-4": "MCHC, the haemoglobin in packed red cells",
}  # fmt: skip
# Outside 20 to 250 g/L no living patient is expected: a wrong unit or a slip of the pen, never a diagnosis.
MIN_G_PER_L, MAX_G_PER_L = Decimal(20), Decimal(250)
_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4})?")


class HbNotANumber(Refused):
    """The value is not a plain decimal number."""


class HbUnitMissing(Refused):
    """No unit: 12 could be g/dL or mmol/L, and guessing from the size has harmed people."""


class HbUnitUnknown(Refused):
    """A unit that is not in the table."""


class HbImplausible(Refused):
    """With this unit the value is outside what a living person has."""


class NotHaemoglobin(Refused):
    """The LOINC code names another analyte."""


class LoincUnitMismatch(Refused):
    """The LOINC code promises one kind of unit, the result carries another."""


@dataclass(frozen=True)
class Hb:
    """A haemoglobin value: as reported (``value`` ``unit``) and in g/L."""

    value: str
    unit: str
    g_per_l: Decimal


class Specimen(StrEnum):
    VENOUS = "venous"
    CAPILLARY = "capillary"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LabResult:
    """A confirmed haemoglobin for one case.

    ``taken_at``: when the blood was drawn. ``supersedes``: the id of the result that this one corrects.
    """

    id: str
    case_id: str
    hb: Hb
    taken_at: datetime
    specimen: Specimen = Specimen.UNKNOWN
    loinc: str | None = None
    method: str | None = None
    supersedes: str | None = None


def read_hb(value: str | float | Decimal, unit: str | None, loinc: str | None = None) -> Hb:
    """Read a reported haemoglobin.

    Args:
        value: the number as reported; text is kept as it was written.
        unit: UCUM, exactly ``g/L``, ``g/dL`` or ``mmol/L`` (monomer).
        loinc: the code of the observation, when the sender gives one.

    Raises:
        HbUnitMissing, HbUnitUnknown, HbNotANumber, HbImplausible, NotHaemoglobin, LoincUnitMismatch
    """
    _check_loinc(loinc)
    if unit is None or not unit.strip():
        raise HbUnitMissing(
            "haemoglobin without a unit", field="hb.unit", value=unit,
            remedy="Name the unit the analyser printed: g/L, g/dL or mmol/L.",
        )  # fmt: skip
    factor = _GRAMS_PER_LITRE.get(unit)
    if factor is None:
        raise HbUnitUnknown(
            "not a unit of haemoglobin known here", field="hb.unit", value=unit, remedy="Use g/L, g/dL or mmol/L."
        )
    if loinc is not None and unit not in _LOINC_UNITS[loinc]:
        raise LoincUnitMismatch(
            f"LOINC {loinc} and the unit {unit} do not belong together", field="loinc", value=loinc,
            remedy="Check which analyte and unit were reported; use 718-7 for g/L and g/dL, 59260-0 for mmol/L.",
        )  # fmt: skip
    text = str(value)
    if not _NUMBER.fullmatch(text):
        raise HbNotANumber(
            "not a plain decimal number", field="hb.value", value=text,
            remedy="Write digits with a point, such as 10.4; no comparison signs, no words, no exponent.",
        )  # fmt: skip
    g_per_l = _tidy(Decimal(text) * factor)
    if not MIN_G_PER_L <= g_per_l <= MAX_G_PER_L:
        raise HbImplausible(
            f"{text} {unit} is {g_per_l} g/L, outside {MIN_G_PER_L} to {MAX_G_PER_L} g/L",
            field="hb.value", value=f"{text} {unit}", remedy=_perhaps_another_unit(text, unit),
        )  # fmt: skip
    return Hb(value=text, unit=unit, g_per_l=g_per_l)


def _tidy(g_per_l: Decimal) -> Decimal:
    """To 0.1 g/L where that loses nothing, else to 0.01 and downwards: 109.96 must not become 110, above a cut-off."""
    tenths = g_per_l.quantize(Decimal("0.1"))
    return tenths if tenths == g_per_l else g_per_l.quantize(Decimal("0.01"), ROUND_DOWN)


def _check_loinc(loinc: str | None) -> None:
    if loinc is None or loinc in _LOINC_UNITS:
        return
    what = _LOOK_ALIKES.get(loinc, "not a code of haemoglobin in blood known here")
    raise NotHaemoglobin(
        f"LOINC {shortened(loinc, 20)} is {what}", field="loinc", value=loinc,
        remedy=f"Post haemoglobin only: one of {', '.join(_LOINC_UNITS)}.",
    )  # fmt: skip


def _perhaps_another_unit(text: str, unit: str) -> str:
    fits = [u for u, f in _GRAMS_PER_LITRE.items() if u != unit and MIN_G_PER_L <= Decimal(text) * f <= MAX_G_PER_L]
    hint = f" Was the unit {' or '.join(fits)}? Then send that unit." if fits else ""
    return f"Check value and unit against the analyser's print-out.{hint}"
