"""The audit trail: who changed what, when, from what to what and why; a chain of digests in which a hand shows.

What changed lies in a table of its own under a salted digest: erasing it, and the salt with it, leaves the chain whole
and tells nothing. Which rows lost it stands in the row of the erasure: values that are missing without one were taken.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, cast, func, select, update
from sqlalchemy.exc import DBAPIError

from backend.access.actor import parts_of
from backend.db.engine import Database
from backend.db.tables import audit, audit_head, audit_values
from pallor.clock import Clock, utc_text
from pallor.digest import canonical_json, digest_of
from pallor.errors import Untrusted

ERASURE = "subject.erase"  # the action whose row says which values are gone ...
ERASED_VALUES = "erased_values_of"  # ... under this name: the numbers of their rows

# What the hand of somebody who is not this program leaves where SQLite takes anything: no moment, no JSON, no text.
_UNREADABLE = (ValueError, TypeError, LookupError, RecursionError, DBAPIError)

# Built once: whatever changes anything runs these.
_HEAD, _MOVE_HEAD = select(audit_head), update(audit_head)
_APPEND, _APPEND_VALUES = audit.insert(), audit_values.insert()

_BEGINNING = digest_of("the beginning of the audit trail")
_NOTE_CHANGED = "the note of which row is the newest was changed by hand"


class AuditBroken(Untrusted):
    """A row of the trail was changed, taken out or put in by hand; the message names it."""


@dataclass(frozen=True)
class Entry:
    """One row to be: what was done to what, such as ``case.amend``; JSON values before and after."""

    action: str
    entity_id: str
    case_id: str | None = None
    old: Any = None
    new: Any = None
    reason: str | None = None


def write_audit(
    tx: Connection,
    clock: Clock,
    actor: str,
    action: str,
    entity_id: str,
    *,
    case_id: str | None = None,
    old: Any = None,
    new: Any = None,
    reason: str | None = None,
) -> None:
    """Append one row, in the transaction of the change itself: both are on record, or neither.

    Args:
        actor: of whoever acted, as ``backend.access.actor`` writes it.
        action: what was done to what, such as ``case.amend``.
        old, new: JSON values before and after.
    """
    write_audits(tx, clock, actor, [Entry(action, entity_id, case_id, old, new, reason)])


def write_audits(tx: Connection, clock: Clock, actor: str, entries: Sequence[Entry]) -> None:
    """Append a row for each, in their order; ``write_audit`` for what many changed at once."""
    if not entries:
        return
    head = tx.execute(_HEAD).first()
    seq, previous = (head.seq, head.digest) if head else (0, _BEGINNING)
    rows, values = [], []
    for entry in entries:
        salt = secrets.token_hex(32)
        content = {"old": entry.old, "new": entry.new, "reason": entry.reason}
        seq += 1
        row = {
            "seq": seq,
            "at": clock.now(),
            "actor": actor,
            "action": entry.action,
            "entity_id": entry.entity_id,
            "case_id": entry.case_id,
            "values_digest": digest_of({"salt": salt, **content}),
            "previous": previous,
        }
        previous = _digest(row)
        rows.append(row | {"digest": previous})
        values.append({"seq": seq, "salt": salt, "content": content})
    tx.execute(_APPEND, rows)
    tx.execute(_APPEND_VALUES, values)
    tip = {"seq": seq, "digest": previous}
    tx.execute(_MOVE_HEAD, tip) if head else tx.execute(audit_head.insert(), {"id": 1, **tip})


def verify_audit(database: Database, noted: tuple[int, str] | None = None) -> tuple[int, str]:
    """Walk the whole trail: how many rows it has, and its newest digest, to be noted elsewhere.

    Args:
        noted: what this gave some time ago. Whoever writes the whole trail anew cannot know it.

    Raises:
        AuditBroken: naming the first row that is not what was written.
    """
    seq, previous = 0, _BEGINNING
    missing: set[int] = set()  # rows whose values are gone, until an erasure says that it took them
    found = noted is None or noted == (seq, previous)
    with database.read() as connection:
        for row in read_trail(connection, _trail(cast(audit_values.c.content, Text).label("spelled"))):
            with _named(row.seq):
                _check(row, seq + 1, previous)
                seq, previous = row.seq, row.digest
                found = found or (seq, previous) == noted
                if row.salt is None:
                    missing.add(seq)
                if row.action == ERASURE:
                    missing -= _erased_by(row, missing)
        with _translated(f"{_NOTE_CHANGED}, it cannot be read"):
            heads = [(head.seq, head.digest) for head in connection.execute(select(audit_head))]
        alone = connection.scalar(
            select(func.min(audit_values.c.seq)).outerjoin_from(audit_values, audit).where(audit.c.seq.is_(None))
        )
    _check_end(heads, seq, previous)
    if alone is not None:
        raise AuditBroken(f"what row {alone} would say was changed was put in by hand: there is no row {alone}")
    if missing:
        raise AuditBroken(f"what row {min(missing)} says was changed is gone, and no erasure on the trail took it")
    if noted is not None and noted[0] > seq:
        raise AuditBroken(f"row {noted[0]} was noted, and there are only {seq} rows: the trail was cut, or put back")
    if noted is not None and not found:
        raise AuditBroken(f"row {noted[0]} is not the one that was noted: the trail was written anew, or put back")
    return seq, previous


def export_audit(database: Database) -> Iterator[dict[str, Any]]:
    """Every row with what changed, ``None`` where that was erased; ``actor`` as the digest has it, and its parts."""
    with database.read() as connection:
        for row in read_trail(connection, _trail()):
            check_readable(row)
            person, device, claimed = parts_of(row.actor)
            yield {**row._mapping, "at": utc_text(row.at), "person": person, "device": device, "claimed": claimed}


def erased_rows(database: Database) -> int:
    """How many rows lost what they said was changed; after ``verify_audit``, to erasures alone."""
    with database.read() as connection:
        return connection.execute(
            _trail().order_by(None).with_only_columns(func.count()).where(audit_values.c.seq.is_(None))
        ).scalar_one()


def read_trail(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    """What a query over the trail finds, a piece at a time: it grows for ever. The query is in the trail's order.

    Raises:
        AuditBroken: naming the row that cannot be read.
    """
    last = None
    try:
        with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
            for row in rows:
                yield row
                last = row.seq
    except _UNREADABLE:  # somewhere in a piece: one by one, what comes before it is still read
        rest = query if last is None else query.where(audit.c.seq > last)
        for seq in connection.scalars(rest.with_only_columns(audit.c.seq)).all():
            with _named(seq):
                yield connection.execute(query.where(audit.c.seq == seq)).one()


def check_readable(row: Row[Any]) -> None:
    """Raise ``AuditBroken`` for a row that holds what no JSON can show."""
    with _named(row.seq):
        canonical_json({**row._mapping, "at": utc_text(row.at), "actor": parts_of(row.actor)})


def _trail(*more: Any) -> Select[Any]:
    columns = (audit, audit_values.c.salt, audit_values.c.content, *more)
    return select(*columns).outerjoin(audit_values).order_by(audit.c.seq)


def _check(row: Row[Any], seq: int, previous: str) -> None:
    if row.seq != seq:
        raise AuditBroken(f"row {seq} is missing, row {row.seq} follows row {seq - 1}")
    if row.previous != previous:
        raise AuditBroken(f"row {seq} does not follow from row {seq - 1}: one of them was put in by hand")
    if row.digest != _digest({c.name: row._mapping[c.name] for c in audit.columns if c.name != "digest"}):
        raise AuditBroken(f"row {seq} was changed by hand")
    told = row.values_digest == _values_digest(row.salt, row.content)
    if row.salt is not None and not (told and row.spelled == json.dumps(row.content)):  # a key said twice is read once
        raise AuditBroken(f"what row {seq} says was changed was itself changed by hand")


def _erased_by(row: Row[Any], missing: set[int]) -> set[int]:
    """The rows whose values this erasure took."""
    if row.salt is None:
        raise AuditBroken(f"what row {row.seq} says was erased is gone, and that is never erased")
    erased = set(row.content["new"][ERASED_VALUES])
    if there := erased - missing:
        raise AuditBroken(f"what row {min(there)} says was changed is here, and row {row.seq} says it was erased")
    return erased


def _check_end(heads: list[tuple[int, str]], seq: int, digest: str) -> None:
    if heads == ([(seq, digest)] if seq else []):
        return
    noted = max((number for number, _ in heads), default=0)
    if noted > seq:
        raise AuditBroken(
            f"the trail ends at row {seq}, row {noted} was noted as the newest: rows are missing at its end"
        )
    raise AuditBroken(f"{_NOTE_CHANGED}: the trail ends at row {seq}")


@contextmanager
def _named(seq: int) -> Iterator[None]:
    with _translated(f"row {seq} was changed by hand: it cannot be read"):
        yield


@contextmanager
def _translated(words: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        if isinstance(error, DBAPIError) and "decode" not in str(error.orig):
            raise  # the database does not answer
        raise AuditBroken(words) from None  # the error's own words hold what stands there


def _values_digest(salt: str, content: Any) -> str | None:
    if not isinstance(content, dict) or content.keys() != {"old", "new", "reason"}:
        return None  # never written so
    return digest_of({"salt": salt, **content})


def _digest(row: dict[str, Any]) -> str:
    return digest_of({**row, "at": row["at"].isoformat()})
