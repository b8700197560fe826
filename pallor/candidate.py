"""A candidate: a release that training made, and what the gate said of it; the trainer tells the backend."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from pallor.clock import parse_utc, utc_text
from pallor.digest import digest_of, hex_of
from pallor.errors import Untrusted
from pallor.release.manifest import Figure, is_release_id


class CandidateUnreadable(Untrusted):
    """The report is not one that this version can read."""


@dataclass(frozen=True)
class GateRefusal:
    """Why a candidate is not good enough: a stable ``reason``, and what is ``said`` of it in words with the numbers."""

    reason: str
    said: str


@dataclass(frozen=True)
class Gate:
    """What the gate says; a candidate has passed when nothing speaks against it."""

    refusals: tuple[GateRefusal, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.refusals


@dataclass(frozen=True)
class CandidateReport:
    """All that the backend is told of a candidate. ``world``: ``real`` | ``synthetic``."""

    release_id: str
    manifest_digest: str
    snapshot_digest: str
    recipe_digest: str
    world: str
    gate: Gate
    figures: tuple[Figure, ...]
    made_at: datetime

    def digest(self) -> str:
        """Two reports say the same when this is."""
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "gate": {"passed": self.gate.passed, "refusals": [asdict(refusal) for refusal in self.gate.refusals]},
            "figures": [asdict(figure) for figure in self.figures],
            "made_at": utc_text(self.made_at),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a report back; raises ``CandidateUnreadable`` naming what is wrong with it."""
        try:
            gate = Gate(tuple(GateRefusal(**refusal) for refusal in data["gate"]["refusals"]))
            if data["gate"] != {"passed": gate.passed, "refusals": [asdict(refusal) for refusal in gate.refusals]}:
                raise ValueError("a gate that passed names no refusal, and one that did not names at least one")
            figures = tuple(Figure(**figure) for figure in data["figures"])
            report = cls(**{**data, "gate": gate, "figures": figures, "made_at": parse_utc(data["made_at"])})
            report._check()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CandidateUnreadable(f"not a candidate's report: {error!r}") from error
        return report

    def _check(self) -> None:
        """Raise ``ValueError`` for what no candidate can be."""
        if not is_release_id(self.release_id) or self.world not in ("real", "synthetic"):
            raise ValueError(f"release_id {self.release_id!r}, world {self.world!r}")
        for digest in (self.manifest_digest, self.snapshot_digest, self.recipe_digest):
            hex_of(digest)
        for figure in self.figures:
            if not all(math.isfinite(n) for n in (figure.value, figure.low, figure.high) if n is not None):
                raise ValueError(f"the figure {figure.name} is no number")
