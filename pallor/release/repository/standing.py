"""What people say of releases as it stands at this moment: cleared for whom, or taken back.

Whoever can write into the store can also take away what is newest there, so the snapshot has to know of nothing newer;
and what has expired clears nothing any more.
"""

import json
from collections.abc import Iterator

from tuf.api.metadata import Metadata, Snapshot

from pallor.errors import Untrusted
from pallor.release.manifest import Manifest
from pallor.release.places import clearance_target
from pallor.release.policy import Clearance
from pallor.release.repository.contents import policy_of, releases_of
from pallor.release.repository.ledger import Repository, RepositoryDamaged
from pallor.release.repository.roles import CLEARANCES, RELEASES, ROOT, SNAPSHOT, TIMESTAMP, TOP


class SignedTooOld(Untrusted):
    """Nothing is known any more of what people say now."""


def clearances_of(repository: Repository) -> dict[str, Clearance]:
    """The clearances that count now, by release: signed by two people, of a real release that may still run.

    Raises:
        SignedTooOld, RepositoryDamaged, RepositoryMissing, Unavailable
    """
    _check_now(repository)
    return {found.release_id: found for found in _valid(repository)}


def _valid(repository: Repository) -> Iterator[Clearance]:
    policy, cleared = policy_of(repository), repository.targets(CLEARANCES)
    for release_id, release in releases_of(repository).items():
        said = cleared.get(clearance_target(release_id))
        if said is None or policy.reason_against(release_id) or int(release.custom["number"]) < policy.floor:
            continue
        clearance = Clearance.from_json(json.loads(repository.content(said)))
        manifest = Manifest.from_json(json.loads(repository.content(release)))
        digest = f"sha256:{release.hashes['sha256']}"
        if (clearance.release_id, clearance.manifest, manifest.world) == (release_id, digest, "real"):
            yield clearance


def _check_now(repository: Repository) -> None:
    """Raise unless everything that a clearance stands on is signed, has not expired, and is the newest there was."""
    now, newest = repository.clock.now(), _snapshot(repository)
    found = {role: repository.newest(role) for role in (TOP, RELEASES, CLEARANCES)}
    for role, one in {ROOT: repository.root(), SNAPSHOT: newest, **found}.items():
        if one is not None and one.signed.is_expired(now):
            raise SignedTooOld(f"{role} expired at {one.signed.expires}")
    for role, one in found.items():
        named = newest.signed.meta.get(f"{role}.json")
        if named is not None and (one is None or one.signed.version < named.version):
            raise RepositoryDamaged(f"{role} is older than the snapshot, which names version {named.version}")


def _snapshot(repository: Repository) -> Metadata[Snapshot]:
    """The newest snapshot, which has to be as new as the timestamp says."""
    timestamp, found = repository.timestamp(), repository.newest(SNAPSHOT)
    if timestamp is None or timestamp.signed.is_expired(repository.clock.now()):
        raise SignedTooOld(f"{TIMESTAMP} has expired, or was never signed: the sweeper signs it daily")
    if found is None or found.signed.version < timestamp.signed.snapshot_meta.version:
        raise RepositoryDamaged(f"{SNAPSHOT} is older than {TIMESTAMP} says")
    return found
