"""What was sent back to a laboratory, and why, is kept until somebody has looked after it: of the line itself nothing.

A machine's answer is read by nobody; a list is. The same line refused again is counted, not listed again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, or_, select, update

from backend.db.engine import Database
from backend.db.paging import past_falling
from backend.db.tables import lab_sent_back, lab_sent_back_sites
from backend.services.audit import write_audit
from backend.services.receive_report import Sender
from backend.services.specimen_barcode import BarcodeUnfit, check_barcode
from pallor.clock import Clock
from pallor.digest import digest_of
from pallor.ids import is_id, new_id

_KEPT = timedelta(days=92)  # as long as an early line waits for its case
_BATCH = 200


@dataclass(frozen=True)
class SentBack:
    """One line that was refused.

    ``way``: json | batch | fhir | hl7 | sheet. ``number``: of its row, item, entry or OBX. ``field``, ``reason`` and
    ``remedy`` are our words, never the sender's. ``barcode``, ``case_id``: only what is one for certain
    (``tube_in``, ``case_in``).
    """

    way: str
    number: int | None
    code: str
    field: str
    reason: str
    remedy: str
    barcode: str | None = None
    case_id: str | None = None


def send_back(database: Database, clock: Clock, sender: Sender, lines: Sequence[SentBack]) -> None:
    """Keep these lines for the laboratory's list; one that was refused before, and not looked after, is counted."""
    if not lines:
        return
    with database.write() as tx:
        for line in lines:
            _keep(tx, clock.now(), sender, line)


def tube_in(said: object) -> str | None:
    """A specimen's number, if what was said is one; any other text may be a name."""
    try:
        return check_barcode(said) if isinstance(said, str) else None
    except BarcodeUnfit:
        return None


def case_in(said: object) -> str | None:
    """A case's id, if what was said can be one."""
    return said if isinstance(said, str) and is_id(said) else None


def list_sent_back(
    database: Database, limit: int, after: tuple[datetime, str] | None, *, looked_after: bool,
    within: frozenset[str] | None,
) -> list[Row[Any]]:  # fmt: skip
    """Lines that were sent back to senders of these sites (None: all), the newest first."""
    key = (lab_sent_back.c.last_at, lab_sent_back.c.id)
    seen = lab_sent_back.c.looked_after_at
    query = select(lab_sent_back).where(seen.is_not(None) if looked_after else seen.is_(None))
    query = query.order_by(*(column.desc() for column in key)).limit(limit)
    if within is not None:
        here = select(lab_sent_back_sites.c.sent_back_id).where(lab_sent_back_sites.c.site.in_(within))
        query = query.where(lab_sent_back.c.id.in_(here))
    if after is not None:
        query = query.where(past_falling(key, after))
    with database.read() as connection:
        return list(connection.execute(query))


def look_after(database: Database, clock: Clock, sent_back_id: str, *, by: str) -> Row[Any]:
    """Note that somebody has looked after a line, once; the line."""
    there = select(lab_sent_back).where(lab_sent_back.c.id == sent_back_id)
    with database.write() as tx:
        row = tx.execute(there).one()
        if row.looked_after_at is None:
            seen = {"looked_after_at": clock.now(), "looked_after_by": by}
            tx.execute(update(lab_sent_back).where(lab_sent_back.c.id == sent_back_id).values(seen))
            said = {"code": row.code, "times": row.times}
            write_audit(tx, clock, by, "lab-sent-back.look-after", sent_back_id, case_id=row.case_id, old=said)
        return tx.execute(there).one()


def forget_sent_back(database: Database, clock: Clock) -> int:
    """Let go of what was sent back long ago; how many lines."""
    old = select(lab_sent_back.c.id).where(lab_sent_back.c.last_at < clock.now() - _KEPT).limit(_BATCH)
    with database.read() as connection:
        found = list(connection.execute(old).scalars())
    if found:
        with database.write() as tx:
            delete_sent_back(tx, lab_sent_back.c.id.in_(found))
    return len(found)


def delete_sent_back(tx: Connection, which: ColumnElement[bool]) -> None:
    """Delete lines, with all that was kept of them."""
    found = list(tx.execute(select(lab_sent_back.c.id).where(which)).scalars())
    tx.execute(delete(lab_sent_back_sites).where(lab_sent_back_sites.c.sent_back_id.in_(found)))
    tx.execute(delete(lab_sent_back).where(lab_sent_back.c.id.in_(found)))


def sent_back_about(case_ids: Sequence[str], barcodes: Sequence[str]) -> ColumnElement[bool]:
    """That a line named one of these cases or tubes."""
    return or_(lab_sent_back.c.case_id.in_(case_ids), lab_sent_back.c.barcode.in_(barcodes))


def _keep(tx: Connection, now: datetime, sender: Sender, line: SentBack) -> None:
    said = asdict(line) | {"sender": sender.name}
    digest = digest_of(said)
    again = (lab_sent_back.c.digest == digest) & lab_sent_back.c.looked_after_at.is_(None)
    counted = update(lab_sent_back).where(again).values(times=lab_sent_back.c.times + 1, last_at=now)
    if tx.execute(counted).rowcount:
        return
    row = said | {"id": new_id(), "digest": digest, "times": 1, "first_at": now, "last_at": now}
    tx.execute(lab_sent_back.insert().values(row))
    here = [{"sent_back_id": row["id"], "site": site} for site in sorted(sender.sites)]
    tx.execute(lab_sent_back_sites.insert(), here)
