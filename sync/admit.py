"""May this release run here? Pure: no disk, no clock, no network; each no has its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pallor.clock import utc_text
from pallor.errors import Unavailable, Untrusted
from pallor.release.channel import Channel, Named
from pallor.release.manifest import Manifest, ReleaseFile
from pallor.release.policy import Policy

MOST_TRIES = 2
_SPARE_BYTES = 64 * 1024 * 1024  # a full disk stops more than this


class ReleaseUnsigned(Untrusted):
    """The channel names a release that no person has signed."""


class ReleaseReplaced(Untrusted):
    """What is signed under this id is not what the channel names."""


class ReleaseYanked(Untrusted):
    """The release was taken back."""


class ReleaseBelowFloor(Untrusted):
    """The release is older than anything that may still run."""


class FloorLowered(Untrusted):
    """The floor only rises; this one is lower than one that was signed before."""


class WorldDiffers(Untrusted):
    """A release, or a repository, of the other world."""


class ChannelExpired(Untrusted):
    """What the channel says was true once."""


class ReleaseFailedHere(Untrusted):
    """It was tried here, and failed, more than once; or somebody took it off by hand."""


class ReleaseResting(Unavailable):
    """It failed here a short while ago; it is tried once more later."""


class HardwareMissing(Unavailable):
    """The release carries no model for this machine."""


class DiskFull(Unavailable):
    """There is no room for it."""


@dataclass(frozen=True)
class Node:
    """This machine, as far as a release asks.

    Attributes:
        world: ``real`` | ``synthetic``.
        have: what a release's files may need, such as ``cpu`` or ``sm86``.
        floor: the highest that this node has seen.
        tries: how often each release failed here. rest_until: before that nothing that failed is tried again.
    """

    world: str
    have: frozenset[str]
    free_bytes: int
    floor: int
    tries: Mapping[str, int]
    rest_until: datetime


def check_channel(channel: Channel, now: datetime) -> None:
    """Raise ``ChannelExpired`` when a channel moves nobody any more."""
    if now >= channel.expires_at:
        raise ChannelExpired(f"the channel {channel.name} expired at {utc_text(channel.expires_at)}")


def check_policy(policy: Policy, node: Node) -> None:
    """Raise ``FloorLowered`` for a policy that this node has seen a stricter one than."""
    if policy.floor < node.floor:
        raise FloorLowered(f"the floor is said to be {policy.floor}; it was {node.floor} already")


def check_release(release_id: str, number: int | None, policy: Policy) -> None:
    """Raise ``ReleaseYanked`` or ``ReleaseBelowFloor`` for what may run nowhere any more."""
    if (why := policy.reason_against(release_id)) is not None:
        raise ReleaseYanked(f"{release_id} was taken back: {why}")
    if number is not None and number < policy.floor:
        raise ReleaseBelowFloor(f"{release_id} is number {number}, and the floor is {policy.floor}")


def admit(named: Named, manifest: Manifest, digest: str, number: int | None, policy: Policy, node: Node,
          now: datetime, missing_bytes: int) -> None:  # fmt: skip
    """Raise unless a release may be brought here and tried.

    Args:
        named: what the channel says. manifest, digest, number: what is signed; the number is None for a candidate.
        missing_bytes: of its files for this machine, what is not here yet.
    """
    release_id = named.release_id
    if digest != named.manifest or manifest.release_id != release_id:
        raise ReleaseReplaced(f"{release_id} is signed as {digest}, and the channel names {named.manifest}")
    check_release(release_id, number, policy)
    if node.world == "real" and manifest.world != "real":
        raise WorldDiffers(f"{release_id} is of the {manifest.world} world, and this node serves people")
    tries = node.tries.get(release_id, 0)
    if tries >= MOST_TRIES:
        raise ReleaseFailedHere(f"{release_id} failed here, or was taken off by hand, and is not tried again")
    if tries and now < node.rest_until:
        raise ReleaseResting(f"{release_id} failed here; it is tried again after {utc_text(node.rest_until)}")
    if not any(file.role == "model" for file in fitting(manifest, node.have)):
        raise HardwareMissing(f"{release_id} has no model for a machine with {', '.join(sorted(node.have))}")
    if missing_bytes + _SPARE_BYTES > node.free_bytes:
        raise DiskFull(f"{release_id} needs {missing_bytes} bytes more, and {node.free_bytes} are free")


def fitting(manifest: Manifest, have: frozenset[str]) -> list[ReleaseFile]:
    """The files of a release that this machine fetches.

    Of the models for processors the first, which also judges a GPU's; of those for GPUs all that it can use.
    """
    fits = [file for file in manifest.files if set(file.needs) <= have]
    for_cpu = [file for file in fits if file.role == "model" and "gpu" not in file.needs and not _gpu(file)]
    return [file for file in fits if file not in for_cpu[1:]]


def _gpu(file: ReleaseFile) -> bool:
    return any(need.startswith("sm") and need[2:].isdigit() for need in file.needs)
