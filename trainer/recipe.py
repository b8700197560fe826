"""Every number that shapes a release, in one frozen record that is saved with the model."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, get_args

from pallor.digest import digest_of
from pallor.errors import Refused, shortened
from pallor.image.spec import PreprocessSpec, SpecUnknown
from pallor.release.manifest import LARGEST_TOLERANCE, is_release_id
from trainer.limits import Between, OneOf, Seed, Share, faults_in

_LONGEST_NAME = 44  # a release is called by it, and by its day and run
_STRIDE = 32  # pixels of a photo to one of MobileNetV2's last map
_MANY = 100_000
_Count = Annotated[int, Between(0, _MANY)]
_Open = Annotated[float, Between(0.001, 0.999)]
_Scale = Annotated[float, Between(0.1, 10)]
_Stops = Annotated[float, Between(0, 4)]
_Slope = Annotated[float, Between(0, 100)]
_Tolerance = Annotated[float, Between(1e-6, LARGEST_TOLERANCE)]


class _Name:
    """What a release can be called by."""

    def allows(self, value: str) -> bool:
        return is_release_id(value) and len(value) <= _LONGEST_NAME

    def __str__(self) -> str:
        return f"of a-z, 0-9, . and -, at most {_LONGEST_NAME} of them"


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

    mirror_share: Share
    upside_down_share: Share
    max_degrees: Annotated[float, Between(0, 180)]
    min_scale: _Scale
    max_scale: _Scale
    exposure_stops: _Stops
    illuminant_stops: _Stops
    white_balance_share: Share
    max_white_balance: Share
    jpeg_share: Share
    min_jpeg_quality: Annotated[int, Between(1, 100)]


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

    epochs: _Count
    patience_epochs: Annotated[int, Between(1, _MANY)]
    batch: Annotated[int, Between(2, 4096)]
    learning_rate: Share
    weight_decay: Share
    warm_up_share: Share
    probe_strength: Annotated[float, Between(0, 1000000.0)]
    frozen_blocks: Annotated[int, Between(0, 19)]
    dropout: Annotated[float, Between(0, 0.99)]
    label_softness_g_per_l: Annotated[float, Between(0, 250)]
    cut_off_g_per_l: Annotated[float, Between(20, 250)]
    group_power: Annotated[float, Between(0, 10)]
    class_balance: Share
    hard_negative_epochs: _Count
    hard_negative_share: Share
    hard_negative_learning_rate: Share
    precision: Annotated[str, OneOf(("32-true", "bf16-mixed"))]


@dataclass(frozen=True)
class Distillation:
    """A larger network of torchvision is fine-tuned first; its logits are mixed into the targets."""

    teacher: str
    weight: Share
    temperature: Annotated[float, Between(0.01, 100)]


@dataclass(frozen=True)
class Pruning:
    """Structured: this share of the hidden channels of every inverted residual goes before fine-tuning."""

    share: Annotated[float, Between(0, 0.9)]


@dataclass(frozen=True)
class Evaluation:
    """Seeds by protocol; an empty list leaves a protocol out.

    Attributes:
        bootstrap_draws: resamples behind every interval.
        permutations: of the labels, for what a model that sees nothing reaches by chance.
        prevalences: shares of anaemia for which predictive values are worked out.
        calibration_bins: of the calibration error and curve, of about equally many rows.
    """

    grouped_by_photo: tuple[Seed, ...]
    leave_one_site_out: tuple[Seed, ...]
    published_protocol: tuple[Seed, ...]
    bootstrap_draws: Annotated[int, Between(100, _MANY)]
    bootstrap_seed: Seed
    permutations: Annotated[int, Between(20, _MANY)]
    prevalences: tuple[_Open, ...]
    calibration_bins: Annotated[int, Between(2, 100)]


@dataclass(frozen=True)
class Calibration:
    """Aims of ``trainer.calibrate``.

    Attributes:
        target_sensitivity: of the threshold.
        refer_coverage_anaemic: of the anaemic, at least this share does not get "low chance".
        refer_coverage_other: of the others, at least this share does not get "high chance".
        refer_seed: draws the one row that speaks for its cluster.
    """

    target_sensitivity: _Open
    refer_coverage_anaemic: _Open
    refer_coverage_other: _Open
    refer_seed: Seed


@dataclass(frozen=True)
class Quantization:
    """What ``trainer.quantize`` does.

    Attributes:
        method: how modelopt chooses activation ranges: ``max`` | ``entropy`` | ``percentile``.
        photos: of the train side, as many as the ranges are taken from.
        float_layers: convolutions left in FP32, by torchvision's names.
        aware_steps: of quantization-aware fine-tuning towards the FP32 network's own logits; 0 leaves it out.
    """

    method: Annotated[str, OneOf(("max", "entropy", "percentile"))]
    photos: Annotated[int, Between(1, _MANY)]
    float_layers: tuple[str, ...]
    aware_steps: _Count
    aware_batch: Annotated[int, Between(1, 4096)]
    aware_learning_rate: Share


@dataclass(frozen=True)
class Gate:
    """Limits of ``trainer.gate``; cases are counted as clusters of the test side, twins once.

    Attributes:
        margin_auroc: AUROC that the candidate may at worst lie behind the champion.
        subgroup_margin_auroc: the same in the worst subgroup, and there behind the controls, too.
        min_positives, min_negatives: fewer say nothing; a subgroup with fewer is shown and decides nothing.
    """

    margin_auroc: Share
    subgroup_margin_auroc: Share
    min_positives: Annotated[int, Between(1, _MANY)]
    min_negatives: Annotated[int, Between(1, _MANY)]
    calibration_slope: tuple[_Slope, _Slope]
    max_calibration_error: Share
    max_mean_abs_dp: Share
    max_decisions_changed: Share
    max_auroc_loss: Share


@dataclass(frozen=True)
class Export:
    """``embedding_seed`` draws the fixed projection; ``tolerance`` is the largest |dp| an engine may show, and
    ``tolerance_int8`` the largest between an INT8 file and the FP16 one on the golden photos."""

    opset: Annotated[int, Between(18, 24)]
    embedding_seed: Seed
    tolerance: _Tolerance
    tolerance_int8: _Tolerance
    golden_photos: Annotated[int, Between(1, 1000)]
    golden_seed: Seed


@dataclass(frozen=True)
class Recipe:
    """One way to make a release, by its name."""

    name: Annotated[str, _Name()]
    seed: Seed
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
    def from_toml(cls, text: str, named: str = "text") -> Self:
        """Read a recipe; every key must be there and none may be unknown; only optional sections may be left out.

        With ``like = "standard"``, or another of ``trainer/recipes``, it says only what it does otherwise.

        Raises:
            RecipeBroken: naming every fault at once, with its section and key.
        """
        try:
            data = _whole(tomllib.loads(text))
        except (ValueError, TypeError, AttributeError, OSError, RecursionError) as error:
            raise _broken(shortened(error, 200), named) from error
        if faults := [*faults_in(cls, data)] or [*_contradictions(data)]:
            raise _broken("; ".join(faults), named)
        records = {field.name: _record_of(field.type) for field in fields(cls)}
        return cls(**{name: _read(records[name], value) for name, value in data.items()})

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved beside the model."""
        return asdict(self)

    def digest(self) -> str:
        """Of the numbers, not of the file's comments."""
        return digest_of(self.to_json())


def read_recipe(path: Path | None = None) -> Recipe:
    """The recipe in a file; without one, the one that releases are made by.

    Raises:
        RecipeBroken: there is none in it.
    """
    source = path or files("trainer.recipes") / "standard.toml"
    try:
        text = source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(f"it cannot be read: {error}", source.name) from error
    return Recipe.from_toml(text, source.name)


def _whole(data: Mapping[str, Any]) -> dict[str, Any]:
    """With all that it takes over from the recipe that it is like."""
    if "like" not in data:
        return dict(data)
    own = {name: value for name, value in data.items() if name != "like"}
    other = _whole(tomllib.loads((files("trainer.recipes") / f"{data['like']}.toml").read_text("utf-8")))
    return other | {
        name: other.get(name, {}) | value if isinstance(value, dict) else value for name, value in own.items()
    }


def _contradictions(data: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with numbers that may each be as they are."""
    augmentation, slope = data["augmentation"], data["gate"]["calibration_slope"]
    if augmentation["min_scale"] > augmentation["max_scale"]:
        yield "augmentation.min_scale is above max_scale"
    if slope[0] > slope[1]:
        yield "gate.calibration_slope names the larger number first"
    if data["preprocess"]["size"] % _STRIDE:
        yield f"preprocess.size must be so many times {_STRIDE}"
    try:
        _read(PreprocessSpec, data["preprocess"])
    except SpecUnknown as error:
        yield f"[preprocess]: {error}"


def _record_of(kind: Any) -> Any:
    """The record that a section is read into; None for plain values."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return next((one for one in kinds if is_dataclass(one)), None)


def _read(record: Any, value: Any) -> Any:
    if record is None:
        return value
    return record(**{key: tuple(one) if isinstance(one, list) else one for key, one in value.items()})


def _broken(reason: str, named: str) -> RecipeBroken:
    return RecipeBroken(
        f"this is no recipe: {reason}", field="recipe", value=named,
        remedy="Copy trainer/recipes/standard.toml and change its numbers.",
    )  # fmt: skip
