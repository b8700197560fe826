"""Photos in a worker's hands, and what became of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pallor.messages import PredictCase, RecordPrediction


@dataclass(eq=False)
class Waiting:
    """A photo in the worker's hands. ``ticket``: by which whoever brought it knows it."""

    message: PredictCase
    ticket: Any
    since: float = field(default_factory=time.perf_counter)
    attempt: int = 0
    data: bytes = field(default=b"", repr=False)
    laid_out: NDArray[np.uint8] | None = None

    def told(self) -> dict[str, object]:
        """For a log."""
        return {"case_id": self.message.case_id, "photo_id": self.message.photo_id}


@dataclass(frozen=True, eq=False)
class Done:
    """What became of one photo: ``said`` is with the broker, or nothing is said of it here, and ``fault`` is why.

    ``back``: somebody else is to have a try at it.
    """

    waiting: Waiting
    said: RecordPrediction | None = None
    fault: Exception | None = None
    back: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """Photos that ended together. ``queue_seconds``: how long each waited in the worker before it was inferred."""

    done: Sequence[Done]
    queue_seconds: Sequence[float] = ()
    compute_seconds: float | None = None
