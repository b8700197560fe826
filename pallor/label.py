"""From haemoglobin to a label: WHO's cut-offs by year, with their source, for this person at this altitude.

No criterion is an answer of its own: it is never "normal".
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from pallor.errors import Refused
from pallor.lab import Hb
from pallor.subject import Pregnancy, Sex, Subject, SubjectImplausible

TABLES = ("who-2011", "who-2024")
DEFAULT_TABLE = "who-2024"
# Below 70 g/L every row of both tables says severe, whatever the age or the trimester.
CRITICAL_G_PER_L = Decimal(70)


class LabelTableUnknown(Refused):
    """No WHO table of that name is held here."""


class Severity(StrEnum):
    NONE = "none"  # Hb at or above the cut-off: a label for training, never a word for a patient
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


@dataclass(frozen=True)
class Label:
    """What one haemoglobin means for one person under one table.

    ``severity``: None where the table has no criterion, and then ``no_criterion`` says why. ``adjusted_g_per_l``: after
    altitude; ``altitude_adjusted``: False where the altitude of residence is unknown ("not adjusted").
    """

    table: str
    group: str | None
    severity: Severity | None
    adjusted_g_per_l: Decimal
    altitude_adjusted: bool
    no_criterion: str | None = None

    @property
    def anaemic(self) -> bool | None:
        """True, False, or None where there is no criterion."""
        return None if self.severity is None else self.severity is not Severity.NONE


def label_of(hb: Hb, subject: Subject, table: str = DEFAULT_TABLE) -> Label:
    """The label of a haemoglobin; raises ``LabelTableUnknown``.

    Smoking is not adjusted for: its figures wait for a source that can be checked.
    """
    rules = _table(table)
    subtract = _altitude_adjustment(rules, subject.altitude_m)
    if subtract is None:
        return Label(table, None, None, hb.g_per_l, False, "altitude beyond the end of the table")
    adjusted = hb.g_per_l - subtract
    known_altitude = subject.altitude_m is not None
    group, why_not = _group(rules, subject)
    if group is not None:
        return Label(table, group["name"], _severity(adjusted, group), adjusted, known_altitude)
    if subject.pregnancy is Pregnancy.YES and adjusted < CRITICAL_G_PER_L:
        return Label(table, "pregnant, any trimester", Severity.SEVERE, adjusted, known_altitude)
    return Label(table, None, None, adjusted, known_altitude, why_not)


def can_be(severity: Severity, hb: Hb, subject: Subject, table: str) -> bool:
    """Whether some pregnancy and trimester, which nobody may have said, give this severity; ``hb`` after altitude.

    Raises:
        LabelTableUnknown: no such table.
    """
    return any(label_of(hb, asked, table).severity is severity for asked in _perhaps_pregnant(subject))


def table_source(table: str) -> str:
    """Where a table's numbers come from; raises ``LabelTableUnknown``."""
    return str(_table(table)["source"])


def age_bands(table: str) -> tuple[tuple[int, int | None], ...]:
    """Months from (included) to (excluded) of a table's groups, the youngest first; None where there is no upper end.

    Raises:
        LabelTableUnknown: no such table.
    """
    months = {tuple(group["months"]) for group in _table(table)["group"]}
    return tuple((band[0], band[1] if len(band) > 1 else None) for band in sorted(months))


@cache
def _table(table: str) -> Mapping[str, Any]:
    if table not in TABLES:
        raise LabelTableUnknown(
            "no such WHO table", field="label_table", value=table, remedy=f"Use one of {', '.join(TABLES)}."
        )
    return tomllib.loads((files("pallor.tables") / f"{table}.toml").read_text())


def _altitude_adjustment(rules: Mapping[str, Any], altitude_m: int | None) -> Decimal | None:
    """g/L to subtract; 0 for an unknown altitude (shown as not adjusted); None beyond the table's end."""
    if altitude_m is None:
        return Decimal(0)
    if altitude_m >= rules["altitude"].get("ends_at", float("inf")):
        return None
    passed = [g_per_l for metres, g_per_l in rules["altitude"]["steps"] if altitude_m >= metres]
    return Decimal(passed[-1] if passed else 0)


def _group(rules: Mapping[str, Any], subject: Subject) -> tuple[Mapping[str, Any] | None, str | None]:
    """The person's row of the table, or why there is none."""
    if subject.pregnancy is Pregnancy.YES:
        # Asked of both tables: a label must not flip from one edition to the next because a trimester was not asked.
        rows = [r for r in rules["pregnant"] if subject.trimester in r["trimesters"]]
        return (rows[0], None) if rows else (None, "pregnant, trimester not given")
    rows = [r for r in rules["group"] if _in_months(subject.age_months, r["months"])]
    if not rows:
        return None, "below 6 months there is no cut-off"
    if any("sex" in r for r in rows):
        if subject.sex is Sex.UNKNOWN:
            return None, "sex not given"
        rows = [r for r in rows if r["sex"] == subject.sex]
        if subject.sex is Sex.FEMALE and subject.pregnancy is Pregnancy.UNKNOWN and subject.age_months < 50 * 12:
            return None, "pregnancy not asked"
    return rows[0], None


def _perhaps_pregnant(subject: Subject) -> Iterator[Subject]:
    yield Subject(subject.age_months, subject.sex)
    for trimester in (1, 2, 3):
        with suppress(SubjectImplausible):
            yield Subject(subject.age_months, subject.sex, Pregnancy.YES, trimester)


def _in_months(age: int, months: list[int]) -> bool:
    return months[0] <= age and (len(months) == 1 or age < months[1])


def _severity(g_per_l: Decimal, group: Mapping[str, Any]) -> Severity:
    for severity in (Severity.SEVERE, Severity.MODERATE, Severity.MILD):
        if g_per_l < group[severity.value]:
            return severity
    return Severity.NONE
