"""Which release a channel means for this node. Pure: every node decides by itself, so a bucket serves a million."""

from collections.abc import Iterable
from dataclasses import dataclass

from pallor.release.channel import HALT, Channel, Named, bucket_of


@dataclass(frozen=True)
class Meant:
    """``release``: what should answer, None: whatever does. ``challenger``: what should answer beside it, unseen."""

    release: Named | None
    challenger: Named | None
    reached: bool


def meant(
    channel: Channel, node: str, sites: Iterable[str], hardware: Iterable[str], current: str | None = None
) -> Meant:
    """What ``node`` should run by a channel that has not expired; ``current``: what answers there now.

    A halted rollout reaches nobody who has not taken it yet.
    """
    reached = bucket_of(channel.rollout, node) < channel.share and channel.cohort.holds(sites, hardware)
    reached = reached and (channel.kind != HALT or current == channel.release.release_id)
    if not reached:
        return Meant(channel.previous, None, reached=False)
    return Meant(channel.release, channel.challenger, reached=True)
