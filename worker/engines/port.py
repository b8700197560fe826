"""What every engine promises, whichever runtime is under it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pallor.errors import Untrusted
from pallor.prediction import Engine as EngineFacts

CAM_SIDE = 7
EMBEDDING_LENGTH = 64


class GraphRefused(Untrusted):
    """The model file is no graph that follows the contract: inputs, outputs, their types and shapes."""


class AnswerImpossible(Untrusted):
    """The engine computed something that no model of ours can say, such as a probability that is not a number."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of N photos.

    Attributes:
        probability: float32 (N,), of anaemia, calibrated, 0..1.
        cam: float32 (N, 7, 7), class activation map.
        embedding: float32 (N, 64), comparable only within one release.

    Raises:
        AnswerImpossible: a shape is another, a number is not finite, or a probability is outside 0..1.
    """

    probability: NDArray[np.float32]
    cam: NDArray[np.float32]
    embedding: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.probability)
        shapes = (self.probability.shape, self.cam.shape, self.embedding.shape)
        if shapes != ((n,), (n, CAM_SIDE, CAM_SIDE), (n, EMBEDDING_LENGTH)):
            raise AnswerImpossible(f"answers of shapes {shapes}")
        if not all(np.isfinite(values).all() for values in (self.probability, self.cam, self.embedding)):
            raise AnswerImpossible("answers that are not finite")
        if ((self.probability < 0) | (self.probability > 1)).any():
            raise AnswerImpossible("a probability outside 0..1")


class Engine(Protocol):
    """A model in memory. ``infer`` may be called from several threads."""

    def infer(self, batch: NDArray[np.uint8]) -> Answers:
        """Score photos laid out by ``pallor.image.preprocess``: (N, S, S, 3), sRGB; raises ``AnswerImpossible``."""
        ...

    def describe(self) -> EngineFacts:
        """What computes the answers."""
        ...
