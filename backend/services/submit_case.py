"""A case arrives: once, however often it is sent."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from backend.db.engine import Database
from backend.db.tables import amendments, cases, consents, sites
from backend.services.audit import Entry, write_audits
from backend.services.records import ContentDiffers, IdTaken, case_row, check_not_erased, note_changes
from backend.services.standing_consents import first_withdrawn
from pallor.case import Case, differences
from pallor.clock import Clock
from pallor.consent import given_from
from pallor.errors import Refused
from pallor.ids import new_id


class SiteNotYours(Refused):
    """Cases are submitted for the sites one belongs to."""


def submit_case(database: Database, clock: Clock, case: Case, *, within: frozenset[str] | None, by: str) -> bool:
    """Record a case; True when it is new, False when it was here already with the same facts.

    Args:
        within: the sites of whoever submits it, None: every site.

    Raises:
        SiteNotYours: ``case.site`` is none of them.
        ContentDiffers: the id is on record with other facts.
        IdTaken: it is on record at a site beyond these.
        CaseErased: it was on record, and is not to come back.
    """
    with database.write() as tx:
        entry = record_case(database, tx, clock, case, within=within, by=by)
        if entry is not None:
            note_changes(tx, clock, [("case", case.id, case.id)])
            write_audits(tx, clock, by, [entry])
        return entry is not None


def record_case(
    database: Database, tx: Connection, clock: Clock, case: Case, *, within: frozenset[str] | None, by: str
) -> Entry | None:
    """``submit_case`` in a transaction that records more, which tells feed and trail of everything at once: what the
    trail is to hold of a case that is new; None for one that was here already.
    """
    row = {
        "id": case.id,
        "site": case.site,
        "subject_code": case.subject_code,
        "facts": case.to_json(),
        "specimen_barcode": case.specimen_barcode,
        "submitted_digest": case.digest(),
        "received_at": clock.now(),
        "received_by": by,
    }
    check_own_site(tx, case.site, within)
    if check_not_erased(tx, case.id, within):
        raise IdTaken("case_id", case.id)
    if database.insert_once(tx, cases, row):
        _record_consents(tx, case, row)
        return Entry("case.submit", case.id, case.id, new=case.to_json())
    there = case_row(tx, case.id)
    if within is not None and there.site not in within:  # nothing of another site's case is told
        raise IdTaken("case_id", case.id)
    # An amended case keeps the digest of what was submitted, so the phone's late repeat is still the same case.
    if there.submitted_digest != case.digest():
        raise ContentDiffers("case_id", case.id, differences(_submitted(tx, there), case.to_json()))
    return None


def _record_consents(tx: Connection, case: Case, row: dict[str, Any]) -> None:
    who = {"case_id": case.id, "site": case.site, "subject_code": case.subject_code, "recorded_by": row["received_by"]}
    withdrawn = first_withdrawn(tx, case.site, case.subject_code)
    given = []
    for purpose, consent in case.consent.given().items():
        said = {"purpose": purpose.value, "given": True, "at": consent.at, "wording": consent.wording}
        moment = given_from(consent.at, row["received_at"], withdrawn=withdrawn)
        stamp = {"id": new_id(), "counts_from": moment, "recorded_at": row["received_at"]}
        given.append(said | who | stamp)
    tx.execute(_GIVEN, given)


def check_own_site(connection: Connection, site: str, within: frozenset[str] | None) -> None:
    """Raise ``SiteNotYours`` for a site that is not among ``within``, which all are there: a site never goes."""
    known = connection.execute(_SITE, {"site": site}).scalar() is not None if within is None else site in within
    if not known:
        raise SiteNotYours(
            "not one of your sites", field="site", value=site,
            remedy="Use the code of a site you belong to (GET /api/v1/session lists them), or ask an administrator.",
        )  # fmt: skip


# Built once: every case asks these.
_GIVEN = consents.insert()
_SITE = select(sites.c.code).where(sites.c.code == bindparam("site"))


def _submitted(tx: Connection, there: Row[Any]) -> dict[str, Any]:
    """The facts as they first came: those before the first amendment."""
    first = select(amendments.c.before).where(amendments.c.case_id == there.id).order_by(amendments.c.made_at).limit(1)
    facts: dict[str, Any] = tx.execute(first).scalar() or there.facts
    return facts
