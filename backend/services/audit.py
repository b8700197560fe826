"""The audit trail: who changed what, when, from what to what and why; a chain of digests in which a hand shows.

What changed lies in a table of its own under a salted digest: erasing it, and the salt with it, leaves the chain whole
and tells nothing. Which rows lost it stands in the row of the erasure: values that are missing without one were taken.
"""

import secrets
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, select, update

from backend.access.actor import parts_of
from backend.db.engine import Database
from backend.db.tables import audit, audit_head, audit_values
from pallor.clock import Clock, utc_text
from pallor.digest import digest_of
from pallor.errors import Untrusted

ERASURE = "subject.erase"  # the action whose row says which values are gone ...
ERASED_VALUES = "erased_values_of"  # ... under this name: the numbers of their rows

_BEGINNING = digest_of("the beginning of the audit trail")


class AuditBroken(Untrusted):
    """A row of the trail was changed, taken out or put in by hand; the message names it."""


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
    head = tx.execute(select(audit_head)).first()
    salt = secrets.token_hex(32)
    content = {"old": old, "new": new, "reason": reason}
    row = {
        "seq": head.seq + 1 if head else 1,
        "at": clock.now(),
        "actor": actor,
        "action": action,
        "entity_id": entity_id,
        "case_id": case_id,
        "values_digest": digest_of({"salt": salt, **content}),
        "previous": head.digest if head else _BEGINNING,
    }
    digest = _digest(row)
    tx.execute(audit.insert().values(row | {"digest": digest}))
    tx.execute(audit_values.insert().values(seq=row["seq"], salt=salt, content=content))
    tip = {"seq": row["seq"], "digest": digest}
    tx.execute(update(audit_head).values(tip) if head else audit_head.insert().values(id=1, **tip))


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
        with _rows(connection) as rows:
            for row in rows:
                _check(row, seq + 1, previous)
                seq, previous = row.seq, row.digest
                found = found or (seq, previous) == noted
                if row.salt is None:
                    missing.add(seq)
                if row.action == ERASURE:
                    missing -= _erased_by(row, missing)
        heads = [(head.seq, head.digest) for head in connection.execute(select(audit_head))]
    _check_end(heads, seq, previous)
    if missing:
        raise AuditBroken(f"what row {min(missing)} says was changed is gone, and no erasure on the trail took it")
    if noted is not None and not found:
        raise AuditBroken(f"row {noted[0]} is not the one that was noted: the trail was written anew, or put back")
    return seq, previous


def export_audit(database: Database) -> Iterator[dict[str, Any]]:
    """Every row with what changed, ``None`` where that was erased; ``actor`` as the digest has it, and its parts."""
    with database.read() as connection, _rows(connection) as rows:
        for row in rows:
            person, device = parts_of(row.actor)
            yield {**row._mapping, "at": utc_text(row.at), "person": person, "device": device}


def _rows(connection: Connection) -> CursorResult[Any]:
    """The trail, a piece at a time: it grows for ever."""
    joined = select(audit, audit_values.c.salt, audit_values.c.content).outerjoin(audit_values).order_by(audit.c.seq)
    return connection.execution_options(yield_per=1000).execute(joined)


def _check(row: Row[Any], seq: int, previous: str) -> None:
    if row.seq != seq:
        raise AuditBroken(f"row {seq} is missing, row {row.seq} follows row {seq - 1}")
    if row.previous != previous:
        raise AuditBroken(f"row {seq} does not follow from row {seq - 1}: one of them was put in by hand")
    if row.digest != _digest({c.name: row._mapping[c.name] for c in audit.columns if c.name != "digest"}):
        raise AuditBroken(f"row {seq} was changed by hand")
    if row.salt is not None and row.values_digest != _values_digest(row.salt, row.content):
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
    raise AuditBroken(f"the note of which row is the newest was changed by hand: the trail ends at row {seq}")


def _values_digest(salt: str, content: Any) -> str | None:
    if not isinstance(content, dict) or content.keys() != {"old", "new", "reason"}:
        return None  # never written so
    return digest_of({"salt": salt, **content})


def _digest(row: dict[str, Any]) -> str:
    return digest_of({**row, "at": row["at"].isoformat()})
