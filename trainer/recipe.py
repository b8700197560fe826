"""Every number that shapes a release, in one frozen record that is saved with the model."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_args

from pallor.digest import digest_of
from pallor.errors import Refused
from pallor.image.spec import PreprocessSpec
from pallor.release.manifest import is_release_id

_LONGEST_NAME = 44  # a release is called by it, and by its day and snapshot


class RecipeBroken(Refused):
    """The recipe lacks a number, or has one that nothing reads."""


@dataclass(frozen=True)
class Augmentation:
    """Ranges of ``trainer.data.augment``.

    Attributes:
        exposure_stops, illuminant_stops: powers of two on encoded (gamma) values, of all channels and of each.
        white_balance_share: how often a phone's white balance pulls the region towards grey, by at most
            ``max_white_balance`` of the way: the way itself is the pallor that is looked for.
        jpeg_share: how often the photo was stored as JPEG, of a quality between ``min_jpeg_quality`` and 100.
    """

    mirror_share: float
    upside_down_share: float
    max_degrees: float
    min_scale: float
    max_scale: float
    exposure_stops: float
    illuminant_stops: float
    white_balance_share: float
    max_white_balance: float
    jpeg_share: float
    min_jpeg_quality: int


@dataclass(frozen=True)
class Training:
    """What ``trainer.finetune`` does.

    Attributes:
        epochs: at most; ``patience_epochs`` without a better validation loss end it sooner.
        learning_rate: the peak for a batch of 16; it grows with the batch, warms up over ``warm_up_share`` of the steps
            and falls as a cosine.
        probe_strength: of the logistic regression that sets the head before anything else learns (``trainer.probe``);
            no epoch at all may then be the best; 0 begins with a head that says nothing.
        frozen_blocks: the first blocks of MobileNetV2 that keep their base weights and batch statistics.
        label_softness_g_per_l: the target is sigmoid((cut-off - Hb) / softness), so that one g/L on either side of the
            cut-off is not a world apart; 0 for hard labels.
        cut_off_g_per_l: where the soft target is one half.
        group_power: a row is drawn with (rows of its photograph) ** -group_power; 0 draws every row alike.
        class_balance: 1 draws both classes equally often, 0 as often as they come.
        hard_negative_epochs: a second pass, in which the non-anaemic rows that scored highest after the first
            (``hard_negative_share`` of them) are drawn twice as often (the seeds' iterative training); 0 leaves it out.
            It goes on from the best weights, with a learning rate of its own; the best epoch of both passes counts.
        precision: of Lightning Fabric, ``32-true`` or ``bf16-mixed``; evaluation is always float32.
    """

    epochs: int
    patience_epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    warm_up_share: float
    probe_strength: float
    frozen_blocks: int
    dropout: float
    label_softness_g_per_l: float
    cut_off_g_per_l: float
    group_power: float
    class_balance: float
    hard_negative_epochs: int
    hard_negative_share: float
    hard_negative_learning_rate: float
    precision: str


@dataclass(frozen=True)
class Distillation:
    """A larger network of torchvision is fine-tuned first; its logits are mixed into the targets."""

    teacher: str
    weight: float
    temperature: float


@dataclass(frozen=True)
class Pruning:
    """Structured: this share of the hidden channels of every inverted residual goes before fine-tuning."""

    share: float


@dataclass(frozen=True)
class Evaluation:
    """Seeds by protocol; an empty list leaves a protocol out.

    Attributes:
        bootstrap_draws: resamples behind every interval.
        permutations: of the labels, for what a model that sees nothing reaches by chance.
        prevalences: shares of anaemia for which predictive values are worked out.
        calibration_bins: of the calibration error and curve, of about equally many rows.
    """

    grouped_by_photo: tuple[int, ...]
    leave_one_site_out: tuple[int, ...]
    published_protocol: tuple[int, ...]
    bootstrap_draws: int
    bootstrap_seed: int
    permutations: int
    prevalences: tuple[float, ...]
    calibration_bins: int


@dataclass(frozen=True)
class Calibration:
    """Aims of ``trainer.calibrate``.

    Attributes:
        target_sensitivity: of the threshold.
        refer_coverage_anaemic: of the anaemic, at least this share does not get "low chance".
        refer_coverage_other: of the others, at least this share does not get "high chance".
        refer_seed: draws the one row that speaks for its cluster.
    """

    target_sensitivity: float
    refer_coverage_anaemic: float
    refer_coverage_other: float
    refer_seed: int


@dataclass(frozen=True)
class Quantization:
    """What ``trainer.quantize`` does.

    Attributes:
        method: how modelopt chooses activation ranges: ``max`` | ``entropy`` | ``percentile``.
        photos: of the train side, as many as the ranges are taken from.
        float_layers: convolutions left in FP32, by torchvision's names.
        aware_steps: of quantization-aware fine-tuning towards the FP32 network's own logits; 0 leaves it out.
    """

    method: str
    photos: int
    float_layers: tuple[str, ...]
    aware_steps: int
    aware_batch: int
    aware_learning_rate: float


@dataclass(frozen=True)
class Gate:
    """Limits of ``trainer.gate``; cases are counted as clusters of the test side, twins once.

    Attributes:
        margin_auroc: AUROC that the candidate may at worst lie behind the champion.
        subgroup_margin_auroc: the same in the worst subgroup, and there behind the controls, too.
        min_positives, min_negatives: fewer say nothing; a subgroup with fewer is shown and decides nothing.
    """

    margin_auroc: float
    subgroup_margin_auroc: float
    min_positives: int
    min_negatives: int
    calibration_slope: tuple[float, float]
    max_calibration_error: float
    max_mean_abs_dp: float
    max_decisions_changed: float
    max_auroc_loss: float


@dataclass(frozen=True)
class Export:
    """``embedding_seed`` draws the fixed projection; ``tolerance`` is the largest |dp| an engine may show, and
    ``tolerance_int8`` the largest between an INT8 file and the FP16 one on the golden photos."""

    opset: int
    embedding_seed: int
    tolerance: float
    tolerance_int8: float
    golden_photos: int
    golden_seed: int


@dataclass(frozen=True)
class Recipe:
    """One way to make a release, by its name."""

    name: str
    seed: int
    preprocess: PreprocessSpec
    augmentation: Augmentation
    training: Training
    evaluation: Evaluation
    calibration: Calibration
    quantization: Quantization
    gate: Gate
    export: Export
    distillation: Distillation | None = None
    pruning: Pruning | None = None

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a recipe; every key must be there and none may be unknown; only optional sections may be left out.

        With ``like = "standard"``, or another of ``trainer/recipes``, it says only what it does otherwise.

        Raises:
            RecipeBroken: naming the section and the keys.
        """
        try:
            data = _whole(tomllib.loads(text))
            sections = {
                field.name: _section(field.name, _record_of(field.type), data.pop(field.name))
                for field in fields(cls)
                if _record_of(field.type) and (field.default is MISSING or field.name in data)
            }
            recipe = cls(**sections, **data)
            if not (is_release_id(recipe.name) and len(recipe.name) <= _LONGEST_NAME):
                raise ValueError(
                    f"name {recipe.name!r} is not of a-z, 0-9, . and -, or has over {_LONGEST_NAME} letters"
                )
            return recipe
        except (KeyError, TypeError, ValueError, AttributeError, FileNotFoundError) as error:
            raise RecipeBroken(
                f"not a recipe: {error}",
                field="recipe",
                value=text[:40],
                remedy="Copy trainer/recipes/standard.toml and change its numbers.",
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved beside the model."""
        return asdict(self)

    def digest(self) -> str:
        """Of the numbers, not of the file's comments."""
        return digest_of(self.to_json())


def read_recipe(path: Path | None = None) -> Recipe:
    """The recipe in a file; without one, the one that releases are made by."""
    source = path or files("trainer.recipes") / "standard.toml"
    return Recipe.from_toml(source.read_text("utf-8"))


def _whole(data: Mapping[str, Any]) -> dict[str, Any]:
    """With all that it takes over from the recipe that it is like."""
    if "like" not in data:
        return dict(data)
    own = {name: value for name, value in data.items() if name != "like"}
    other = _whole(tomllib.loads((files("trainer.recipes") / f"{data['like']}.toml").read_text("utf-8")))
    return other | {
        name: other.get(name, {}) | value if isinstance(value, dict) else value for name, value in own.items()
    }


def _record_of(kind: Any) -> Any:
    """The record that a section is read into; None for plain values."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return next((one for one in kinds if one not in (str, int, type(None))), None)


def _section(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    missing = {field.name for field in fields(kind)} - set(frozen)
    if missing:
        raise KeyError(f"[{name}] lacks {', '.join(sorted(missing))}")
    return kind(**frozen)
