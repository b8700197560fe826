"""What does each precision cost: in bytes, in time, in decisions?

    python -m benchmarks.quantization --data DIR --run DIR [--init FILE] [--out FILE] [--miniature]

Two models are made as releases are: ``cp_anemic`` on CP-AnemiC's train side (recipe ``few-cases``), ``synthetic`` on
drawn photos (recipe ``standard``), whose AUROC is high enough for a loss to show. Each is written as FP32, FP16, INT8
(for ONNX Runtime and for TensorRT) and INT4, and judged by ONNX Runtime on the same 2 000 photos and more, of which it
learned from none: CP-AnemiC's test and calibration sides and drawn ones. For the seeds' sake the synthetic model is,
too, quantized without fine-tuning: by each of modelopt's ways to choose ranges, with clipped weights, dynamically.
Times are medians on one thread, all files taking turns. ``--run`` keeps models, files and times: a killed run goes on.
``--miniature``: a few drawn photos, only to see that everything runs; without ``--data``. The last line is one JSON
object.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from rich.console import Console
from torch import nn

from benchmarks.drawn_photos import draw_photos
from benchmarks.report import finish, instruction_sets
from pallor.clock import SystemClock
from trainer.calibrate import calibrate
from trainer.data.photos import Photos, together
from trainer.data.split import Fold, clusters, fixed_sides
from trainer.export import ask, fold_batch_norms, serve
from trainer.finetune import count_steps, finetune, logits_of
from trainer.inputs import add_options, groups_of, load_photos, open_source, plain_base
from trainer.metrics import auroc
from trainer.model import Base, Release
from trainer.progress import Bars, bars_on
from trainer.quantize.files import quantization_steps, quantize
from trainer.quantize.judge import compare_answers, probabilities, time_files
from trainer.quantize.pack import pack_int8
from trainer.quantize.scan import count_scans, scan
from trainer.quantize.simulate import METHODS, to_int8
from trainer.recipe import Recipe, read_recipe
from trainer.steps import Steps, read_json, write_json

BEST_AUROC = 0.90
SEED = 20_261_122
_CLIPPED_AT = 3.0  # standard deviations of a layer's weights


@dataclass(frozen=True)
class Plan:
    """How many drawn children teach the synthetic model, how many judge both; whether the seeds' ways are tried."""

    learners: int
    judges: int
    rounds: int
    seeds_ways: bool


WHOLE, MINIATURE = Plan(600, 1_900, 31, True), Plan(20, 12, 1, False)


@dataclass(frozen=True, eq=False)
class Model:
    """A release to be quantized: the photos its ranges come from, and its threshold."""

    release: Release
    train: Any
    threshold: float
    recipe: Recipe


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantization", description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--miniature", action="store_true", help="a few drawn photos, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    bars, base = bars_on(Console(stderr=True)), plain_base(asked.init)
    plan = MINIATURE if asked.miniature else WHOLE
    standard, few = (recipe_of(name, small=asked.miniature) for name in ("standard", "few-cases"))
    asked.run.mkdir(parents=True, exist_ok=True)
    steps = Steps(asked.run, SystemClock())

    drawn = drawn_photos(plan, standard, bars)
    learners, judges = drawn.take(np.arange(plan.learners)), drawn.take(np.arange(plan.learners, len(drawn)))
    figures: dict[str, Any] = {"instruction_sets": instruction_sets(), "recipe_digest": standard.digest()}
    rows = np.arange(plan.learners)
    of_five = Fold("learners", rows[rows % 5 > 0], rows[rows % 5 == 0], rows[:0])
    models = {"synthetic": (learners, of_five, standard)}
    if not asked.miniature:
        source = open_source(asked, bars)
        real = load_photos(source, groups_of(asked, source, asked.run / "same_photo", bars), few, bars)
        sides = fixed_sides(real)
        judges = together(real.take(np.concatenate([sides.calibration, sides.test])), judges)
        models["cp_anemic"] = (real, sides, few)
    figures["judges"] = len(judges)
    for name, (photos, fold, recipe) in models.items():
        how = partial(work, photos, fold, base, recipe, judges, plan, name, bars)
        done = steps.step(name, how)
        figures |= {f"{name}.{key}": value for key, value in read_json(done / "figures.json").items()}
    size = standard.preprocess.size
    at = steps.step("times", partial(time_models, asked.run, tuple(models), size, plan.rounds))
    figures |= read_json(at / "times.json")
    if plan.seeds_ways:
        at = steps.step("scan", partial(scan_layers, learners, of_five, base, standard, asked.run / "synthetic", bars))
        figures["synthetic.worst_layers_mean_abs_dp"] = dict(list(read_json(at / "scan.json").items())[:8])
    whole = (asked.run / "synthetic" / "files" / "fp32.onnx").read_bytes()
    own = drawn.take(np.arange(plan.learners, len(drawn)))  # of its own world, in which it must know something
    said = ask(serve(whole, size, "fp32"), own.inputs).probability.astype(np.float64)
    figures["synthetic.fp32_auroc_drawn"] = auroc(own.anaemic, said)
    for line in table(figures, tuple(models)):
        print(line)
    finish("quantization", figures, asked.out)


def recipe_of(name: str, *, small: bool) -> Recipe:
    recipe = read_recipe(Path(str(files("trainer.recipes") / f"{name}.toml")))
    if not small:
        return recipe
    return replace(
        recipe,
        preprocess=replace(recipe.preprocess, size=64),
        training=replace(recipe.training, epochs=0, hard_negative_epochs=0),
        evaluation=replace(recipe.evaluation, bootstrap_draws=20),
        quantization=replace(recipe.quantization, photos=4, aware_steps=1, aware_batch=2),
    )


def drawn_photos(plan: Plan, recipe: Recipe, bars: Bars) -> Photos:
    """Learners, then judges."""
    total = plan.learners + plan.judges
    with bars("drawing children", total) as seen:
        return draw_photos(total, seed=SEED, best_auroc=BEST_AUROC, spec=recipe.preprocess, seen=lambda: seen(1))


def work(
    photos: Photos, fold: Fold, base: Base, recipe: Recipe, judges: Photos, plan: Plan, name: str, bars: Bars, at: Path
) -> None:
    """Make a model and every file of it, and judge them; each part is kept."""
    model = make(photos, fold, base, recipe, at, bars)
    written = write_files(model, at, bars)
    models = {path.stem: path.read_bytes() for path in sorted(written.glob("*.onnx"))}
    if name == "synthetic" and plan.seeds_ways:
        models |= for_the_seeds_sake(model, models["fp32"])
    said = {}
    with bars(f"{name}: judging", len(models)) as done:
        for precision, data in models.items():
            said[precision] = answers_of(data, precision, judges, at / f"said-{precision}.json")
            done(1)
    sizes = {precision: len(data) for precision, data in models.items()}
    judged = compare_answers(said, sizes, judges.anaemic, clusters(judges), model.threshold, recipe)
    figures: dict[str, Any] = {"fp32_auroc": next(row["auroc"] for row in judged if row["precision"] == "fp32")}
    nodes = read_json(written / "nodes.json")
    figures["nodes_by_bits"] = by_bits(nodes)
    figures["int4.weight_bits"] = {node["name"]: node["weight_bits"] for node in nodes if node["precision"] == "int4"}
    for row in judged:
        figures |= {f"{row['precision']}.{key}": value for key, value in row.items() if key != "precision"}
    write_json(at / "figures.json", figures)


def answers_of(data: bytes, precision: str, judges: Photos, kept: Path) -> NDArray[np.float64]:
    """What a file says of the judges, asked once."""
    if not kept.is_file():
        write_json(kept, probabilities(data, precision, judges.inputs).tolist())
    return np.array(read_json(kept))


def time_models(run: Path, names: Sequence[str], size: int, rounds: int, at: Path) -> None:
    """What every file of every model takes, to its FP32."""
    figures: dict[str, float] = {}
    for name in names:
        models = {path.stem: path.read_bytes() for path in sorted((run / name / "files").glob("*.onnx"))}
        times = time_files(models, size, rounds=rounds)
        for precision, of in times.items():
            for batch, key in ((1, "time_ratio"), (16, "time_ratio_b16")):
                figures[f"{name}.{precision}.{key}"] = of[batch] / times["fp32"][batch]
        figures |= {f"{name}.fp32.ms_b{batch}": ms for batch, ms in times["fp32"].items()}
    write_json(at / "times.json", figures)


def write_files(model: Model, at: Path, bars: Bars) -> Path:
    """The folder with every precision of a model and what became of each layer."""
    written = at / "files"
    if not (written / "nodes.json").is_file():
        written.mkdir(exist_ok=True)
        with bars("quantizing", quantization_steps(model.recipe, int4=True)) as stepped:
            made = quantize(model.release, model.train, model.recipe, int4=True, stepped=lambda: stepped(1))
        for precision, data in made.files.items():
            (written / f"{precision}.onnx").write_bytes(data)
        write_json(written / "nodes.json", made.nodes)
    return written


def make(photos: Photos, fold: Fold, base: Base, recipe: Recipe, at: Path, bars: Bars) -> Model:
    """Fine-tuned and calibrated, as a release is."""
    with bars("fine-tuning", count_steps(len(fold.train), recipe)) as stepped:
        screen = finetune(photos, fold, base, recipe, recipe.seed, keep=at / "state", stepped=lambda: stepped(1))
    own = fold.calibration
    logits = logits_of(screen, photos.inputs[own])
    cutoffs = calibrate(logits, photos.anaemic[own], clusters(photos)[own], recipe.calibration)
    release = Release(screen, cutoffs.temperature, recipe.export.embedding_seed, cutoffs.shift)
    return Model(release.eval(), photos.inputs[fold.train], cutoffs.threshold, recipe)


def for_the_seeds_sake(model: Model, fp32: bytes) -> Mapping[str, bytes]:
    """INT8 without fine-tuning: by each way to choose ranges, with clipped weights, and dynamically."""
    recipe = model.recipe
    shown = model.train[: recipe.quantization.photos]

    def quantized(method: str, change: Callable[[Release], None] = lambda _: None) -> bytes:
        simulated = fold_batch_norms(model.release)
        change(simulated)
        to_int8(simulated, shown, method, signed=False)
        return pack_int8(simulated, recipe.preprocess.size, recipe.export.opset)

    found = {f"int8_untuned_{method}": quantized(method) for method in METHODS}
    found["int8_untuned_clipped"] = quantized("max", clip_weights)
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "dynamic.onnx"
        source.write_bytes(fp32)
        quantize_dynamic(source, target, weight_type=QuantType.QUInt8)
        found["int8_dynamic"] = target.read_bytes()
    return found


def scan_layers(photos: Photos, fold: Fold, base: Base, recipe: Recipe, made: Path, bars: Bars, at: Path) -> None:
    """What each layer's integers alone do to the answers, before any fine-tuning."""
    model = make(photos, fold, base, recipe, made, bars)
    simulated = fold_batch_norms(model.release)
    to_int8(simulated, model.train[: recipe.quantization.photos], recipe.quantization.method, signed=False)
    with bars("scanning layers", count_scans(simulated)) as stepped:
        write_json(at / "scan.json", scan(simulated, model.train[:8], lambda: stepped(1)))


def clip_weights(release: Release) -> None:
    """The seeds' weight clipping: nothing beyond three standard deviations of its layer."""
    with torch.no_grad():
        for layer in release.screen.features.modules():
            if isinstance(layer, nn.Conv2d):
                most = float(layer.weight.std() * _CLIPPED_AT)
                layer.weight.clamp_(-most, most)


def by_bits(nodes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How many layers of each file have weights of how many bits."""
    found: dict[str, dict[str, int]] = {}
    for node in nodes:
        of = found.setdefault(node["precision"], {})
        key = f"weights {node['weight_bits']}, activations {node['activation_bits']}"
        of[key] = of.get(key, 0) + 1
    return found


def table(figures: Mapping[str, Any], models: Sequence[str]) -> Sequence[str]:
    """Markdown."""
    keys = (
        "size_ratio", "time_ratio", "time_ratio_b16", "auroc_loss", "auroc_loss_upper95", "decisions_changed",
        "mean_abs_dp", "max_abs_dp",
    )  # fmt: skip
    lines = [f"| model, precision | {' | '.join(keys)} |", "|---" * (1 + len(keys)) + "|"]
    for model in models:
        rows = [name.split(".")[1] for name in figures if name.startswith(f"{model}.") and name.endswith(".size_ratio")]
        for row in rows:
            told = (figures.get(f"{model}.{row}.{key}") for key in keys)
            cells = " | ".join("-" if value is None else f"{value:.4f}" for value in told)
            lines.append(f"| {model}, {row} | {cells} |")
    return lines


if __name__ == "__main__":
    main()
