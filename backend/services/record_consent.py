"""Somebody gives consent later, or withdraws it: each statement is kept, and what follows from it follows at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from backend.db.engine import Database
from backend.db.tables import cases, consents, photos
from backend.services.audit import write_audit
from backend.services.derive_label import derive_label
from backend.services.receive_photo import discard_context, discard_uploads
from backend.services.records import ContentDiffers, case_row, note_change
from backend.services.standing_consents import first_withdrawn, standing_consents
from pallor.clock import Clock, utc_text
from pallor.consent import Consent, Purpose, given_from, withdrawn_from


def record_consent(
    database: Database,
    clock: Clock,
    case_id: str,
    consent_id: str,
    purpose: Purpose,
    said: Consent,
    table: str,
    *,
    given: bool,
    by: str,
) -> bool:
    """Record one statement; True when it is new, False when it was here already.

    Given, it speaks for this visit. Withdrawn, it speaks for the person: for every visit under the same code at this
    site. Their labels follow, and photos that had not fully arrived are dropped when care is no longer consented to.

    Raises:
        NotFound, CaseErased, ContentDiffers
    """
    with database.write() as tx:
        return record_statement(database, tx, clock, case_id, consent_id, purpose, said, table, given=given, by=by)


def record_statement(
    database: Database,
    tx: Connection,
    clock: Clock,
    case_id: str,
    consent_id: str,
    purpose: Purpose,
    said: Consent,
    table: str,
    *,
    given: bool,
    by: str,
) -> bool:
    """``record_consent`` in a transaction that records more."""
    case, now = case_row(tx, case_id), clock.now()
    content = {"case_id": case_id, "purpose": purpose.value, "given": given, "at": said.at, "wording": said.wording}
    row = {
        **content,
        "id": consent_id,
        "site": case.site,
        "subject_code": case.subject_code,
        "counts_from": (
            given_from(said.at, now, withdrawn=first_withdrawn(tx, case.site, case.subject_code))
            if given
            else withdrawn_from(said.at, now, given=_given_at(tx, case_id))
        ),
        "recorded_at": now,
        "recorded_by": by,
    }
    if not database.insert_once(tx, consents, row):
        _check_same(tx, consent_id, content)
        return False
    action = "consent.give" if given else "consent.withdraw"
    new = {**content, "at": utc_text(said.at)}
    write_audit(tx, clock, by, action, consent_id, case_id=case_id, new=new)
    for affected in [case_id] if given else _visits_of(tx, case):
        note_change(tx, clock, "consent", consent_id, affected)
        standing = standing_consents(tx, [affected])[affected]
        if not standing[Purpose.CARE].given:
            discard_uploads(database, tx, clock, photos.c.case_id == affected)
        if not standing[Purpose.TRAINING].given:
            discard_context(database, tx, clock, affected, by=by)
        derive_label(tx, clock, affected, table, by=by)
    return True


def show_statement(database: Database, consent_id: str) -> Row[Any]:
    """A statement that is on record."""
    with database.read() as connection:
        return connection.execute(select(consents).where(consents.c.id == consent_id)).one()


def _given_at(tx: Connection, case_id: str) -> datetime:
    """From when all that was first consented to at a visit counts; care is consented to at every visit."""
    yes = (consents.c.case_id == case_id) & consents.c.given
    first = select(func.min(consents.c.counts_from)).where(yes).group_by(consents.c.purpose)
    latest: datetime = max(tx.execute(first).scalars())
    return latest


def _visits_of(tx: Connection, case: Row[Any]) -> list[str]:
    same_person = (cases.c.site == case.site) & (cases.c.subject_code == case.subject_code)
    return list(tx.execute(select(cases.c.id).where(same_person).order_by(cases.c.received_at)).scalars())


def _check_same(tx: Connection, consent_id: str, content: dict[str, Any]) -> None:
    there = tx.execute(select(consents).where(consents.c.id == consent_id)).one()._mapping
    if differing := [name for name, value in content.items() if there[name] != value]:
        raise ContentDiffers("consent_id", consent_id, differing)
