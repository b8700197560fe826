"""Everything that a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pallor.release.manifest import IntendedUse
from trainer.report.lookup import Figures
from trainer.report.words import stated


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found out about a candidate. Whatever lacks in the mappings is reported as not measured.

    Attributes:
        evidence: of the evaluation, as in ``evidence.json``.
        quantization: a mapping for each precision; ``nodes``: one for each node of the graph that was quantized.
        refusals: of the gate, each with ``reason`` and ``said``; None while it was not asked.
        parity: of the exported file with torch, None where nobody compared them.
        shipped: the precisions whose files the release holds, None while it is not packed.
        mistakes: how many are shown in a file of their own beside the page, None where there is no such file.
    """

    release_id: str
    intended_use: IntendedUse
    evidence: Mapping[str, Any]
    quantization: Sequence[Mapping[str, Any]] = ()
    nodes: Sequence[Mapping[str, Any]] = ()
    refusals: Sequence[Mapping[str, Any]] | None = None
    parity: Mapping[str, Any] | None = None
    shipped: Sequence[str] | None = None
    mistakes: int | None = None
    figures: Figures = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", Figures(self.evidence.get("figures")))

    @property
    def world(self) -> str:
        return stated(self.evidence.get("world"))

    @property
    def is_synthetic(self) -> bool:
        return self.world == "synthetic"
