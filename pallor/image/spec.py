"""How a photo is laid out for one model: plain numbers that travel in the release's manifest. Bare Python."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from pallor.errors import Untrusted


class SpecUnknown(Untrusted):
    """A preprocessing spec that this version cannot follow to the letter: its model would read something else."""


@dataclass(frozen=True)
class PreprocessSpec:
    """A spec is part of the model: change a number and the model must be trained again.

    Attributes:
        method: the algorithm of ``pallor.image.preprocess`` that reads these numbers; changes with it.
        size: side of the square input, pixels.
        margin: empty border on each side, as a share of ``size``.
        neutral: sRGB of everything outside the region; mid-grey is zero after the usual normalization.
        min_region_pixels: fewer inside the mask are refused.
    """

    method: str = "tight-letterbox-1"
    size: int = 224
    margin: float = 0.03
    neutral: tuple[int, int, int] = (128, 128, 128)
    min_region_pixels: int = 256

    def __post_init__(self) -> None:
        if self.method != "tight-letterbox-1":
            raise SpecUnknown(f"unknown preprocessing method {self.method!r}")
        if self.size < 1 or not 0 <= self.margin < 0.5 or self.min_region_pixels < 1:
            raise SpecUnknown(f"impossible preprocessing numbers: {self}")
        if len(self.neutral) != 3 or not all(0 <= value <= 255 for value in self.neutral):
            raise SpecUnknown(f"neutral is no sRGB colour: {self.neutral}")

    def to_json(self) -> dict[str, object]:
        """The spec as JSON values, for the manifest."""
        return asdict(self) | {"neutral": list(self.neutral)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "PreprocessSpec":
        """Read what ``to_json`` wrote.

        Raises:
            SpecUnknown: a key is missing or unknown, or a value is impossible.
        """
        if value.keys() != {field.name for field in fields(cls)}:  # a default must never fill in for a lost number
            raise SpecUnknown(f"not a preprocessing spec: {value}")
        try:
            return cls(**value | {"neutral": tuple(value["neutral"])})
        except TypeError as error:
            raise SpecUnknown(f"not a preprocessing spec: {value}") from error
