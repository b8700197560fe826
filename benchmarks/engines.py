"""What do plans for GPUs cost, and is a wrong one ever opened? No GPU is needed.

    python -m benchmarks.engines [--run DIR] [--init FILE] [--out FILE] [--miniature]

A release is made of drawn photos, from the base weights of ``--init`` or from none, its head fitted and its integers
tuned. Of each of its graphs for GPUs TensorRT-RTX builds a plan for each kind of GPU, twice: bytes, seconds, and where
two builds of the same differ: TensorRT-RTX numbers and orders its expressions of the free batch size anew each time,
and with a fixed batch size, which has none, two builds are the same bytes. Then plans are spoiled: in one flipped byte,
cut off, and put in the place of another GPU's; each must be built anew, none taken. Last, what ONNX Runtime's CPU can
say of the graphs themselves: how far they are from FP32 on drawn photos that nothing learned from. ``--run`` keeps
models, so that a killed run goes on. ``--miniature``: one kind of GPU and few photos, only to see that everything runs.
The last line is one JSON object.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.drawn_photos import draw_photos
from benchmarks.quantization import make, recipe_of
from benchmarks.report import finish, silent
from pallor.clock import SystemClock
from pallor.digest import sha256_of
from trainer.data.photos import Photos
from trainer.data.split import Fold
from trainer.engines import FLAVOUR
from trainer.export import ask, serve
from trainer.model import Base, base_from_file, random_base
from trainer.progress import Bars, bars_on
from trainer.quantize.files import FP16_TENSORRT, FP32, INT8_TENSORRT, quantization_steps, quantize
from trainer.recipe import Recipe
from trainer.steps import Steps
from worker.engines.batches import PROFILE
from worker.engines.cache import PlanCache, PlanKey
from worker.engines.tensorrt import TensorRt

GRAPHS = {"fp16": FP16_TENSORRT, "int8": INT8_TENSORRT}
SEED, BEST_AUROC = 20_261_127, 0.90
_FIXED_FOR = "sm86"
_LAYER = re.compile(rb'tensor=[^\n]*name="[^"\n]*features\.[^\n]*type=(\w+)')


@dataclass(frozen=True)
class Plan:
    """How many drawn children teach and judge; which kinds of GPU, which fixed batches; how many plans are spoiled."""

    learners: int
    judges: int
    aware_steps: int
    families: tuple[str, ...]
    fixed: tuple[int, ...]
    spoiled: int


WHOLE = Plan(80, 100, 30, ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121"), (1, 8), 200)
MINIATURE = Plan(12, 2, 1, ("sm86",), (), 5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", type=Path, help="folder for what is kept, to go on with (default: one that is removed)"
    )
    parser.add_argument("--init", type=Path, help="base weights, .safetensors or .pth (default: untrained ones)")
    parser.add_argument("--miniature", action="store_true", help="to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        measure(asked.run or Path(folder), asked.init, MINIATURE if asked.miniature else WHOLE, asked.out)


def measure(run: Path, init: Path | None, plan: Plan, out: Path | None) -> None:
    torch.set_num_threads(1)
    bars = bars_on(Console(stderr=True))
    base = base_from_file(init) if init else random_base(0)
    recipe = recipe_of("standard", small=True)
    recipe = replace(recipe, quantization=replace(recipe.quantization, photos=32, aware_steps=plan.aware_steps))
    run.mkdir(parents=True, exist_ok=True)
    with bars("drawing children", plan.learners + plan.judges) as seen:
        drawn = draw_photos(
            plan.learners + plan.judges, seed=SEED, best_auroc=BEST_AUROC, spec=recipe.preprocess, seen=lambda: seen(1)
        )
    steps = Steps(run, SystemClock())
    files = steps.step("files", lambda at: write_files(drawn.take(np.arange(plan.learners)), base, recipe, bars, at))
    graphs = {precision: (files / f"{name}.onnx").read_bytes() for precision, name in GRAPHS.items()}
    judges = drawn.inputs[plan.learners :]
    library = TensorRt(FLAVOUR)
    figures: dict[str, Any] = {"flavour": FLAVOUR, "version": library.version, "base": base.name, "profile": PROFILE}
    size = recipe.preprocess.size
    for precision, graph in graphs.items():
        figures[f"{precision}.graph_bytes"] = len(graph)
        figures |= {f"{precision}.{key}": value for key, value in builds(library, graph, size, plan, bars).items()}
        figures |= {
            f"{precision}.{key}": value for key, value in parity(files, GRAPHS[precision], judges, size).items()
        }
    with silent():  # hundreds of spoiled plans are told one by one
        figures |= spoiled(library, graphs["fp16"], size, plan)
    for line in table(figures, plan):
        print(line)
    finish("engines", figures, out)


def write_files(learners: Photos, base: Base, recipe: Recipe, bars: Bars, at: Path) -> None:
    rows = np.arange(len(learners))
    model = make(learners, Fold("learners", rows[rows % 4 > 0], rows[rows % 4 == 0], rows[:0]), base, recipe, at, bars)
    with bars("quantizing", quantization_steps(recipe)) as stepped:
        made = quantize(model.release, model.train, recipe, stepped=lambda: stepped(1))
    for name in (FP32, *GRAPHS.values()):
        (at / f"{name}.onnx").write_bytes(made.files[name])


def builds(library: TensorRt, graph: bytes, size: int, plan: Plan, bars: Bars) -> dict[str, Any]:
    """Of each kind of GPU: bytes and seconds of two builds, and in how many of its lines the second is another."""
    figures: dict[str, Any] = {}
    with bars("building plans", 2 * (len(plan.families) + len(plan.fixed))) as built:
        for family in plan.families:
            one, other = timed(library, graph, size, family), timed(library, graph, size, family)
            figures |= {
                f"{family}.bytes": len(one.data),
                f"{family}.seconds": [round(each.seconds, 2) for each in (one, other)],
                f"{family}.cpu_seconds": [round(each.cpu_seconds, 2) for each in (one, other)],
                f"{family}.identical": one.data == other.data,
                **{f"{family}.{key}": value for key, value in lines_apart(one.data, other.data).items()},
                f"{family}.layers_by_type": layers_by_type(one.data),
            }
            built(2)
        for batch in plan.fixed:
            fixed = [library.build(graph, size, _FIXED_FOR, batch=(batch, batch, batch)) for _ in range(2)]
            key = f"{_FIXED_FOR}.batch_{batch}_only"
            figures |= {f"{key}.bytes": len(fixed[0]), f"{key}.identical": fixed[0] == fixed[1]}
            built(2)
    return figures


@dataclass(frozen=True)
class Built:
    """``cpu_seconds`` are all threads'; on a busy machine they say more than the clock."""

    data: bytes
    seconds: float
    cpu_seconds: float


def timed(library: TensorRt, graph: bytes, size: int, family: str) -> Built:
    begun, worked = time.perf_counter(), time.process_time()
    plan = library.build(graph, size, family)
    return Built(plan, time.perf_counter() - begun, time.process_time() - worked)


def lines_apart(one: bytes, other: bytes) -> dict[str, int]:
    """A plan is text in its first part: lines of the one that the other does not have, whatever their order."""
    ours, theirs = Counter(one.split(b"\n")), Counter(other.split(b"\n"))
    return {"lines": ours.total(), "lines_apart": (ours - theirs).total()}


def layers_by_type(plan: bytes) -> dict[str, int]:
    """How many tensors between convolutions the plan keeps in which type: what it really computes with."""
    return dict(Counter(kind.decode() for kind in _LAYER.findall(plan)))


def spoiled(library: TensorRt, graph: bytes, size: int, plan: Plan) -> dict[str, int]:
    """How many wrong plans were tried of each kind, and how many were taken instead of being built anew."""
    rng = np.random.default_rng(SEED)
    figures = {
        f"{kind}.{what}": 0 for kind in ("flipped_byte", "cut_off", "of_another_gpu") for what in ("tried", "taken")
    }
    built = library.build(graph, size, plan.families[0])
    with TemporaryDirectory() as folder:
        cache = PlanCache(Path(folder) / "plans")
        key = key_of(library, graph, plan.families[0])
        path = Path(folder) / "plans" / key.name()
        cache.plan(key, lambda: built)
        whole = path.read_bytes()
        for at in rng.integers(len(whole), size=plan.spoiled).tolist():
            flipped = whole[:at] + bytes([whole[at] ^ 1 << int(rng.integers(8))]) + whole[at + 1 :]
            for kind, data in (("flipped_byte", flipped), ("cut_off", whole[:at])):
                path.write_bytes(data)
                count(figures, kind, cache, key, built)
        for family in library.families or ():
            other = key_of(library, graph, family)
            if other == key:
                continue
            cache.plan(other, lambda: b"of another GPU")
            (Path(folder) / "plans" / other.name()).replace(path)
            count(figures, "of_another_gpu", cache, key, built)
    return figures


def count(figures: dict[str, int], kind: str, cache: PlanCache, key: PlanKey, built: bytes) -> None:
    asked = []
    cache.plan(key, lambda: asked.append(1) or built)  # type: ignore[func-returns-value]
    figures[f"{kind}.tried"] += 1
    figures[f"{kind}.taken"] += not asked


def key_of(library: TensorRt, graph: bytes, family: str) -> PlanKey:
    return PlanKey(sha256_of(graph), FLAVOUR, library.version, family, "fp16", PROFILE, "linux", "x86_64")


def parity(files: Path, name: str, judges: Any, size: int) -> dict[str, float]:
    """Against FP32, both by ONNX Runtime's CPU: of the graph, not of the plan."""
    said, exact = (
        ask(serve((files / f"{one}.onnx").read_bytes(), size, one), judges).probability.astype(np.float64)
        for one in (name, FP32)
    )
    away = np.abs(said - exact)
    return {
        "graph.max_abs_dp": float(away.max()),
        "graph.mean_abs_dp": float(away.mean()),
        "graph.decisions_changed": float(((said >= 0.5) != (exact >= 0.5)).mean()),
    }


def table(figures: dict[str, Any], plan: Plan) -> Sequence[str]:
    """Markdown."""
    lines = ["| plan | MB | CPU seconds, twice | identical | lines apart |", "|---|---|---|---|---|"]
    for precision in GRAPHS:
        for family in plan.families:
            at = f"{precision}.{family}"
            seconds = " ".join(map(str, figures[f"{at}.cpu_seconds"]))
            apart = f"{figures[f'{at}.lines_apart']} of {figures[f'{at}.lines']}"
            lines.append(
                f"| {at} | {figures[f'{at}.bytes'] / 1e6:.1f} | {seconds} | {figures[f'{at}.identical']} | {apart} |"
            )
    return lines


if __name__ == "__main__":
    main()
