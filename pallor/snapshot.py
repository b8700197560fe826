"""A snapshot: a frozen, labelled set of photos that a model may learn from, named by the digest of its own bytes.

It lies in the object store as ``snapshots/<hex>/cases.jsonl.gz``, one photo a line, canonical JSON, so that DuckDB and
Polars read it in place; the digest is over the uncompressed bytes. The photos lie where all photos lie, by their own
digests.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from pallor.clock import parse_utc
from pallor.digest import canonical_json, hex_of, sha256_of
from pallor.errors import Refused, Untrusted, shortened
from pallor.lab import MAX_G_PER_L, Hb
from pallor.label import Severity, can_be
from pallor.store.port import ObjectMissing, ObjectStore
from pallor.subject import Sex, Subject

# Each line holds digests and ids that nothing can pack: what unpacks to more than this is made to fill a memory.
_MOST_TIMES = 100


class SnapshotMissing(ObjectMissing):
    """It was never written into this store, or taken away because somebody in it was erased."""


class SnapshotBroken(Untrusted):
    """The bytes are not those that the digest names, or a line is not one of a snapshot."""


@dataclass(frozen=True)
class LabelledPhoto:
    """One line: a photo and the laboratory's word about the person on it.

    Attributes:
        photo: ``sha256:`` of the stored PNG, which is also where it lies.
        subject: a pseudonym, equal for the same person within one deployment and saying nothing else.
        hb_g_per_l: adjusted for altitude, decimal text; ``severity`` and ``anaemic`` follow from it by ``label_table``.
        captured_at: UTC text, empty where the source does not tell.
        device: what took the photo, empty where the source does not tell.
        source: where the line comes from and whom to credit: ``pallor`` | ``cp-anemic`` | ``synthetic``.
    """

    photo: str
    case_id: str
    label_id: str
    subject: str
    site: str
    device: str
    captured_at: str
    age_months: int
    sex: str
    hb_g_per_l: str
    severity: str
    anaemic: bool
    label_table: str
    world: str
    source: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a line back; raises ``TypeError`` or ``ValueError``."""
        kinds = {field.name: field.type for field in fields(cls)}
        if set(data) != set(kinds) or any(type(data[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("a line lacks a field, has one too many, or holds another kind of value")
        hex_of(data["photo"])
        if data["captured_at"]:
            parse_utc(data["captured_at"])
        if data["world"] not in ("real", "synthetic"):
            raise ValueError("a line names a world that cannot be")
        line = cls(**data)
        _check_label(line)
        return line


def digest_of_snapshot(lines: Iterable[LabelledPhoto]) -> str:
    """The name that these lines will have. The same lines in any order are the same snapshot."""
    return sha256_of(_spelled(lines))


def write_snapshot(store: ObjectStore, lines: Iterable[LabelledPhoto]) -> str:
    """Freeze some lines; the digest."""
    text = _spelled(lines)
    digest = sha256_of(text)
    store.put(snapshot_key(digest), gzip.compress(text, mtime=0))
    return digest


def read_snapshot(store: ObjectStore, digest: str) -> tuple[LabelledPhoto, ...]:
    """The lines of a snapshot.

    Raises:
        SnapshotMissing, SnapshotBroken
    """
    try:
        text = _unpacked(store.get(snapshot_key(digest)))
        if sha256_of(text) != digest:
            raise ValueError("its bytes have another digest")
        return tuple(LabelledPhoto.from_json(json.loads(line)) for line in text.splitlines())
    except ObjectMissing as error:
        raise SnapshotMissing(
            f"snapshot {digest} is not in this store: it was never written here, or was taken away because somebody in "
            "it was erased; export a new one"
        ) from error
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SnapshotBroken(f"snapshot {digest}: {error}") from error


def snapshot_key(digest: str) -> str:
    """Where a snapshot lies; raises ``ValueError`` for what is no digest."""
    return f"snapshots/{hex_of(digest)}/cases.jsonl.gz"


def _spelled(lines: Iterable[LabelledPhoto]) -> bytes:
    return b"".join(sorted(canonical_json(vars(line)) + b"\n" for line in lines))


def _unpacked(data: bytes) -> bytes:
    """What ``write_snapshot`` packed; raises ``ValueError`` or ``zlib.error``."""
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # of gzip
    text = unpacking.decompress(data, _MOST_TIMES * len(data) + 1)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("it is cut short, goes on behind its end, or unpacks to more than its lines can be")
    return text


def _check_label(line: LabelledPhoto) -> None:
    """Raise ``ValueError`` for a person or a label that cannot be: nobody has checked what another program wrote."""
    try:
        value = Decimal(line.hb_g_per_l)
        hb, subject = Hb(line.hb_g_per_l, "g/L", value), Subject(line.age_months, Sex(line.sex))
        severity = Severity(line.severity)
        if not (value.is_finite() and 0 < value <= MAX_G_PER_L):
            raise ValueError("nobody has this haemoglobin")
        if line.anaemic is not (severity is not Severity.NONE) or not can_be(severity, hb, subject, line.label_table):
            raise ValueError("the label does not follow from haemoglobin, age and sex")
    except (Refused, InvalidOperation, ValueError) as error:
        raise ValueError(f"case {shortened(line.case_id)}: {error}") from error
