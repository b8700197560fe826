"""Every label that may teach a model now, frozen for the trainer: one line a photo, in the object store.

It is registered, and its object claimed, before it is stored: whoever is erased from then on finds the snapshot, marks
it and has its object taken away, also one that is yet to come (``take_away``). Whoever was erased before, while the
lines were read, has left a tombstone, which registering sees. So no line of an erased person stays unmarked.
"""

import hashlib
import hmac
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from backend.access.actor import parts_of
from backend.db.engine import Database
from backend.db.tables import cases, deployment, devices, labels, photos
from backend.services.audit import write_audit
from backend.services.derive_label import USABLE, derive_by_table, is_newest
from backend.services.register_snapshot import is_incomplete, register_snapshot
from backend.services.take_away import ask_to_take_away, begin_claims, end_claims
from pallor.clock import Clock, parse_utc, utc_text
from pallor.digest import hex_of
from pallor.eligibility import is_near
from pallor.errors import Refused, Unavailable
from pallor.snapshot import LabelledPhoto, digest_of_snapshot, snapshot_key, write_snapshot
from pallor.store.port import ObjectStore

_PSEUDONYM_DIGITS = 32


class NothingEligible(Refused):
    """No label may teach a model."""


class SnapshotOvertaken(Unavailable):
    """Somebody in it was erased while it was made."""


def export_snapshot(database: Database, store: ObjectStore, clock: Clock, table: str, *, by: str) -> tuple[str, bool]:
    """Freeze all eligible labels; the snapshot's digest, and whether it is new: the same labels are the same snapshot.

    Raises:
        NothingEligible, SnapshotOvertaken, StoreUnavailable
    """
    with database.write() as tx:
        derive_by_table(tx, clock, table, by=by)
    with database.read() as connection:
        lines = _lines(connection)
    if not lines:
        raise NothingEligible(
            "no label may teach a model", field="labels", value="0 eligible",
            remedy="Wait for laboratory values; GET /labels tells of each label why it is withheld.",
        )  # fmt: skip
    digest = digest_of_snapshot(lines)
    new, claims = _register(database, clock, digest, lines, by)
    write_snapshot(store, lines)
    with database.write() as tx:
        end_claims(tx, claims)
        overtaken = is_incomplete(tx, digest)
        if overtaken:
            ask_to_take_away(database, tx, clock.now(), [snapshot_key(digest)])
    if overtaken:
        raise _overtaken()
    return digest, new


def teachable_cases(connection: Connection) -> frozenset[str]:
    """The cases that a snapshot made now would hold."""
    return frozenset(line.case_id for line in _lines(connection))


def _register(
    database: Database, clock: Clock, digest: str, lines: list[LabelledPhoto], by: str
) -> tuple[bool, list[str]]:
    """Put on record what is about to be stored; whether it is new, and the claim on its object."""
    label_of = {line.case_id: line.label_id for line in lines}
    with database.write() as tx:
        new = register_snapshot(database, tx, clock, digest, label_of, len(lines), label_of=label_of, by=by)
        if is_incomplete(tx, digest):
            raise _overtaken()  # and nothing of it stays on record
        if new:
            said = {"photos": len(lines), "cases": len(label_of)}
            write_audit(tx, clock, by, "snapshot.export", hex_of(digest), new=said)
        return new, begin_claims(tx, clock.now(), snapshot_key(digest))


def _lines(connection: Connection) -> list[LabelledPhoto]:
    """A line for each photo, near enough the specimen, of each case whose newest label is eligible."""
    key = bytes.fromhex(connection.execute(select(deployment.c.pseudonym_key)).scalar_one())
    known = set(connection.execute(select(devices.c.name)).scalars())
    query: Select[Any] = (
        select(
            labels.c.id, labels.c.record, cases.c.subject_code, cases.c.site,
            photos.c.stored_sha256, photos.c.captured_at, photos.c.declared_by,
        )
        .join(cases, cases.c.id == labels.c.case_id)
        .join(photos, photos.c.case_id == cases.c.id)
        .where(labels.c.eligible, is_newest(), photos.c.state.in_(USABLE))
        .order_by(photos.c.received_at, photos.c.id)
    )  # fmt: skip
    found: dict[tuple[str, str], LabelledPhoto] = {}
    for row in connection.execute(query):
        # At 4 500 m a table may take away more than a dying patient has: no snapshot can say so.
        if is_near(row.captured_at, parse_utc(row.record["taken_at"])) and Decimal(row.record["adjusted_g_per_l"]) > 0:
            # A photo that was sent twice for one case is one line.
            found.setdefault((row.id, row.stored_sha256), _line(row, key, known))
    return list(found.values())


def _line(row: Row[Any], key: bytes, known_devices: set[str]) -> LabelledPhoto:
    record, (_, device, _) = row.record, parts_of(row.declared_by)
    return LabelledPhoto(
        photo=row.stored_sha256,
        case_id=record["case_id"],
        label_id=row.id,
        subject=_pseudonym(key, row.site, row.subject_code),
        site=row.site,
        device=device if device in known_devices else "",  # a browser is no device
        captured_at=utc_text(row.captured_at),
        age_months=record["subject"]["age_months"],
        sex=record["subject"]["sex"],
        hb_g_per_l=record["adjusted_g_per_l"],
        severity=record["severity"],
        anaemic=record["anaemic"],
        label_table=record["table"],
        world=record["world"],
        source="pallor",
    )


def _pseudonym(key: bytes, site: str, subject_code: str) -> str:
    """The same for every visit of a person; codes are short, so only the key keeps them from being guessed."""
    said = f"{site} {subject_code}".encode()
    return hmac.new(key, said, hashlib.sha256).hexdigest()[:_PSEUDONYM_DIGITS]


def _overtaken() -> SnapshotOvertaken:
    return SnapshotOvertaken("somebody in the snapshot was erased while it was made; ask for it again")
