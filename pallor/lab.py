"""Haemoglobin (Hb) as a laboratory reports it: the unit always named, g/L inside, the value kept as it was written."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

from pallor.errors import Refused
from pallor.lab_codes import GRAMS_PER_LITRE, LOINC_CLASS, LOINC_SPECIMEN, LOOK_ALIKES, UNIT_CLASS, ucum

# Outside 20 to 250 g/L no living patient is expected: a wrong unit or a slip of the pen, never a diagnosis.
MIN_G_PER_L, MAX_G_PER_L = Decimal(20), Decimal(250)
# Outside 40 to 200 g/L it can be, and is seldom: somebody looks at it again.
_SELDOM_BELOW, _SELDOM_ABOVE = Decimal(40), Decimal(200)
_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4})?")
_LOINC = re.compile(r"[0-9]{1,7}-[0-9]")


class HbNotANumber(Refused):
    """The value is not a plain decimal number."""


class HbOnlyABound(Refused):
    """Below or above what the analyser can measure: a bound is no value."""


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


class SpecimenContradicted(Refused):
    """The LOINC code names one kind of blood, the result another."""


@dataclass(frozen=True)
class Hb:
    """A haemoglobin value: as reported (``value`` ``unit``), and in g/L."""

    value: str
    unit: str
    g_per_l: Decimal

    @property
    def seldom(self) -> bool:
        """Whether it lies where few living people's does."""
        return not _SELDOM_BELOW <= self.g_per_l <= _SELDOM_ABOVE


class Specimen(StrEnum):
    VENOUS = "venous"
    CAPILLARY = "capillary"
    UNKNOWN = "unknown"


class Performer(StrEnum):
    """Who measured: a laboratory on its analyser, or somebody with a hand-held one beside the patient."""

    LABORATORY = "laboratory"
    POINT_OF_CARE = "point-of-care"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LabResult:
    """A confirmed haemoglobin for one case.

    ``taken_at``: when the blood was drawn. ``resulted_at``: when the value was known there. ``device``: the analyser.
    ``supersedes``: the id of the result that this one corrects; ``reason``: why it does.
    """

    id: str
    case_id: str
    hb: Hb
    taken_at: datetime
    specimen: Specimen = Specimen.UNKNOWN
    loinc: str | None = None
    method: str | None = None
    supersedes: str | None = None
    resulted_at: datetime | None = None
    device: str | None = None
    performer: Performer = Performer.UNKNOWN
    reason: str | None = None


def counts_for_clearance(specimen: Specimen, performer: Performer) -> bool:
    """Whether a value may help to clear a release: venous blood on a laboratory's analyser alone.

    Blood from a finger, or a hand-held analyser, counts for the person's follow-up.
    """
    return specimen is Specimen.VENOUS and performer is Performer.LABORATORY


def read_specimen(said: Specimen, loinc: str | None) -> Specimen:
    """The kind of blood, as it was said or as the LOINC code names it; raises ``SpecimenContradicted``."""
    named = LOINC_SPECIMEN.get(loinc or "")
    if named is None or said == named:
        return said
    if said is not Specimen.UNKNOWN:
        raise SpecimenContradicted(
            f"LOINC {loinc} is haemoglobin in {named} blood", field="specimen", value=said.value,
            remedy="Check where the blood came from; 718-7 leaves it open.",
        )  # fmt: skip
    return Specimen(named)


def read_hb(value: str | float | Decimal, unit: str | None, loinc: str | None = None) -> Hb:
    """Read a reported haemoglobin.

    Args:
        value: the number as reported; text is kept as it was written.
        unit: UCUM, exactly ``g/L``, ``g/dL`` or ``mmol/L`` (monomer), or a spelling of it that is listed
            (``pallor.lab_codes``); kept as it was written.
        loinc: the code of the observation, when the sender gives one.

    Raises:
        HbUnitMissing, HbUnitUnknown, HbNotANumber, HbOnlyABound, HbImplausible, NotHaemoglobin, LoincUnitMismatch
    """
    _check_loinc(loinc)
    if unit is None or not unit.strip():
        raise HbUnitMissing(
            "haemoglobin without a unit", field="hb.unit", value=unit,
            remedy="Name the unit the analyser printed: g/L, g/dL or mmol/L.",
        )  # fmt: skip
    code = ucum(unit)
    if code is None:
        raise HbUnitUnknown(
            "not a unit of haemoglobin known here", field="hb.unit", value=unit, remedy="Use g/L, g/dL or mmol/L."
        )
    if loinc is not None and UNIT_CLASS[code] != LOINC_CLASS[loinc]:
        raise LoincUnitMismatch(
            f"LOINC {loinc} and the unit {unit} do not belong together", field="loinc", value=loinc,
            remedy="Check which analyte and unit were reported; use 718-7 for g/L and g/dL, 59260-0 for mmol/L.",
        )  # fmt: skip
    text = str(value)
    if text.startswith(("<", ">", "≤", "≥")):
        raise HbOnlyABound(
            "beyond what the analyser can measure, which is no value", field="hb.value", value=text,
            remedy="Measure again, diluted or by another method, and send the number.",
        )  # fmt: skip
    if not _NUMBER.fullmatch(text):
        raise HbNotANumber(
            "not a plain decimal number", field="hb.value", value=text,
            remedy="Write digits with a point, such as 10.4; no comparison signs, no words, no exponent.",
        )  # fmt: skip
    g_per_l = _tidy(Decimal(text) * GRAMS_PER_LITRE[code])
    if not MIN_G_PER_L <= g_per_l <= MAX_G_PER_L:
        low, high = (round(bound / GRAMS_PER_LITRE[code], 1) for bound in (MIN_G_PER_L, MAX_G_PER_L))
        raise HbImplausible(
            f"{text} {unit} is outside {low} to {high} {code}",
            field="hb.value", value=f"{text} {unit}", remedy=_perhaps_another_unit(text, code),
        )  # fmt: skip
    return Hb(value=text, unit=unit, g_per_l=g_per_l)


def _tidy(g_per_l: Decimal) -> Decimal:
    """To 0.1 g/L where that loses nothing, else to 0.01 and downwards: 109.96 must not become 110, above a cut-off."""
    tenths = g_per_l.quantize(Decimal("0.1"))
    return tenths if tenths == g_per_l else g_per_l.quantize(Decimal("0.01"), ROUND_DOWN)


def _check_loinc(loinc: str | None) -> None:
    if loinc is None or loinc in LOINC_CLASS:
        return
    what = LOOK_ALIKES.get(loinc, "not a code of haemoglobin in blood known here")
    is_code = _LOINC.fullmatch(loinc) is not None  # else it may be anything that slipped into this place
    raise NotHaemoglobin(
        f"LOINC {loinc} is {what}" if is_code else f"this is {what}", field="loinc",
        value=loinc if is_code else "(not repeated: it is no LOINC code)",
        remedy=f"Post haemoglobin only: one of {', '.join(LOINC_CLASS)}.",
    )  # fmt: skip


def _perhaps_another_unit(text: str, unit: str) -> str:
    fits = [u for u, f in GRAMS_PER_LITRE.items() if u != unit and MIN_G_PER_L <= Decimal(text) * f <= MAX_G_PER_L]
    hint = f" Was the unit {' or '.join(fits)}? Then send that unit." if fits else ""
    return f"Check value and unit against the analyser's print-out.{hint}"
