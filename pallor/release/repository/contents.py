"""What is signed into the roles: candidates, releases, the policy, clearances, channels. An id is never used twice."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, TargetFile

from pallor.digest import canonical_json, sha256_of
from pallor.errors import Refused
from pallor.release.channel import Channel
from pallor.release.manifest import Manifest, ManifestUnreadable
from pallor.release.places import POLICY, candidate_target, channel_target, clearance_target, release_target
from pallor.release.policy import Clearance, Policy
from pallor.release.repository.keys import name_of
from pallor.release.repository.ledger import Repository
from pallor.release.repository.roles import CANDIDATES, CHANNELS, CLEARANCES, RELEASES
from pallor.release.shelf import Release


class ReleaseImmutable(Refused):
    """An id stands for one manifest for ever."""


class CandidateUnknown(Refused):
    """The trainer has offered no candidate of this id."""


class ReleaseUnsigned(Refused):
    """No release of this id was signed by people."""


class WorldDiffers(Refused):
    """A release of one world has no business in the other."""


class ReleaseTakenBack(Refused):
    """A yanked release does not come back."""


class ScopeTooWide(Refused):
    """A release is cleared for those whom it was made for, or fewer."""


class FloorLowered(Refused):
    """The floor only rises: what was below it stays below it."""


def offer(repository: Repository, folder: Path, signer: Signer) -> str:
    """Sign a candidate's folder into ``candidates`` and keep its files; its id. The same again changes nothing.

    Raises:
        ReleaseImmutable, WorldDiffers, SignaturesMissing, and what ``Release.open`` raises
    """
    release = Release.open(folder)
    _check_world(repository, release.manifest)
    target = candidate_target(release.release_id)
    for role, path in ((CANDIDATES, target), (RELEASES, release_target(release.release_id))):
        there = repository.targets(role).get(path)
        if there is not None and f"sha256:{there.hashes['sha256']}" != release.digest:
            raise _immutable(release.release_id)
        if there is not None:
            return release.release_id
    for file in release.manifest.files:
        repository.put_file(file.digest, release.path(file.path).read_bytes())
    data = release.path("manifest.json").read_bytes()
    _sign_in(repository, CANDIDATES, [repository.put_content(target, data)], signer)
    return release.release_id


def publish(repository: Repository, release_id: str, signer: Signer) -> int:
    """Move a candidate to ``releases``, signed by a person; its number. The same again changes nothing.

    Raises:
        CandidateUnknown, ReleaseImmutable, ReleaseTakenBack, WorldDiffers, RepositoryDamaged, SignaturesMissing
    """
    candidate = repository.targets(CANDIDATES).get(candidate_target(release_id))
    if candidate is None:
        raise CandidateUnknown(
            "no such candidate was offered", field="release", value=release_id, remedy="See: pallor-release list."
        )
    there = repository.targets(RELEASES).get(release_target(release_id))
    if there is not None:
        if there.hashes != candidate.hashes:
            raise _immutable(release_id)
        return int(there.custom["number"])
    if (why := policy_of(repository).reason_against(release_id)) is not None:
        raise ReleaseTakenBack(
            f"this release was taken back: {why}", field="release", value=release_id, remedy="Publish another."
        )
    data = repository.content(candidate)
    manifest = Manifest.from_json(json.loads(data))
    _check_world(repository, manifest)
    for file in manifest.files:
        repository.check_file(file.digest)
    number = 1 + max((int(one.custom["number"]) for one in releases_of(repository).values()), default=0)
    said = [repository.put_content(release_target(release_id), data, number=number)]
    if POLICY not in repository.targets(RELEASES):  # a node takes no release without a policy: it may be held back
        said.append(repository.put_content(POLICY, canonical_json(Policy().to_json())))
    _sign_in(repository, RELEASES, said, signer)
    return number


def set_policy(repository: Repository, signer: Signer, *, floor: int | None = None,
               yank: Mapping[str, str] | None = None) -> Policy:  # fmt: skip
    """Raise the floor, or take releases back for good; the policy as it is now.

    Args:
        yank: release ids, each with the reason.

    Raises:
        FloorLowered, SignaturesMissing
    """
    before = policy_of(repository)
    if floor is not None and floor < before.floor:
        raise FloorLowered(
            f"the floor is {before.floor} already", field="floor", value=floor, remedy="It can only be raised."
        )
    policy = Policy(floor or before.floor, {**before.yanked, **(yank or {})})
    said = repository.put_content(POLICY, canonical_json(policy.to_json()))
    _sign_in(repository, RELEASES, [said], signer)
    return policy


def draft_clearance(repository: Repository, clearance: Clearance) -> Metadata[Any]:
    """A draft that clears a release, to be signed by two people.

    Raises:
        ReleaseUnsigned, WorldDiffers, ScopeTooWide, ReleaseTakenBack
    """
    release = releases_of(repository).get(clearance.release_id)
    if release is None or f"sha256:{release.hashes['sha256']}" != clearance.manifest:
        raise ReleaseUnsigned(
            "no release with this manifest was signed by people", field="release", value=clearance.release_id,
            remedy="Publish it first, and clear the manifest that was published.",
        )  # fmt: skip
    manifest = Manifest.from_json(json.loads(repository.content(release)))
    if manifest.world != "real":
        raise WorldDiffers(
            "a synthetic-world release is never cleared", field="release", value=clearance.release_id,
            remedy="Clear a release that learned from people.",
        )  # fmt: skip
    if not manifest.intended_use.holds(clearance.scope):
        raise ScopeTooWide(
            "the release was made for fewer people", field="scope", value=clearance.scope,
            remedy=f"Stay within what its manifest says: {manifest.intended_use}.",
        )  # fmt: skip
    if (why := policy_of(repository).reason_against(clearance.release_id)) is not None:
        raise ReleaseTakenBack(
            f"this release was taken back: {why}", field="release", value=clearance.release_id, remedy="Clear another."
        )
    draft = repository.draft(CLEARANCES)
    target = clearance_target(clearance.release_id)
    draft.signed.targets[target] = repository.put_content(target, canonical_json(clearance.to_json()))
    return draft


def set_channel(repository: Repository, channel: Channel, signer: Signer) -> None:
    """Sign what a channel says from now on; raises ``SignaturesMissing``."""
    said = repository.put_content(channel_target(channel.name), canonical_json(channel.to_json()))
    _sign_in(repository, CHANNELS, [said], signer)


def releases_of(repository: Repository) -> dict[str, TargetFile]:
    """Every release that people have signed, by id."""
    found = repository.targets(RELEASES)
    return {path.split("/")[1]: one for path, one in found.items() if path != POLICY}


def policy_of(repository: Repository) -> Policy:
    """The policy that is signed; the most open one before there is any."""
    found = repository.targets(RELEASES).get(POLICY)
    return Policy() if found is None else Policy.from_json(json.loads(repository.content(found)))


def manifest_of(repository: Repository, release_id: str) -> tuple[Manifest, str]:
    """A signed release's manifest and its digest; raises ``ReleaseUnsigned``."""
    found = releases_of(repository).get(release_id)
    if found is None:
        raise ReleaseUnsigned(
            "no release of this id was signed by people", field="release", value=release_id,
            remedy="See: pallor-release list.",
        )  # fmt: skip
    data = repository.content(found)
    return Manifest.from_json(json.loads(data)), sha256_of(data)


@dataclass(frozen=True)
class Candidate:
    """What the trainer has signed. ``signed_by``: names of the keys whose signatures count."""

    manifest: Manifest
    digest: str
    signed_by: tuple[str, ...]


def signed_candidate(repository: Repository, release_id: str) -> Candidate | None:
    """What the trainer has signed under an id; None for nothing, or where people have made a release of it.

    Raises:
        RepositoryDamaged
        ManifestUnreadable: it is no manifest, or another release's: the key may have been stolen.
    """
    found, target = repository.newest(CANDIDATES), candidate_target(release_id)
    if found is None or target not in found.signed.targets or release_id in releases_of(repository):
        return None
    result = repository.delegator(CANDIDATES).get_verification_result(CANDIDATES, found.signed_bytes, found.signatures)
    names = tuple(sorted(name_of(key) for key in result.signed.values()))
    data = repository.content(found.signed.targets[target])
    try:
        manifest = Manifest.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise ManifestUnreadable(f"{target} is no JSON: {error!r}") from error
    if manifest.release_id != release_id:
        raise ManifestUnreadable(f"{target} names itself {manifest.release_id}")
    return Candidate(manifest, sha256_of(data), names)


def candidate_of(repository: Repository, release_id: str) -> str:
    """The digest of what may be a challenger: a candidate's manifest, or a release's; raises ``CandidateUnknown``."""
    found = repository.targets(CANDIDATES).get(candidate_target(release_id)) or releases_of(repository).get(release_id)
    if found is None:
        raise CandidateUnknown(
            "no such candidate was offered", field="release", value=release_id, remedy="See: pallor-release list."
        )
    return f"sha256:{found.hashes['sha256']}"


def _sign_in(repository: Repository, role: str, said: Iterable[TargetFile], signer: Signer) -> None:
    draft = repository.draft(role)
    draft.signed.targets.update({one.path: one for one in said})
    draft.sign(signer)
    repository.publish(draft)


def _check_world(repository: Repository, manifest: Manifest) -> None:
    if repository.world == "real" and manifest.world != "real":
        raise WorldDiffers(
            "a synthetic-world release cannot serve people", field="release", value=manifest.release_id,
            remedy="Offer a release that learned from real cases.",
        )  # fmt: skip


def _immutable(release_id: str) -> ReleaseImmutable:
    return ReleaseImmutable(
        "this release id stands for another manifest", field="release", value=release_id,
        remedy="Give the release an id of its own.",
    )  # fmt: skip
