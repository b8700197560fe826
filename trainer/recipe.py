"""Every number that shapes a release, in one frozen record that is saved with the model."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pallor.digest import digest_of
from pallor.errors import Refused
from pallor.image.spec import PreprocessSpec


class RecipeBroken(Refused):
    """The recipe lacks a number, or has one that nothing reads."""


@dataclass(frozen=True)
class Augmentation:
    """Ranges of ``trainer.data.augment``. Stops are powers of two on encoded (gamma) values."""

    mirror_share: float
    upside_down_share: float
    max_degrees: float
    min_scale: float
    max_scale: float
    exposure_stops: float
    illuminant_stops: float


@dataclass(frozen=True)
class Training:
    """What ``trainer.finetune`` does.

    Attributes:
        learning_rate: the peak; it warms up over ``warm_up_share`` of the steps and falls as a cosine.
        frozen_blocks: the first blocks of MobileNetV2 that keep their base weights and batch statistics.
        label_softness_g_per_l: the target is sigmoid((cut-off - Hb) / softness), so that one g/L on either side of the
            cut-off is not a world apart; 0 for hard labels.
        cut_off_g_per_l: where the soft target is one half.
        group_power: a row is drawn with (rows of its photograph) ** -group_power; 0 draws every row alike.
        bfloat16: autocast of the forward pass; evaluation is always float32.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    warm_up_share: float
    frozen_blocks: int
    dropout: float
    label_softness_g_per_l: float
    cut_off_g_per_l: float
    group_power: float
    bfloat16: bool


@dataclass(frozen=True)
class Evaluation:
    """Seeds by protocol and the draws of every bootstrap interval.

    An empty list leaves a protocol out; the leak-free one stays: the cut-offs come from it.
    """

    grouped_by_photo: tuple[int, ...]
    leave_one_site_out: tuple[int, ...]
    published_protocol: tuple[int, ...]
    bootstrap_draws: int
    bootstrap_seed: int

    def __post_init__(self) -> None:
        if not self.grouped_by_photo:
            raise ValueError("[evaluation] grouped_by_photo needs a seed")


@dataclass(frozen=True)
class Calibration:
    """Aims of ``trainer.calibrate``: sensitivity of the threshold, and of the two ends of the refer band."""

    target_sensitivity: float
    refer_low_sensitivity: float
    refer_high_specificity: float


@dataclass(frozen=True)
class Export:
    """``embedding_seed`` draws the fixed projection; ``tolerance`` is the largest |dp| an engine may show."""

    opset: int
    embedding_seed: int
    tolerance: float
    golden_photos: int
    golden_seed: int


@dataclass(frozen=True)
class Recipe:
    """One way to make a release, by its name."""

    name: str
    final_seed: int
    preprocess: PreprocessSpec
    augmentation: Augmentation
    training: Training
    evaluation: Evaluation
    calibration: Calibration
    export: Export

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a recipe; every key must be there and none may be unknown.

        Raises:
            RecipeBroken: naming the section and the keys.
        """
        try:
            data = tomllib.loads(text)
            sections = {
                field.name: _section(field.name, field.type, data.pop(field.name))
                for field in fields(cls)
                if isinstance(field.type, type) and field.type not in (str, int)
            }
            return cls(**sections, **data)
        except (KeyError, TypeError, ValueError) as error:
            raise RecipeBroken(
                f"not a recipe: {error}",
                field="recipe",
                value=text[:40],
                remedy="Copy trainer/recipes/bootstrap.toml and change its numbers.",
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved beside the model."""
        return asdict(self)

    def digest(self) -> str:
        """Of the numbers, not of the file's comments."""
        return digest_of(self.to_json())


def read_recipe(path: Path | None = None) -> Recipe:
    """The recipe in a file; without one, the one that made the bootstrap release."""
    source = path or files("trainer.recipes") / "bootstrap.toml"
    return Recipe.from_toml(source.read_text("utf-8"))


def _section(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    missing = {field.name for field in fields(kind)} - set(frozen)
    if missing:
        raise KeyError(f"[{name}] lacks {', '.join(sorted(missing))}")
    return kind(**frozen)
