"""How much does the trainer learn from how many cases, where the best possible AUROC is known?

    python -m benchmarks.learning_curve --run DIR [--init FILE] [--processes N] [--out FILE] [--plot FILE] [--miniature]

Children of a synthetic world are drawn whose photos tell so much of haemoglobin that no model can exceed an AUROC of
0.90. For 100, 300, 1 000 and 2 000 cases the standard recipe is fine-tuned on four fifths and calibrated on the rest;
1 000 other children judge each model, so nothing leaks. The control learns from 1 000 cases whose haemoglobin was
dealt anew among the children: it must say nothing, and the gate must refuse it. ``--run`` keeps what is finished: a
killed run goes on. ``--miniature``: a few small photos, only to see that everything runs. The last line is one JSON
object.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.drawn_photos import draw_photos
from benchmarks.report import finish
from trainer.calibrate import calibrate
from trainer.data.photos import Photos
from trainer.data.split import Fold
from trainer.evidence import Evidence, side_evidence
from trainer.figures import MODEL, TEST_SIDE
from trainer.folds import FoldLogits, Job, Task, judge_all
from trainer.gate import judge_candidate
from trainer.inputs import plain_base
from trainer.model import Base
from trainer.options import add_processes
from trainer.progress import bars_on
from trainer.recipe import Recipe, read_recipe
from trainer.report.plots import curve_plot

BEST_AUROC = 0.90
SEED = 20_261_122


@dataclass(frozen=True)
class Plan:
    """How many cases learn, how many of them with haemoglobin dealt anew, and how many others judge."""

    cases: tuple[int, ...]
    shuffled: int
    judges: int
    size: int | None = None


WHOLE = Plan(cases=(100, 300, 1_000, 2_000), shuffled=1_000, judges=1_000)
MINIATURE = Plan(cases=(20, 40), shuffled=40, judges=60, size=32)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_curve", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder for what is finished")
    parser.add_argument("--init", type=Path, help="base weights, .safetensors or .pth (default: torchvision's)")
    parser.add_argument("--miniature", action="store_true", help="a few small photos, to see that everything runs")
    parser.add_argument("--plot", type=Path, help="where to draw the curve, SVG")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    add_processes(parser)
    asked = parser.parse_args(arguments)
    plan = MINIATURE if asked.miniature else WHOLE
    figures = learn(plan, plain_base(asked.init), asked.run, asked.processes)
    if asked.plot:
        asked.plot.write_text(drawn(figures, plan), encoding="utf-8")
    finish("learning_curve", figures, asked.out)


def learn(plan: Plan, base: Base, run: Path, processes: int) -> dict[str, Any]:
    """The figures of every point of the curve and of the control."""
    recipe = read_recipe()
    if plan.size is not None:
        recipe = replace(recipe, preprocess=replace(recipe.preprocess, size=plan.size))
    bars = bars_on(Console(stderr=True))
    drawn_in_all = plan.judges + max(plan.cases)
    with bars("drawing children", drawn_in_all) as seen:
        photos = draw_photos(
            drawn_in_all, seed=SEED, best_auroc=BEST_AUROC, spec=recipe.preprocess, seen=lambda: seen(1)
        )
    shuffled = with_haemoglobin_dealt_anew(photos)
    jobs = [Job("learning_curve", recipe.seed, fold) for fold in folds(plan, plan.cases)]
    control = [Job("shuffled", recipe.seed, fold) for fold in folds(plan, [plan.shuffled])]
    with bars("fine-tuning", len(jobs) + 1) as done:
        judged = [
            *judge_all(control, Task(shuffled, base, recipe, run), done=lambda _: done(1)),
            *judge_all(jobs, Task(photos, base, recipe, run), processes=processes, done=lambda _: done(1)),
        ]
    figures: dict[str, Any] = {"best_possible_auroc": BEST_AUROC, "recipe_digest": recipe.digest()}
    names = ["shuffled", *(f"cases_{count}" for count in plan.cases)]
    for name, job, outcome in zip(names, [*control, *jobs], judged, strict=True):
        learned_from = shuffled if name == "shuffled" else photos
        evidence = evidence_of(learned_from, job.fold, base, recipe, outcome)
        figures |= {f"{name}.{key}": value for key, value in told(evidence, recipe).items()}
    return figures


def folds(plan: Plan, cases: Sequence[int]) -> Iterator[Fold]:
    """The first rows judge; of those after them so many learn, every fifth of which calibrates."""
    for count in cases:
        rows = plan.judges + np.arange(count)
        calibrates = np.arange(count) % 5 == 0
        yield Fold(str(count), rows[~calibrates], rows[calibrates], np.arange(plan.judges))


def with_haemoglobin_dealt_anew(photos: Photos) -> Photos:
    """The control: every photo with another child's haemoglobin."""
    order = np.random.default_rng(SEED).permutation(len(photos))
    return replace(photos, hb=photos.hb[order], anaemic=photos.anaemic[order], snapshot=f"{photos.snapshot} shuffled")


def evidence_of(photos: Photos, fold: Fold, base: Base, recipe: Recipe, outcome: FoldLogits) -> Evidence:
    """As a candidate's."""
    own = fold.calibration
    cutoffs = calibrate(outcome.calibration, photos.anaemic[own], photos.groups[own], recipe.calibration)
    scores = {MODEL: cutoffs.probabilities(outcome.test)}
    return side_evidence(photos, fold, base, recipe, cutoffs, scores)


def told(evidence: Evidence, recipe: Recipe) -> Mapping[str, Any]:
    """The figures that a curve is drawn from, and what the gate says."""
    figures = {one["name"]: one for one in evidence["figures"] if one["protocol"] == TEST_SIDE}
    said: dict[str, Any] = {}
    for name in ("auroc", "sensitivity", "specificity", "brier", "calibration_slope"):
        one = figures[f"model.{name}"]
        said |= {name: one["value"], f"{name}.low": one["low"], f"{name}.high": one["high"]}
    refusals = judge_candidate(evidence, recipe.gate, None)
    return said | {"gate_passed": not refusals, "gate_refusals": [refusal.reason for refusal in refusals]}


def drawn(figures: Mapping[str, Any], plan: Plan) -> str:
    """The curve as SVG."""
    points = [(count, *(figures[f"cases_{count}.auroc{end}"] for end in ("", ".low", ".high"))) for count in plan.cases]
    return curve_plot(points, best=BEST_AUROC)


if __name__ == "__main__":
    main()
