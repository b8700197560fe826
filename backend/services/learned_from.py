"""What learned from whom: the releases and candidates of a snapshot, and who learned from labels that were wrong."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import candidates, labels, releases, snapshot_cases, snapshots


@dataclass(frozen=True)
class Correction:
    """A label that another result, or none, took the place of; ``snapshots`` and ``releases`` learned from it."""

    old: Row[Any]
    new_label_id: str
    new_hb_g_per_l: str | None
    corrected_at: datetime
    snapshots: tuple[str, ...]
    releases: tuple[str, ...]


def learned_from(tx: Connection, digests: Sequence[str]) -> list[str]:
    """Releases and candidates that were made from one of these snapshots."""
    known = tx.execute(select(releases.c.release_id, releases.c.manifest)) if digests else ()
    learned = {row.release_id for row in known if row.manifest["snapshot_digest"] in digests}
    made = select(candidates.c.release_id).where(candidates.c.snapshot_digest.in_(digests))
    return sorted(learned | set(tx.execute(made).scalars()))


def list_corrections(database: Database, limit: int, after: tuple[datetime, str] | None) -> list[Correction]:
    """Labels that a laboratory's later word superseded or retracted, the newest first."""
    old, new = labels.alias("old"), labels.alias("new")
    key = (new.c.derived_at, new.c.id)
    query: Select[Any] = (
        select(old, new.c.id.label("new_id"), new.c.record.label("new_record"), new.c.derived_at.label("corrected_at"))
        .join(new, new.c.supersedes == old.c.id)
        .where(
            or_(
                new.c.record["retracted"].as_boolean().is_(True),
                new.c.record["lab_result_id"].as_string() != old.c.record["lab_result_id"].as_string(),
            ),
            old.c.record["retracted"].as_boolean().is_not(True),
        )
        .order_by(*(column.desc() for column in key))
        .limit(limit)
    )
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        rows = connection.execute(query).all()
        held = _held(connection, [row.id for row in rows])
        return [_correction(connection, row, held[row.id]) for row in rows]


def _correction(connection: Connection, row: Row[Any], held: list[str]) -> Correction:
    hb = None if row.new_record.get("retracted") else row.new_record["hb"]["g_per_l"]
    made = tuple(learned_from(connection, held))
    return Correction(row, row.new_id, hb, row.corrected_at, tuple(sorted(held)), made)


def _held(connection: Connection, label_ids: Sequence[str]) -> dict[str, list[str]]:
    """For each of these labels the snapshots that hold its result, in this label or in an earlier one.

    Of snapshots that did not note which labels they hold, those that were made before the result was corrected.
    """
    held, later = labels.alias("held"), labels.alias("later")
    of_its_result = held.c.record["lab_result_id"].as_string() == labels.c.record["lab_result_id"].as_string()
    not_noted = and_(snapshot_cases.c.label_id.is_(None), snapshots.c.made_at < later.c.derived_at)
    query = (
        select(labels.c.id, snapshots.c.digest)
        .join(later, later.c.supersedes == labels.c.id)
        .join(snapshot_cases, snapshot_cases.c.case_id == labels.c.case_id)
        .join(snapshots, snapshots.c.digest == snapshot_cases.c.snapshot_digest)
        .outerjoin(held, held.c.id == snapshot_cases.c.label_id)
        .where(labels.c.id.in_(label_ids), or_(of_its_result, not_noted))
        .distinct()
    )
    found: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.id].append(row.digest)
    return found
