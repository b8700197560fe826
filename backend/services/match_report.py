"""Whose haemoglobin is it? By the specimen's barcode or the case's id; by anything less only when a human says so."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, Row, select

from backend.db.tables import cases
from backend.services.records import case_of, check_not_erased
from backend.services.specimen_barcode import grouped, plain
from pallor.reported import ReportedHb, disagreements

_A_DAY = timedelta(days=1)  # a visit late in the evening is on another day of UTC


@dataclass(frozen=True)
class Match:
    """``case_id``: set when the line is that case's. Else ``why``, and the cases among which a human may choose."""

    case_id: str | None
    why: str | None = None
    candidates: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether its case may be yet to come."""
        return self.case_id is None and not self.candidates


def match_report(tx: Connection, line: ReportedHb, within: Collection[str]) -> Match:
    """The case that a line is about, among those of some sites: cases elsewhere are as cases that do not exist.

    Raises:
        CaseErased
    """
    found = _named(tx, line, within)
    if line.case_id is not None and not found:
        check_not_erased(tx, line.case_id, frozenset(within))
    if not found:
        return Match(None, "case-not-here")
    candidates = tuple(row.id for row in found)
    if len(found) > 1:
        return Match(None, "several-cases", candidates)
    if line.case_id is None and line.barcode is None:
        return Match(None, "needs-confirmation", candidates)
    wrong = objections(line, found[0])
    return Match(None, wrong[0], candidates) if wrong else Match(found[0].id)


def objections(line: ReportedHb, row: Row[tuple[object, ...]]) -> tuple[str, ...]:
    """Stable codes of all that speaks against a line being this case's."""
    other_tube = None not in (line.barcode, row.specimen_barcode) and line.barcode != plain(row.specimen_barcode)
    return (("barcode-disagrees",) if other_tube else ()) + disagreements(line, case_of(row))


def _named(tx: Connection, line: ReportedHb, within: Collection[str]) -> list[Row[tuple[object, ...]]]:
    query = select(cases).where(cases.c.site.in_(within)).order_by(cases.c.received_at, cases.c.id)
    if line.case_id is not None:
        query = query.where(cases.c.id == line.case_id)
    elif line.barcode is not None:
        query = query.where(cases.c.specimen_barcode.in_((line.barcode, grouped(line.barcode))))
    else:
        query = query.where(cases.c.subject_code == line.subject_code)
    rows = list(tx.execute(query))
    if line.case_id is not None or line.barcode is not None or line.visited_on is None:
        return rows
    return [row for row in rows if abs(case_of(row).visited_at.date() - line.visited_on) <= _A_DAY]
