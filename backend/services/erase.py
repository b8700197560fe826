"""Erasing: every row of some cases, every value of theirs on the audit trail, and every object, so that only the fact
that something was erased remains.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, update

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import (
    alerts,
    amendments,
    audit,
    audit_values,
    cases,
    changes,
    consents,
    erasures,
    follow_ups,
    lab_report_sites,
    lab_reports,
    lab_results,
    lab_retractions,
    labels,
    object_deletions,
    photos,
    predictions,
    same_photo_members,
    same_photo_warnings,
    sealed,
    sealed_pieces,
    snapshot_cases,
    snapshots,
    tombstones,
    upload_pieces,
)
from backend.services.audit import ERASED_VALUES, ERASURE, write_audit
from backend.services.derive_label import derive_label, label_key
from backend.services.learned_from import learned_from
from backend.services.manage_sites import check_sites
from backend.services.records import IdTaken, note_change
from backend.services.same_photo import photos_alike
from backend.services.send_back import delete_sent_back, sent_back_about
from backend.services.settle_waiting import delete_reports
from backend.services.specimen_barcode import plain
from backend.services.take_away import ask_to_take_away, oldest_claim
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.snapshot import snapshot_key
from pallor.store.port import image_key


class SubjectUnknown(Refused):
    """Nothing is on record under this code."""


def erase_subject(
    database: Database, clock: Clock, erasure_id: str, site: str, subject_code: str, cause: str, table: str, *, by: str
) -> bool:
    """Erase every visit of a person at a site; True when it was done now, False when this erasure is on record.

    Raises:
        SiteUnknown, SubjectUnknown
        IdTaken: this erasure was asked for at another site, or for another reason.
    """
    theirs = (cases.c.site == site) & (cases.c.subject_code == subject_code.upper())
    put_aside = (sealed.c.site == site) & (sealed.c.subject_code == subject_code.upper())
    with database.write() as tx:
        there = tx.execute(select(erasures).where(erasures.c.id == erasure_id)).first()
        if there is not None:  # of whom it was is not known any more; what is known must agree
            if (there.site, there.cause) != (site, cause):
                raise IdTaken("erasure_id", erasure_id)
            return False
        check_sites(tx, frozenset({site}), "site")
        case_ids = list(tx.execute(select(cases.c.id).where(theirs)).scalars())
        case_ids += _never_taken_in(tx, put_aside)
        if not case_ids and tx.execute(select(sealed.c.id).where(put_aside)).first() is None:
            raise SubjectUnknown(
                "nothing is on record under this code at this site", field="subject_code", value="(not repeated)",
                remedy="Check the code and the site; what was erased before stays erased.",
            )  # fmt: skip
        erase_cases(database, tx, clock, erasure_id, site, case_ids, cause, table, by=by)
        _erase_sealed(tx, put_aside)
        return True


def erase_cases(
    database: Database,
    tx: Connection,
    clock: Clock,
    erasure_id: str,
    site: str,
    case_ids: Sequence[str],
    cause: str,
    table: str,
    *,
    by: str,
) -> None:
    """Erase these cases of one site; their objects and what lingers in the database's files go in the sweeper's round.

    ``cause``: withdrawn | request | retention | mistake.
    """
    now = clock.now()
    theirs = select(photos.c.id).where(photos.c.case_id.in_(case_ids))
    alike = _cases_warned_by(tx, case_ids)
    snapshots_hit = _mark_snapshots(tx, now, case_ids)
    ask_to_take_away(database, tx, now, _keys(tx, case_ids) + [snapshot_key(digest) for digest in snapshots_hit])
    erased = {
        "site": site,
        "cause": cause,
        "cases": len(case_ids),
        "photos": tx.execute(select(func.count()).where(photos.c.case_id.in_(case_ids))).scalar_one(),
        "snapshots": snapshots_hit,
        "releases": learned_from(tx, snapshots_hit),
    }
    tx.execute(erasures.insert().values(erased | {"id": erasure_id, "asked_at": now, "asked_by": by}))
    _hand_on_withdrawals(tx, case_ids)
    for rows in (upload_pieces, predictions, same_photo_members):
        tx.execute(delete(rows).where(rows.c.photo_id.in_(theirs)))
    warnings = same_photo_warnings
    tx.execute(delete(warnings).where(warnings.c.photo_id.in_(theirs) | warnings.c.other_photo_id.in_(theirs)))
    delete_reports(tx, _reports_of(tx, site, case_ids))
    delete_sent_back(tx, sent_back_about(case_ids, _tubes_of(tx, case_ids)))
    _erase_sealed(tx, sealed.c.case_id.in_(case_ids))
    for rows in (photos, labels, follow_ups, alerts, lab_retractions, lab_results, amendments, consents, changes):
        tx.execute(delete(rows).where(rows.c.case_id.in_(case_ids)))
    tx.execute(delete(cases).where(cases.c.id.in_(case_ids)))
    of_theirs = audit_values.c.seq.in_(select(audit.c.seq).where(audit.c.case_id.in_(case_ids)))
    seqs = sorted(tx.execute(select(audit_values.c.seq).where(of_theirs)).scalars())
    tx.execute(delete(audit_values).where(of_theirs))
    for case_id in case_ids:
        database.insert_once(tx, tombstones, {"case_id": case_id, "site": site, "erasure_id": erasure_id})
        news = {"kind": "erased", "entity_id": case_id, "case_id": case_id, "site": site, "at": now}
        tx.execute(changes.insert().values(news))
    write_audit(tx, clock, by, ERASURE, erasure_id, new=erased | {ERASED_VALUES: seqs})
    for case_id, photo_id in alike:
        note_change(tx, clock, "photo", photo_id, case_id)
        derive_label(tx, clock, case_id, table, by=by)


def finish_erasures(database: Database, clock: Clock, nothing_queued: Callable[[], bool]) -> int:
    """Once the objects of an erasure have gone, take what lingers out of the database's files; how many are done.

    While somebody's reading holds those files, or a queue holds messages, or somebody was storing an object already
    when the erasure was asked for, which may all be about whoever was erased, nothing is done, and the next round tries
    again.
    """
    left = select(object_deletions.c.key).where(object_deletions.c.asked_at <= erasures.c.asked_at).exists()
    waiting = select(erasures.c.id, erasures.c.asked_at).where(erasures.c.done_at.is_(None), ~left)
    with database.read() as connection:
        storing_since = oldest_claim(connection)
        ready = [row.id for row in connection.execute(waiting) if storing_since is None or row.asked_at < storing_since]
    if not ready or not nothing_queued() or not database.scrub():
        return 0
    with database.write() as tx:
        tx.execute(update(erasures).where(erasures.c.id.in_(ready)).values(done_at=clock.now()))
    return len(ready)


def show_erasure(database: Database, erasure_id: str) -> Row[Any]:
    """An erasure that is on record."""
    with database.read() as connection:
        return connection.execute(select(erasures).where(erasures.c.id == erasure_id)).one()


def list_erasures(database: Database, limit: int, after: tuple[Any, str] | None) -> list[Row[Any]]:
    """Erasures, newest first, from the one after ``after`` (its moment and id) on."""
    key = (erasures.c.asked_at, erasures.c.id)
    query = select(erasures).order_by(*(column.desc() for column in key)).limit(limit)
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def _reports_of(tx: Connection, site: str, case_ids: Sequence[str]) -> list[str]:
    """Lines of laboratories' reports about these cases, and those that were not matched and may be about them."""
    going = tx.execute(select(cases.c.specimen_barcode, cases.c.subject_code).where(cases.c.id.in_(case_ids))).all()
    codes = select(lab_report_sites.c.report_id).where(lab_report_sites.c.site == site)
    theirs = or_(
        lab_reports.c.case_id.in_(case_ids),
        lab_reports.c.named_case_id.in_(case_ids),
        lab_reports.c.barcode.in_({plain(row.specimen_barcode) for row in going if row.specimen_barcode}),
        lab_reports.c.subject_code.in_({row.subject_code for row in going}) & lab_reports.c.id.in_(codes),
    )
    return list(tx.execute(select(lab_reports.c.id).where(theirs)).scalars())


def _tubes_of(tx: Connection, case_ids: Sequence[str]) -> list[str]:
    tubes = select(cases.c.specimen_barcode).where(cases.c.id.in_(case_ids), cases.c.specimen_barcode.is_not(None))
    return [plain(tube) for tube in tx.execute(tubes).scalars()]


def _never_taken_in(tx: Connection, put_aside: ColumnElement[bool]) -> list[str]:
    """Cases that came sealed, were refused and are on record nowhere: they must not come back by being sent again."""
    known = select(cases.c.id).where(cases.c.id == sealed.c.case_id).exists()
    query = select(sealed.c.case_id).where(put_aside, sealed.c.case_id.is_not(None), ~known).distinct()
    return list(tx.execute(query.order_by(sealed.c.case_id)).scalars())


def _erase_sealed(tx: Connection, which: ColumnElement[bool]) -> None:
    tx.execute(delete(sealed_pieces).where(sealed_pieces.c.submission_id.in_(select(sealed.c.id).where(which))))
    tx.execute(delete(sealed).where(which))


def _cases_warned_by(tx: Connection, case_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Cases that stay, and their photos, that are held to be the same photograph as a photo that goes."""
    alike = photos_alike(select(photos.c.id).where(photos.c.case_id.in_(case_ids)))
    query = (
        select(photos.c.case_id, photos.c.id)
        .join(alike, alike.c.other_photo_id == photos.c.id)
        .where(photos.c.case_id.not_in(case_ids))
        .distinct()
        .order_by(photos.c.case_id, photos.c.id)
    )
    return [(row.case_id, row.id) for row in tx.execute(query)]


def _keys(tx: Connection, case_ids: Sequence[str]) -> list[str]:
    """Every object that the cases may have: a label's also when it was not written yet, for it may be being written."""
    stored = select(photos.c.stored_sha256).where(photos.c.case_id.in_(case_ids), photos.c.stored_sha256.is_not(None))
    derived = select(labels.c.id, labels.c.derived_at).where(labels.c.case_id.in_(case_ids))
    return [image_key(sha256) for sha256 in tx.execute(stored).scalars()] + [
        label_key(row.id, row.derived_at) for row in tx.execute(derived)
    ]


def _mark_snapshots(tx: Connection, now: Any, case_ids: Sequence[str]) -> list[str]:
    """Mark every snapshot that holds one of the cases as incomplete; their digests."""
    holding = select(snapshot_cases.c.snapshot_digest).where(snapshot_cases.c.case_id.in_(case_ids)).distinct()
    digests = sorted(tx.execute(holding).scalars())
    untouched = snapshots.c.digest.in_(digests) & snapshots.c.incomplete_since.is_(None)
    tx.execute(update(snapshots).where(untouched).values(incomplete_since=now))
    return digests


def _hand_on_withdrawals(tx: Connection, case_ids: Sequence[str]) -> None:
    """Let a withdrawal that was recorded at a visit that goes hold on for the person's visits that stay."""
    going = select(consents).where(consents.c.case_id.in_(case_ids), ~consents.c.given)
    for row in tx.execute(going).all():
        same_person = (cases.c.site == row.site) & (cases.c.subject_code == row.subject_code)
        staying = (
            select(cases.c.id).where(same_person, cases.c.id.not_in(case_ids)).order_by(cases.c.received_at.desc())
        )
        if heir := tx.execute(staying).scalar():
            tx.execute(update(consents).where(consents.c.id == row.id).values(case_id=heir))
