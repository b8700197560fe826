"""The metadata themselves: how each role's begins, and the fields of our own that are signed with it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from pallor.clock import parse_utc
from pallor.release.repository.roles import DELEGATED, ROOT, SNAPSHOT, TIMESTAMP, TOP

ISSUED, WORLD, _ROLE = "issued_at", "world", "x-pallor-role"
_COMPACT = JSONSerializer(compact=True)


def role_of(draft: Metadata[Any]) -> str:
    """Which role's metadata this is; delegated ones say it in a field of their own, for tuf does not."""
    return str(draft.signed.unrecognized_fields.get(_ROLE, draft.signed.type))


def to_bytes(metadata: Metadata[Any]) -> bytes:
    """As it is kept and fetched: without a space, for every node reads it."""
    return metadata.to_bytes(_COMPACT)


def issued_at(signed: Signed) -> datetime:
    """When it was signed, as it says itself."""
    return parse_utc(str(signed.unrecognized_fields[ISSUED]))


def first_root(world: str, keys: dict[str, Iterable[Key]], thresholds: dict[str, int]) -> Root:
    """Who may sign at the top: by role, ``root`` standing for ``targets`` too."""
    by_role = {ROOT: keys[ROOT], TOP: keys[ROOT], SNAPSHOT: keys[SNAPSHOT], TIMESTAMP: keys[TIMESTAMP]}
    roles = {role: Role([], thresholds.get(ROOT if role == TOP else role, 1)) for role in by_role}
    root = Root(roles=roles, consistent_snapshot=True, unrecognized_fields={WORLD: world})
    for role, holders in by_role.items():
        for key in holders:
            root.add_key(key, role)
    return root


def first_targets(keys: dict[str, Iterable[Key]], thresholds: dict[str, int]) -> Targets:
    """Who may sign below the top. Each role ends the search for what only it may name."""
    roles = {
        role: DelegatedRole(role, [], thresholds.get(role, 1), True, paths=paths) for role, paths in DELEGATED.items()
    }
    targets = Targets(delegations=Delegations({}, roles))
    for role in roles:
        for key in keys[role]:
            targets.add_key(key, role)
    return targets


def empty(role: str) -> Signed:
    """The beginning of a role that names nothing yet."""
    if role == SNAPSHOT:
        return Snapshot(meta={})
    if role == TIMESTAMP:
        return Timestamp(snapshot_meta=MetaFile(1))
    if role in DELEGATED:
        return Targets(unrecognized_fields={_ROLE: role})
    raise ValueError(f"{role} begins by saying who may sign")
