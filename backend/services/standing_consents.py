"""Which consents stand for a case: those given at this visit, less those its person has withdrawn at any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select

from backend.db.tables import cases, consents
from pallor.consent import Purpose, Statement, stands
from pallor.errors import Refused


class ConsentWithdrawn(Refused):
    """The person has withdrawn consent to care: nothing more is photographed."""


@dataclass(frozen=True)
class Standing:
    """``given``: it stands. ``at``, ``wording``: of the last time it was given for this visit."""

    given: bool
    at: datetime | None
    wording: str | None
    withdrawn_at: datetime | None


def standing_consents(connection: Connection, case_ids: Sequence[str]) -> dict[str, dict[Purpose, Standing]]:
    """What stands for each of these cases, by purpose."""
    said: dict[str, list[Row[Any]]] = {case_id: [] for case_id in case_ids}
    for row in connection.execute(_SAID, {"case_ids": case_ids}):
        said[row.for_case].append(row)
    return {case_id: {purpose: _standing(purpose, rows) for purpose in Purpose} for case_id, rows in said.items()}


def first_withdrawn(connection: Connection, site: str, subject_code: str) -> datetime | None:
    """From when the first withdrawal of a person's counts, whatever of; None when nothing was withdrawn."""
    return connection.execute(_FIRST_WITHDRAWN, {"site": site, "subject_code": subject_code}).scalar()


def check_care(connection: Connection, case_id: str) -> None:
    """Raise ``ConsentWithdrawn`` unless consent to care stands."""
    must_stand(standing_consents(connection, [case_id])[case_id], case_id)


def must_stand(standing: Mapping[Purpose, Standing], case_id: str) -> None:
    """Raise ``ConsentWithdrawn`` unless consent to care is among what stands for a case."""
    if not standing[Purpose.CARE].given:
        raise ConsentWithdrawn(
            "consent to care was withdrawn", field="case_id", value=case_id,
            remedy="Take no photo and drop this one. If the person agrees again, record that first.",
        )  # fmt: skip


def care_stands() -> ColumnElement[bool]:
    """That consent to care stands for a row of ``cases``: every withdrawal of the person's was followed by a yes.

    It is ``pallor.consent.stands`` for the one question that is asked of many rows at once.
    """
    withdrawal, yes = consents.alias(), consents.alias()
    followed = (
        select(yes.c.id)
        .where(yes.c.case_id == cases.c.id, yes.c.purpose == withdrawal.c.purpose, yes.c.given)
        .where(yes.c.counts_from > withdrawal.c.counts_from)
        .correlate(cases, withdrawal)
        .exists()
    )
    unanswered = (
        select(withdrawal.c.id)
        .where(withdrawal.c.site == cases.c.site, withdrawal.c.subject_code == cases.c.subject_code)
        .where(withdrawal.c.purpose == Purpose.CARE.value, ~withdrawal.c.given, ~followed)
        .correlate(cases)
        .exists()
    )
    return ~unanswered


def _standing(purpose: Purpose, rows: list[Row[Any]]) -> Standing:
    said = [(row, Statement(Purpose(row.purpose), row.given, row.counts_from)) for row in rows]
    given = stands(purpose, (statement for _, statement in said))
    yes = next((row for row, s in reversed(said) if s.purpose is purpose and s.given), None)
    no = next((row for row, s in reversed(said) if s.concerns(purpose) and not s.given), None)
    return Standing(
        given=given,
        at=yes.at if yes else None,
        wording=yes.wording if yes else None,
        withdrawn_at=no.at if no and not given else None,
    )


# Built once: every case, every photo and every answer asks these.
_FIRST_WITHDRAWN = select(func.min(consents.c.counts_from)).where(
    consents.c.site == bindparam("site"), consents.c.subject_code == bindparam("subject_code"), ~consents.c.given
)
_SAID = (
    select(cases.c.id.label("for_case"), consents)
    .join(consents, (consents.c.site == cases.c.site) & (consents.c.subject_code == cases.c.subject_code))
    .where((consents.c.case_id == cases.c.id) | ~consents.c.given)
    .where(cases.c.id.in_(bindparam("case_ids", expanding=True)))
    .order_by(consents.c.counts_from, consents.c.recorded_at, consents.c.id)
)
