"""What the trainer found: photos of different people that are the same photograph, so that their labels are withheld.

A report belongs to a snapshot. Sent again for the same snapshot it replaces what was said of it; of other snapshots
nothing is replaced. A later snapshot lacks the photos that a report has withheld, so the report about it cannot name
them: if it replaced the earlier ones, every second snapshot would hold them again.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, select

from backend.db.engine import Database
from backend.db.tables import cases, labels, photos, same_photo_members, same_photo_reports, sites, snapshots
from backend.services.audit import write_audit
from backend.services.derive_label import USABLE, derive_label
from backend.services.records import not_found, note_change
from backend.services.same_photo import people_on_photos
from pallor.clock import Clock
from pallor.digest import digest_of, hex_of
from pallor.errors import Refused

_BATCH = 500


class PhotoInTwoGroups(Refused):
    """Groups that share a photo would be one group."""


def record_same_photos(
    database: Database,
    clock: Clock,
    snapshot_digest: str,
    method: str,
    groups: Sequence[Collection[str]],
    table: str,
    *,
    by: str,
) -> bool:
    """Note who shows the same photograph, and derive the labels anew for which that changes anything.

    A group says nothing unless it holds photos of more than one subject. Photos that this server does not hold, such as
    imported ones, are counted, and so are groups of practice sites' photos, which are never learned from.

    Args:
        groups: digests of stored photos.

    Returns:
        True when nothing was reported about this snapshot before.

    Raises:
        NotFound: no such snapshot was exported here.
        PhotoInTwoGroups
    """
    spelled = sorted(sorted(set(group)) for group in groups)
    number_of = _numbers(spelled)
    content = digest_of({"method": method, "groups": spelled})
    with database.write() as tx:
        if tx.execute(select(snapshots.c.digest).where(snapshots.c.digest == snapshot_digest)).first() is None:
            raise not_found("digest", snapshot_digest, "snapshot")
        there = tx.execute(_of(snapshot_digest)).first()
        if there is not None and there.content_digest == content:
            return False
        members, known = _members(tx, number_of)
        row = {
            "snapshot_digest": snapshot_digest,
            "content_digest": content,
            "method": method,
            "groups": len(spelled),
            "photos": known,
            "unknown_photos": len(number_of) - known,
            "received_at": clock.now(),
            "received_by": by,
        }
        before = _shared(tx, snapshot_digest)
        _replace(tx, row, members)
        changed = before ^ _shared(tx, snapshot_digest)
        for case_id, photo_id in sorted(changed):
            note_change(tx, clock, "photo", photo_id, case_id)
        for case_id in sorted({case_id for case_id, _ in changed}):
            derive_label(tx, clock, case_id, table, by=by)
        # Numbers alone: the trail must not keep which photos they were when their people are erased.
        said = {name: row[name] for name in ("method", "groups", "photos", "unknown_photos")}
        write_audit(tx, clock, by, "same-photos.record", hex_of(snapshot_digest), new=said | {"changed": len(changed)})
        return there is None


def show_same_photos(database: Database, snapshot_digest: str) -> tuple[Row[Any], int]:
    """The report about a snapshot, and how many labels it withholds now."""
    with database.read() as connection:
        shared = {case_id for case_id, _ in _shared(connection, snapshot_digest)}
        labelled = set(connection.execute(select(labels.c.case_id).distinct()).scalars())
        return connection.execute(_of(snapshot_digest)).one(), len(shared & labelled)


def _numbers(groups: Sequence[Sequence[str]]) -> dict[str, int]:
    """The number of each photo's group; raises ``PhotoInTwoGroups``."""
    number_of: dict[str, int] = {}
    for number, group in enumerate(groups):
        for photo in group:
            if number_of.setdefault(photo, number) != number:
                raise PhotoInTwoGroups(
                    "a photo lies in two groups", field="groups", value=photo,
                    remedy="Send each photo in one group: what two groups share makes them one.",
                )  # fmt: skip
    return number_of


def _members(tx: Connection, number_of: dict[str, int]) -> tuple[list[tuple[int, str]], int]:
    """Group and id of each photo here whose group holds several people, and how many digests are known here at all."""
    on_photo = people_on_photos()
    rows: list[Row[Any]] = []
    for digests in _batches(sorted(number_of)):
        query: Select[Any] = (
            select(photos.c.id, photos.c.stored_sha256, on_photo.c.person)
            .join(on_photo, on_photo.c.photo_id == photos.c.id)
            .join(cases, cases.c.id == photos.c.case_id)
            .join(sites, sites.c.code == cases.c.site)
            .where(photos.c.stored_sha256.in_(digests), photos.c.state.in_(USABLE), ~sites.c.practice)
        )
        rows += tx.execute(query).all()
    members = [(number_of[row.stored_sha256], row.id) for row in rows]
    several = _with_several_people((number_of[row.stored_sha256], row.person) for row in rows)
    known = {row.stored_sha256 for row in rows}
    return [member for member in members if member[0] in several], len(known)


def _replace(tx: Connection, row: dict[str, Any], members: Sequence[tuple[int, str]]) -> None:
    digest = row["snapshot_digest"]
    for rows in (same_photo_members, same_photo_reports):
        tx.execute(delete(rows).where(rows.c.snapshot_digest == digest))
    tx.execute(same_photo_reports.insert().values(row))
    if members:
        told = [{"snapshot_digest": digest, "photo_id": photo_id, "number": number} for number, photo_id in members]
        tx.execute(same_photo_members.insert(), told)


def _shared(connection: Connection, snapshot_digest: str) -> set[tuple[str, str]]:
    """Case and id of every photo whose group, by this report, holds another person's photo."""
    on_photo = people_on_photos()
    query = (
        select(same_photo_members.c.number, on_photo)
        .join(on_photo, on_photo.c.photo_id == same_photo_members.c.photo_id)
        .where(same_photo_members.c.snapshot_digest == snapshot_digest)
    )
    rows = connection.execute(query).all()
    several = _with_several_people((row.number, row.person) for row in rows)
    return {(row.case_id, row.photo_id) for row in rows if row.number in several}


def _with_several_people(members: Iterable[tuple[int, str]]) -> set[int]:
    people: dict[int, set[str]] = {}
    for number, person in members:
        people.setdefault(number, set()).add(person)
    return {number for number, found in people.items() if len(found) > 1}


def _of(snapshot_digest: str) -> Select[Any]:
    return select(same_photo_reports).where(same_photo_reports.c.snapshot_digest == snapshot_digest)


def _batches(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(digests), _BATCH):
        yield digests[at : at + _BATCH]
