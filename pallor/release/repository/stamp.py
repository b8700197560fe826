"""What is newest, signed by the online keys: a snapshot over all roles, and a timestamp over it, daily."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Snapshot

from pallor.release.repository.documents import issued_at, to_bytes
from pallor.release.repository.ledger import Repository, RepositoryMissing
from pallor.release.repository.roles import DELEGATED, LIFETIME, RESIGN_AFTER, ROOT, SNAPSHOT, TIMESTAMP, TOP


@dataclass(frozen=True)
class Stamped:
    """What was signed anew. ``due``: role and expiry of what people have to renew before long."""

    snapshot: bool
    timestamp: bool
    due: tuple[tuple[str, datetime], ...]


def stamp(repository: Repository, snapshot_key: Signer, timestamp_key: Signer) -> Stamped:
    """Sign what is newest, when there is something new or what was signed has grown old.

    Raises:
        RepositoryMissing, SignaturesMissing
    """
    found = {role: repository.newest(role) for role in (TOP, *DELEGATED)}
    top = found[TOP]
    if top is None:
        raise RepositoryMissing.because("nobody has signed yet who may sign releases")
    snapshot, new = _snapshot(repository, {role: one for role, one in found.items() if one is not None}, snapshot_key)
    stale = new or _old(repository, repository.timestamp(), TIMESTAMP)
    if stale:
        _sign_timestamp(repository, snapshot, timestamp_key)
    return Stamped(new, stale, _due(repository, found))


def _snapshot(repository: Repository, found: dict[str, Metadata[Any]], key: Signer) -> tuple[Metadata[Snapshot], bool]:
    meta = {f"{role}.json": _meta(one) for role, one in found.items()}
    there = repository.newest(SNAPSHOT)
    if there is not None and there.signed.meta == meta and not _old(repository, there, SNAPSHOT):
        return there, False
    draft = repository.draft(SNAPSHOT)
    draft.signed.meta = {**draft.signed.meta, **meta}  # none ever goes: a node that knew it would refuse
    draft.sign(key)
    repository.publish(draft)
    return draft, True


def _sign_timestamp(repository: Repository, snapshot: Metadata[Snapshot], key: Signer) -> None:
    before = repository.timestamp()
    draft = repository.draft(TIMESTAMP, based_on=before)
    draft.signed.version = 1 if before is None else before.signed.version + 1
    draft.signed.snapshot_meta = _meta(snapshot)
    draft.sign(key)
    repository.publish_timestamp(draft)


def _meta(metadata: Metadata[Any]) -> MetaFile:
    return MetaFile.from_data(metadata.signed.version, to_bytes(metadata), ["sha256"])


def _old(repository: Repository, metadata: Metadata[Any] | None, role: str) -> bool:
    return metadata is None or repository.clock.now() - issued_at(metadata.signed) >= RESIGN_AFTER[role]


def _due(repository: Repository, found: dict[str, Metadata[Any] | None]) -> tuple[tuple[str, datetime], ...]:
    everything = {ROOT: repository.root(), **found}
    return tuple(
        (role, one.signed.expires)
        for role, one in everything.items()
        if one is not None and one.signed.expires - repository.clock.now() < LIFETIME[role] / 6
    )
