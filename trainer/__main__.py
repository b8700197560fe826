"""``pallor-trainer``: from labelled photos to a release, in two steps that can each be run again."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    import torch
except ModuleNotFoundError:
    sys.exit("pallor-trainer: torch is not installed here. `make test` brings it, or: pip install -r lock/trainer.txt")
from rich.console import Console
from rich.markup import escape

from pallor.clock import SystemClock
from pallor.errors import PallorError
from trainer.evaluate import evaluate, figures_of, jobs_of, read_evidence, steps_of
from trainer.finetune import count_steps
from trainer.inputs import Inputs, add_options, progress, read_inputs
from trainer.make_release import make_release

_ABOUT = """\
Make a release of Pallor from labelled photos.

  pallor-trainer evaluate  --data DIR --run RUN               cross-validate: RUN/evaluation.json
  pallor-trainer release   --data DIR --run RUN --out FOLDER  train on all photos, export, pack
  pallor-trainer bootstrap --data DIR --run RUN --out FOLDER  both

DIR is laid out as CP-AnemiC is published, with same_photo_groups.csv in it or --groups CSV beside it: without knowing
which rows show the same photograph, nobody can be judged honestly, and the trainer refuses to try.
A killed evaluation goes on where it was: each finished fold lies in RUN/folds.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when done, 2 when it was refused."""
    args = _parser().parse_args(argv)
    console = Console(stderr=True)
    torch.set_num_threads(1)  # more stall each other on a busy machine, and would change the sums
    try:
        inputs = read_inputs(args, console)
        if args.command in ("evaluate", "bootstrap"):
            evidence = cross_validate(inputs, args.run, args.processes, console)
            print(json.dumps({"figures": figures_of(evidence)}))
        if args.command in ("release", "bootstrap"):
            release(inputs, args.run, args.out, args.release_id, console)
    except PallorError as error:
        console.print(f"[red]{error.code()}[/red] {escape(str(error))}", highlight=False)
        return 2
    return 0


def cross_validate(inputs: Inputs, run: Path, processes: int, console: Console) -> dict[str, Any]:
    """``trainer.evaluate.evaluate`` behind a progress bar."""
    photos, base, recipe = inputs.photos, inputs.base, inputs.recipe
    with progress(console, "cross-validation", steps_of(jobs_of(photos, recipe), recipe)) as stepped:
        return evaluate(photos, base, recipe, run, processes=processes, stepped=stepped)


def release(inputs: Inputs, run: Path, folder: Path, release_id: str | None, console: Console) -> None:
    """``trainer.make_release.make_release`` around the evaluation in ``run``, behind a progress bar."""
    photos, base, recipe = inputs.photos, inputs.base, inputs.recipe
    evidence = read_evidence(run, photos, base, recipe)
    now = SystemClock().now()
    with progress(console, "training on all photos", count_steps(len(photos), recipe.training)) as stepped:
        manifest, parity = make_release(
            photos,
            base,
            recipe,
            evidence,
            folder,
            release_id=release_id or f"bootstrap-{now:%Y-%m}",
            now=now,
            stepped=lambda: stepped(1),
        )
    console.print(f"{manifest.release_id} in {folder}, manifest {manifest.digest()}", highlight=False, soft_wrap=True)
    console.print(f"largest |dp| from torch over {parity.photos} photos: {parity.max_abs_dp:.1e}", highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "pallor-trainer", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in (
        ("evaluate", "cross-validate a recipe, leak-free, with its controls"),
        ("release", "train on all photos and pack a release around an evaluation"),
        ("bootstrap", "evaluate, then release"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        add_options(command)
        if name != "evaluate":
            command.add_argument("--out", type=Path, required=True, help="the release folder; replaced if it exists")
            command.add_argument("--release-id", help="default: bootstrap-YYYY-MM")
    return parser


if __name__ == "__main__":
    sys.exit(main())
