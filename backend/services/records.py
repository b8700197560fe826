"""What several verbs read and write alike: a case by id, a note in the change feed, a thing that is PUT once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, select

from backend.db.engine import Database
from backend.db.tables import cases, changes, lab_results, lab_retractions, tombstones
from pallor.case import Case
from pallor.clock import Clock
from pallor.errors import Refused


class NotFound(Refused):
    """Nothing has this id here."""


class CaseErased(Refused):
    """It was erased, and does not come back by being sent again."""


class IdTaken(Refused):
    """The id stands for something elsewhere, of which nothing is told: it may lie at another site."""

    def __init__(self, field: str, id_: str) -> None:
        super().__init__("this id is taken", field=field, value=id_, remedy="Make a new id, by chance, for each thing.")

    def __reduce__(self) -> tuple[object, ...]:
        return IdTaken, (self.field, self.value)


class ContentDiffers(Refused):
    """The id is taken by something else: the first to arrive stands, and what differs is named."""

    def __init__(self, field: str, id_: str, differing: list[str]) -> None:
        super().__init__(
            f"this id is on record with other content; different: {', '.join(differing)}",
            field=field, value=id_,
            remedy="Send the same content again; correct a case by an amendment, a result by one that supersedes it.",
        )  # fmt: skip
        self.differing = differing

    def __reduce__(self) -> tuple[object, ...]:
        return ContentDiffers, (self.field, self.value, self.differing)


def not_found(field: str, id_: str, what: str) -> NotFound:
    return NotFound(
        f"no {what} with this id",
        field=field,
        value=id_,
        remedy="Check the id. It may not have arrived yet, or lie at a site that is not yours.",
    )


def case_row(tx: Connection, case_id: str, *, within: frozenset[str] | None = None) -> Row[Any]:
    """The row of a case.

    Args:
        within: the sites of whoever asks; None: every site. A case elsewhere is as one that does not exist.

    Raises:
        NotFound, CaseErased
    """
    row = tx.execute(_CASE, {"case_id": case_id}).first()
    if row is None:
        check_not_erased(tx, case_id, within)
    if row is None or (within is not None and row.site not in within):
        raise not_found("case_id", case_id, "case")
    return row


def check_not_erased(tx: Connection, case_id: str, within: frozenset[str] | None = None) -> bool:
    """Raise ``CaseErased`` for a case that left a tombstone at one of these sites; True when it left one elsewhere."""
    site = tx.execute(_TOMBSTONE, {"case_id": case_id}).scalar()
    if site is not None and (within is None or site in within):
        raise CaseErased(
            "this case was erased", field="case_id", value=case_id,
            remedy="Drop it from the phone as well; a new visit is a new case with an id of its own.",
        )  # fmt: skip
    return site is not None


def case_of(row: Row[Any]) -> Case:
    return Case.from_json(row.facts)


def standing_results(tx: Connection, case_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The laboratory results of some cases that no other supersedes and nobody took back, in the order they came in."""
    return tx.execute(_STANDING, {"case_ids": case_ids}).all()


def stands(result_id: ColumnElement[str]) -> ColumnElement[bool]:
    """That the result which a column names was neither corrected by another nor taken back."""
    later = lab_results.alias()
    corrected = select(later.c.id).where(later.c.supersedes == result_id).correlate_except(later).exists()
    taken_back = select(lab_retractions.c.id).where(lab_retractions.c.result_id == result_id)
    return ~corrected & ~taken_back.correlate_except(lab_retractions).exists()


def note_change(tx: Connection, clock: Clock, kind: str, entity_id: str, case_id: str) -> None:
    """Tell the feed that something of a case is new or different (``backend.wire.out.ChangeOut`` lists what)."""
    note_changes(tx, clock, [(kind, entity_id, case_id)])


def note_changes(tx: Connection, clock: Clock, of: Sequence[tuple[str, str, str]]) -> None:
    """``note_change`` of several things: of each its kind, its id and its case."""
    now = clock.now()
    rows = [
        {"kind": kind, "entity_id": entity_id, "case_id": case_id, "of_case": case_id, "at": now}
        for kind, entity_id, case_id in of
    ]
    if rows:
        tx.execute(_CHANGE, rows)


def put_once(
    database: Database, tx: Connection, table: Table, row: dict[str, Any], field: str, digest: str = "digest"
) -> bool:
    """Insert a row whose id the sender made; True when it is new, False when the same is there already.

    Raises:
        ContentDiffers: the id stands for something of the same case with another digest.
        IdTaken: it stands for something of another case.
    """
    if database.insert_once(tx, table, row):
        return True
    there = tx.execute(select(table).where(table.c.id == row["id"])).one()
    if there.case_id != row["case_id"]:
        raise IdTaken(field, row["id"])
    if there._mapping[digest] != row[digest]:
        shared = [c for c in row if c in there._mapping and not c.startswith(("received_", "made_")) and c != digest]
        raise ContentDiffers(field, row["id"], [c for c in shared if there._mapping[c] != row[c]] or ["content"])
    return False


# Built once: for what every request asks, building a query takes longer than asking it.
_CASE = select(cases).where(cases.c.id == bindparam("case_id"))
_TOMBSTONE = select(tombstones.c.site).where(tombstones.c.case_id == bindparam("case_id"))
_STANDING = (
    select(lab_results)
    .where(lab_results.c.case_id.in_(bindparam("case_ids", expanding=True)), stands(lab_results.c.id))
    .order_by(lab_results.c.received_at, lab_results.c.id)
)
_CHANGE = changes.insert().values(site=select(cases.c.site).where(cases.c.id == bindparam("of_case")).scalar_subquery())
