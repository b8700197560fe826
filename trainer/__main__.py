"""``pallor-trainer``: from labelled photos to a release, in two steps that can each be run again."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
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
from trainer.data.group_report import group_photos
from trainer.evaluate import evaluate, figures_of, jobs_of, read_evidence, steps_of
from trainer.finetune import count_steps
from trainer.inputs import Inputs, add_options, add_processes, progress, read_inputs
from trainer.make_release import make_release

_ABOUT = """\
Make a release of Pallor from labelled photos.

  pallor-trainer groups    --photos DIR --out FOLDER          which photos show the same photograph
  pallor-trainer evaluate  --data DIR --run RUN               cross-validate: RUN/evaluation.json
  pallor-trainer release   --data DIR --run RUN --out FOLDER  train on all photos, export, pack
  pallor-trainer bootstrap --data DIR --run RUN --out FOLDER  both

DIR is laid out as CP-AnemiC is published. Without knowing which rows show the same photograph, nobody can be judged
honestly: same_photo_groups.csv in it says so, or --groups CSV; without either, the groups are found in the photos
first, as `groups` does it for any folder of photos.
A killed evaluation goes on where it was: each finished fold lies in RUN/folds.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when done, 2 when it was refused."""
    args = _parser().parse_args(argv)
    console = Console(stderr=True)
    torch.set_num_threads(1)  # more stall each other on a busy machine, and would change the sums
    try:
        if args.command == "groups":
            print(json.dumps({"figures": find_groups(args.photos, args.out, args.processes, console)}))
            return 0
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


def find_groups(photos: Path, out: Path, processes: int, console: Console) -> dict[str, Any]:
    """``trainer.data.group_report.group_photos`` behind progress bars; the figures of each level."""
    report = group_photos(photos, out, processes=processes, bars=partial(progress, console))
    for image_id, problem in report["unreadable"].items():
        console.print(f"[yellow]not read[/yellow] {escape(image_id)}: {escape(problem)}", highlight=False)
    console.print(f"look at {out / 'contact_sheet.png'} and {out / 'groups.md'}", highlight=False, soft_wrap=True)
    return {level: figures | {"sizes": figures["sizes"][:10]} for level, figures in report["levels"].items()}


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
    words = "find the photos that show the same photograph"
    groups = commands.add_parser("groups", help=words, description=words)
    groups.add_argument("--photos", type=Path, required=True, help="folder of photos, in CP-AnemiC's layout or any")
    groups.add_argument("--out", type=Path, required=True, help="folder for CSV, report, contact sheet and features")
    add_processes(groups)
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
