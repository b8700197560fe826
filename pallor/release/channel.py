"""A channel: which release the nodes that follow it should run, how many of them, and which one they come from.

It is a file that is signed; a node decides by itself whether it is meant, so that a bucket or a USB stick is enough.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from pallor.clock import parse_utc, utc_text
from pallor.digest import hex_of
from pallor.errors import Untrusted
from pallor.release.manifest import is_release_id

FORMAT = 1
EVERYBODY = 2**32
HALT = "halt"  # the kind of word by which nobody takes the release who has not yet
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class ChannelUnreadable(Untrusted):
    """What was signed is not a channel."""


@dataclass(frozen=True)
class Named:
    """A release by its id and its manifest's digest: nobody can put another under the same id."""

    release_id: str
    manifest: str


@dataclass(frozen=True)
class Cohort:
    """Whom a rollout is meant for: nodes of these sites with this hardware; empty means any."""

    sites: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()

    def holds(self, sites: Iterable[str], hardware: Iterable[str]) -> bool:
        """True for a node that belongs to one of the sites and has all of the hardware."""
        return (not self.sites or bool(set(self.sites) & set(sites))) and set(self.hardware) <= set(hardware)


@dataclass(frozen=True)
class Channel:
    """What is signed of a channel.

    Attributes:
        release, previous: what nodes below ``share`` run, and what all others do (None: what they have).
        challenger: runs beside the release on those nodes, and nothing it says is shown.
        share: a node whose bucket is below it is meant; 0 none, 2**32 all.
        rollout: its id; it also shuffles the buckets, so that not the same nodes are always the first.
        expires_at: after it, nodes keep what they run and change nothing.
        kind: ``start`` | ``advance`` | ``halt`` | ``rollback`` | ``challenge``.
        from_release, to_release, reason: what a rollback takes back, and why.
    """

    name: str
    rollout: str
    kind: str
    release: Named
    previous: Named | None
    share: int
    cohort: Cohort
    expires_at: datetime
    note: str
    approved_by: str
    challenger: Named | None = None
    from_release: str | None = None
    to_release: str | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "format": FORMAT, "expires_at": utc_text(self.expires_at)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a channel back; raises ``ChannelUnreadable`` naming what is wrong with it."""
        try:
            fields = dict(data)
            if fields.pop("format") != FORMAT or not is_channel_name(fields["name"]):
                raise ValueError("another format, or no name")
            if type(fields["share"]) is not int or not 0 <= fields["share"] <= EVERYBODY:
                raise ValueError(f"share {fields['share']!r}")
            cohort = {name: tuple(values) for name, values in fields["cohort"].items()}
            named = {name: _named(fields[name]) for name in ("release", "previous", "challenger")}
            if named["release"] is None:
                raise ValueError("no release")
            return cls(**{**fields, **named, "cohort": Cohort(**cohort), "expires_at": parse_utc(fields["expires_at"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ChannelUnreadable(f"not a channel of format {FORMAT}: {error!r}") from error


def is_channel_name(text: str) -> bool:
    """True for what may name a channel: it is also the name of its file."""
    return bool(_NAME.fullmatch(text))


def bucket_of(rollout: str, node: str) -> int:
    """Where a node falls in a rollout, 0 to 2**32 - 1, the same wherever it is computed."""
    return int.from_bytes(hashlib.sha256(f"{rollout}\0{node}".encode()).digest()[:4], "big")


def share_for(percent: float, rollout: str, nodes: Iterable[str]) -> int:
    """The least bound under which at least ``max(1, percent %)`` of the known nodes fall: 12 nodes have no 1 %.

    Args:
        percent: above 0, up to 100; at 100 also the nodes are meant that nobody knows yet.
    """
    if not 0 < percent <= 100:
        raise ValueError(f"not a share: {percent!r} %")
    buckets = sorted(bucket_of(rollout, node) for node in nodes)
    if percent == 100 or not buckets:
        return EVERYBODY if percent == 100 else math.ceil(EVERYBODY * percent / 100)
    return buckets[max(1, math.ceil(len(buckets) * percent / 100)) - 1] + 1


def _named(data: Any) -> Named | None:
    if data is None:
        return None
    named = Named(**data)
    hex_of(named.manifest)
    if not is_release_id(named.release_id):
        raise ValueError(f"release {named.release_id!r}")
    return named
