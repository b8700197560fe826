"""What a worker says of a photo."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from pallor.clock import parse_utc, utc_text


@dataclass(frozen=True)
class Engine:
    """What computed an answer.

    ``flavour``: ``onnxruntime-cpu``, ``tensorrt`` or their kin; ``model_digest``: the ONNX file that ran, or that the
    plan was built from. ``fallback``: why this is not the engine that the machine was meant to run, None when it is.
    """

    flavour: str
    version: str
    precision: str
    model_digest: str
    fallback: str | None = None


@dataclass(frozen=True)
class Prediction:
    """One release's answer for one photo.

    ``probability``: of anaemia, calibrated, 0..1. ``cam``: 7 x 7 class activation map, row by row. ``embedding``: 64
    numbers, comparable only within one release. ``seconds``: fetch to answer, in the worker.
    """

    photo_id: str
    release_id: str
    probability: float
    cam: tuple[tuple[float, ...], ...]
    embedding: tuple[float, ...]
    engine: Engine
    scored_at: datetime
    seconds: float

    def to_json(self) -> dict[str, Any]:
        # not asdict of it all, which copies each of its hundred numbers
        return {**vars(self), "engine": asdict(self.engine), "scored_at": utc_text(self.scored_at)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read an answer back; raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        probability = float(data["probability"])
        if not 0.0 <= probability <= 1.0:  # also refuses NaN
            raise ValueError(f"probability {probability!r} is not between 0 and 1")
        return cls(
            **{
                **data,
                "probability": probability,
                "seconds": float(data["seconds"]),
                "cam": tuple(tuple(float(v) for v in row) for row in data["cam"]),
                "embedding": tuple(float(v) for v in data["embedding"]),
                "engine": Engine(**data["engine"]),
                "scored_at": parse_utc(data["scored_at"]),
            }
        )
