"""The same photograph under two subjects: two people were mixed up, or one photo was sent for both."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    Subquery,
    bindparam,
    or_,
    select,
)

from backend.db.engine import Database
from backend.db.tables import cases, photos, same_photo_members, same_photo_warnings, sites
from pallor.clock import Clock
from pallor.image.fingerprint import NEAR_BITS, bands, hamming


def warn_of_same_photo(
    database: Database, tx: Connection, clock: Clock, case_id: str, photo_id: str, perceptual: str
) -> list[tuple[str, str]]:
    """Note every photo of another subject that is the same photograph; these photos, each after its case.

    Where people practise the same photograph is sent again and again: such sites and real ones do not warn each other.
    """
    asked = {"photo": photo_id, "case": case_id} | {f"part{i}": part for i, part in enumerate(bands(perceptual))}
    found = [
        (row.id, row.case_id, apart)
        for row in tx.execute(_PERHAPS_ALIKE, asked)
        if (apart := hamming(perceptual, row.perceptual_hash)) <= NEAR_BITS
    ]
    for other_id, _, apart in found:
        for one, two in ((photo_id, other_id), (other_id, photo_id)):
            row = {"photo_id": one, "other_photo_id": two, "bits_apart": apart, "noticed_at": clock.now()}
            database.insert_once(tx, same_photo_warnings, row)
    return sorted({(other_case, other_id) for other_id, other_case, _ in found if other_case != case_id})


def photos_alike(photo_ids: Sequence[str] | Select[tuple[str]] | BindParameter[Sequence[str]]) -> Subquery:
    """``photo_id``, one of these, and ``other_photo_id``, another subject's: the same photograph by the warnings given
    here, or by what the trainer found. Each pair is there from both sides.
    """
    warnings, mine, other = same_photo_warnings, same_photo_members.alias(), same_photo_members.alias()
    me, them = people_on_photos(), people_on_photos()
    warned = select(warnings.c.photo_id, warnings.c.other_photo_id).where(warnings.c.photo_id.in_(photo_ids))
    found = (
        select(mine.c.photo_id, other.c.photo_id.label("other_photo_id"))
        .join(other, (mine.c.snapshot_digest == other.c.snapshot_digest) & (mine.c.number == other.c.number))
        .join(me, me.c.photo_id == mine.c.photo_id)
        .join(them, them.c.photo_id == other.c.photo_id)
        .where(mine.c.photo_id.in_(photo_ids), me.c.person != them.c.person)
    )
    return warned.union(found).subquery()


def people_on_photos() -> Subquery:
    """``photo_id``, ``case_id``, and the ``person``, who is known by site and code (neither holds a space)."""
    person = (cases.c.site + " " + cases.c.subject_code).label("person")
    return select(photos.c.id.label("photo_id"), photos.c.case_id, person).join(cases).subquery()


def same_photo_cases(connection: Connection, photo_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """For each of these photos the cases of other subjects that hold the same photograph, each with its site."""
    found: dict[str, list[tuple[str, str]]] = {photo_id: [] for photo_id in photo_ids}
    for row in connection.execute(_SAME_PHOTO_CASES, {"photo_ids": photo_ids}):
        found[row.photo_id].append((row.case_id, row.site))
    return found


# Built once: every photo that arrives asks these.
_MINE, _MY_SITE = cases.alias(), sites.alias()


def _mine(column: ColumnElement[Any]) -> ScalarSelect[Any]:
    """What stands of the photo's own case and its site."""
    mine = _MINE.join(_MY_SITE, _MY_SITE.c.code == _MINE.c.site)
    return select(column).select_from(mine).where(_MINE.c.id == bindparam("case")).scalar_subquery()


_BANDS = [photos.c[f"band{i}"] == bindparam(f"part{i}") for i in range(NEAR_BITS + 1)]
_PERHAPS_ALIKE = (
    select(photos.c.id, photos.c.case_id, photos.c.perceptual_hash)
    .join(cases, cases.c.id == photos.c.case_id)
    .join(sites, sites.c.code == cases.c.site)
    .where(or_(*_BANDS), photos.c.id != bindparam("photo"))
    .where((cases.c.site != _mine(_MINE.c.site)) | (cases.c.subject_code != _mine(_MINE.c.subject_code)))
    .where(sites.c.practice == _mine(_MY_SITE.c.practice))
)
_ALIKE = photos_alike(bindparam("photo_ids", expanding=True))
_SAME_PHOTO_CASES = (
    select(_ALIKE.c.photo_id, photos.c.case_id, cases.c.site)
    .join(photos, photos.c.id == _ALIKE.c.other_photo_id)
    .join(cases, cases.c.id == photos.c.case_id)
    .distinct()
    .order_by(photos.c.case_id)
)
