"""What a node says of itself, signed with its own key: not what was installed, but what answers."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from pallor.clock import parse_utc, utc_text
from pallor.digest import canonical_json, hex_of
from pallor.errors import Untrusted
from pallor.release.manifest import is_release_id

_SIGNED = b"pallor: a node reports, 1"
LONGEST = 300  # characters of what is said
_MOST = 32
MOST_GOLDEN = 32  # photos whose answers a report holds


class ReportUnreadable(Untrusted):
    """The report is not one that this version can read."""


@dataclass(frozen=True)
class EngineWord:
    """Which engine answered the golden photos, and what.

    ``golden``: its probabilities, in the manifest's order. ``max_difference``: how far it was off at most.
    ``fallback``: why it is not the engine that was meant.
    """

    flavour: str
    version: str
    precision: str
    model_digest: str
    max_difference: float
    golden: tuple[float, ...] = ()
    fallback: str | None = None


@dataclass(frozen=True)
class Stepped:
    """A release that the node took off again by itself."""

    release_id: str
    reason: str
    said: str
    at: datetime


@dataclass(frozen=True)
class NodeReport:
    """One report.

    Attributes:
        sequence: counts up; an older report says nothing any more.
        release_id, manifest: what answers, None when nothing does. rollout: by which it came.
        since: when it was let to answer. cases: how many it has answered since. trial: it has not proved itself yet.
        engine: who answered its golden photos, None when nobody asked (it came by hand).
        stale_since: since when nothing that is signed is young enough to change anything.
    """

    device: str
    sequence: int
    sent_at: datetime
    world: str
    release_id: str | None
    manifest: str | None
    rollout: str | None
    since: datetime | None
    cases: int
    trial: bool
    engine: EngineWord | None
    challenger: str | None
    stepped_back: Stepped | None
    stale_since: datetime | None
    hardware: tuple[str, ...]
    versions: Mapping[str, str]
    disk_free_bytes: int
    errors: tuple[str, ...]

    def signed_bytes(self) -> bytes:
        """What is signed: nothing that the key signs elsewhere begins like this."""
        return _SIGNED + b"\0" + canonical_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        back = self.stepped_back
        return {
            **asdict(self),
            "sent_at": utc_text(self.sent_at),
            "since": self.since and utc_text(self.since),
            "stale_since": self.stale_since and utc_text(self.stale_since),
            "stepped_back": back and {**asdict(back), "at": utc_text(back.at)},
            "engine": self.engine and {**asdict(self.engine), "golden": list(self.engine.golden)},
            "hardware": list(self.hardware),
            "versions": dict(self.versions),
            "errors": list(self.errors),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a report back; raises ``ReportUnreadable`` naming what is wrong with it."""
        try:
            engine, back = data["engine"], data["stepped_back"]
            report = cls(
                **{
                    **data,
                    "sent_at": parse_utc(data["sent_at"]),
                    "since": data["since"] and parse_utc(data["since"]),
                    "stale_since": data["stale_since"] and parse_utc(data["stale_since"]),
                    "stepped_back": back and Stepped(**{**back, "at": parse_utc(back["at"])}),
                    "engine": engine and EngineWord(**{**engine, "golden": tuple(engine["golden"])}),
                    "hardware": tuple(data["hardware"]),
                    "errors": tuple(data["errors"]),
                }
            )
            report._check()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReportUnreadable(f"not a node's report: {error!r}") from error
        return report

    def _check(self) -> None:
        """Raise ``ValueError`` for what no node says."""
        if any(one is not None and not is_release_id(one) for one in (self.release_id, self.challenger)):
            raise ValueError(f"release {self.release_id!r}, challenger {self.challenger!r}")
        if type(self.cases) is not int or type(self.sequence) is not int or self.cases < 0 or self.sequence < 1:
            raise ValueError(f"cases {self.cases!r}, sequence {self.sequence!r}")
        if self.manifest is not None:
            hex_of(self.manifest)
        texts = (*self.hardware, *self.errors, *self.versions, *self.versions.values())
        if len(texts) > 4 * _MOST or not all(isinstance(text, str) and len(text) <= LONGEST for text in texts):
            raise ValueError("longer than a report is")
        if self.engine is not None:
            hex_of(self.engine.model_digest)
            numbers = (self.engine.max_difference, *self.engine.golden)
            if len(self.engine.golden) > MOST_GOLDEN or not all(math.isfinite(number) for number in numbers):
                raise ValueError(f"golden photos {numbers!r}")
