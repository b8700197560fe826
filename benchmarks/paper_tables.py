"""The seed paper's tables beside ours: as published, by its own protocol, and what is left of it without leaks.

    python -m benchmarks.paper_tables --data DIR --run DIR [--init FILE] [--processes N] [--out FILE] [--miniature]

``--data``: CP-AnemiC as published, with ``same_photo_groups.csv`` beside its sheet. Two recipes are cross-validated:
``as-published`` (the seed's way) under the published random split, where twins stand on both sides, and by photograph;
``few-cases`` (ours for so few) by photograph and leaving hospitals out, five seeds each, and for comparison under the
published split. Beside every model stand the controls: the twin look-up, which learns nothing, and the area of the ROI.
Then one model of ours, made and calibrated as a release is, is quantized to every bit width (tables IV to VI).
``--run`` keeps finished folds: a killed run goes on. ``--miniature``: two dozen drawn photos, only to see that
everything runs; without ``--data``. The last line is one JSON object; the tables go before it.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.bit_widths import MEASURES, PUBLISHED, PUBLISHED_RANGES, judge_bit_widths
from benchmarks.drawn_photos import draw_photos
from benchmarks.report import finish
from trainer.cross_validate import cross_validate
from trainer.data.photos import Photos
from trainer.evidence import Evidence
from trainer.figures import figures_of
from trainer.inputs import groups_of, load_photos, open_source, plain_base
from trainer.options import add_options
from trainer.progress import Bars, bars_on
from trainer.recipe import Recipe, read_recipe

SEEDS = (1, 2, 3, 4, 5)
PROTOCOLS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "as-published": {"published_protocol": (1,), "grouped_by_photo": (1,), "leave_one_site_out": ()},
    "few-cases": {"published_protocol": (1,), "grouped_by_photo": SEEDS, "leave_one_site_out": SEEDS},
}
_WORDS = {
    "published_protocol": "random split, as published: leaks",
    "grouped_by_photo": "by photograph, leak-free",
    "leave_one_site_out": "leaving a hospital out, leak-free",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_tables", description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--miniature", action="store_true", help="two dozen drawn photos, to see that everything runs")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)  # as the trainer's own command does
    bars = bars_on(Console(stderr=True))
    recipes = {name: recipe_of(name, small=asked.miniature) for name in PROTOCOLS}
    base = plain_base(asked.init)
    photos = a_few(recipes["few-cases"]) if asked.miniature else real_photos(asked, recipes["few-cases"], bars)
    figures: dict[str, Any] = {"snapshot_digest": photos.snapshot, "groups_digest": photos.groups_digest}
    for name, recipe in recipes.items():
        evidence = cross_validate(photos, base, recipe, asked.run, asked.processes, bars)
        figures |= {f"{name}.recipe_digest": recipe.digest()}
        figures |= {f"{name}.{key}": value for key, value in flat(evidence).items()}
    figures |= judge_bit_widths(photos, base, recipes["few-cases"], asked.run, bars)
    for line in tables(figures):
        print(line)
    finish("paper_tables", figures, asked.out)


def recipe_of(name: str, *, small: bool) -> Recipe:
    """A recipe with the seeds of this benchmark."""
    recipe = read_recipe(Path(str(files("trainer.recipes") / f"{name}.toml")))
    seeds: Mapping[str, Any] = PROTOCOLS[name]
    recipe = replace(recipe, evaluation=replace(recipe.evaluation, **seeds))
    if not small:
        return recipe
    by_photo: Mapping[str, Any] = {"published_protocol": (), "grouped_by_photo": SEEDS[:1], "leave_one_site_out": ()}
    return replace(
        recipe,
        preprocess=replace(recipe.preprocess, size=64),
        training=replace(recipe.training, epochs=min(1, recipe.training.epochs)),
        evaluation=replace(recipe.evaluation, **by_photo, bootstrap_draws=20, permutations=5),
        quantization=replace(recipe.quantization, photos=4, aware_steps=1, aware_batch=2),
    )


def real_photos(asked: argparse.Namespace, recipe: Recipe, bars: Bars) -> Photos:
    """CP-AnemiC, imported, with its groups."""
    source = open_source(asked, bars)
    return load_photos(source, groups_of(asked, source, asked.run / "same_photo", bars), recipe, bars)


def a_few(recipe: Recipe) -> Photos:
    return draw_photos(24, seed=1, best_auroc=0.99, spec=recipe.preprocess)


def flat(evidence: Evidence) -> dict[str, Any]:
    """Every figure of everybody, by protocol, with its interval; AUROC by seed."""
    found: dict[str, Any] = {name: value for name, value in figures_of(evidence).items() if "@" not in name}
    return found | {"auroc_by_seed": evidence["auroc_by_seed"], "permutation": evidence["permutation"]}


def tables(figures: Mapping[str, Any]) -> Iterator[str]:
    """Markdown."""
    yield "| who | protocol | AUROC [95 %] | accuracy at 0.5 |"
    yield "|---|---|---|---|"
    yield f"| the paper, FP32 | as it was published | {PUBLISHED['fp32']['auroc']} | {PUBLISHED['fp32']['accuracy']} |"
    for recipe, protocols in PROTOCOLS.items():
        for protocol in (protocol for protocol, seeds in protocols.items() if seeds):
            for who in ("model", "twin_look_up", "roi_area", "constant"):
                at = f"{recipe}.{protocol}.{who}"
                if f"{at}.auroc" in figures:
                    yield f"| {who}, {recipe} | {_WORDS[protocol]} | {told(figures, f'{at}.auroc')} | " + (
                        f"{told(figures, f'{at}.accuracy_at_half')} |"
                    )
    yield ""
    yield f"| bit width | {' | '.join(f'{measure}: published, ours leak-free' for measure in MEASURES)} |"
    yield "|---" * (1 + len(MEASURES)) + "|"
    for width, published in PUBLISHED.items():
        cells = (f"{published[measure]}, {shown(figures.get(f'test_side.{width}.{measure}'))}" for measure in MEASURES)
        yield f"| {width} | {' | '.join(cells)} |"
    yield ""
    yield "| layer | width | published | ours |"
    yield "|---|---|---|---|"
    for layer, widths in PUBLISHED_RANGES.items():
        for width, (low, high) in widths.items():
            ours = figures.get(f"amax.{width}.{layer}")
            yield f"| {layer} | {width} | [{low}, {high}] | {ours} |"


def told(figures: Mapping[str, Any], name: str) -> str:
    if f"{name}.low" not in figures:
        return shown(figures.get(name))
    return f"{figures[name]:.3f} [{figures[f'{name}.low']:.3f}, {figures[f'{name}.high']:.3f}]"


def shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
