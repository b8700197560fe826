"""``pallor-trainer``: from labelled photos to a judged release candidate."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
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
from pallor.store import open_store
from trainer.cross_validate import cross_validate
from trainer.data.group_report import group_photos, photos_in
from trainer.figures import figures_of
from trainer.inputs import add_making, add_options, add_processes, add_source, import_folder, read_inputs
from trainer.progress import Bars, bars_on
from trainer.rounds import go_round
from trainer.steps import write_json

_ABOUT = """\
Make a release candidate of Pallor from labelled photos, and judge it.

  pallor-trainer cycle    --runs FOLDER --data DIR             the whole round: RUN/8-candidate and its report.html
  pallor-trainer cycle    --runs FOLDER --api URL --store URL --if-due
                                                               for a timer: export, make, post, when enough is new
  pallor-trainer groups   --photos DIR --out FOLDER            which photos show the same photograph
  pallor-trainer evaluate --data DIR --run RUN                 cross-validate a recipe: RUN/evidence.json
  pallor-trainer import cp-anemic DIR --store URL              a snapshot of the public data set

A snapshot is a frozen set of labelled photos: --data DIR imports one from CP-AnemiC's layout, --snapshot DIGEST names
one in --store, and --api lets the server export what may be learned from now (token in $PALLOR_TRAINER_TOKEN).
Without knowing which rows show the same photograph, nobody can be judged honestly: same_photo_groups.csv in DIR says
so, or --groups CSV; without either, the groups are found in the photos first.
Whatever is killed goes on where it was when it is called again with the same options.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when done, 2 when it was refused, 3 when the gate refused the candidate."""
    args = _parser().parse_args(argv)
    console = Console(stderr=True)
    torch.set_num_threads(1)  # more stall each other on a busy machine, and would change the sums
    commands: Mapping[str, Callable[[argparse.Namespace, Bars, Console], Mapping[str, Any]]] = {
        "cycle": cycle,
        "groups": groups,
        "evaluate": evaluate,
        "import": import_data,
    }
    try:
        said = commands[args.command](args, bars_on(console), console)
    except PallorError as error:
        console.print(f"[red]{error.code()}[/red] {escape(str(error))}", highlight=False)
        return 2
    print(json.dumps({"figures": said}))
    return 3 if said.get("gate_passed") is False else 0


def cycle(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """``trainer.rounds.go_round``, told to people."""
    ended = go_round(args, SystemClock(), bars)
    if ended.outcome is None:
        console.print(escape(ended.said), highlight=False)
        return {"due": False}
    outcome = ended.outcome
    console.print(f"{outcome.manifest.release_id} in {outcome.candidate}", highlight=False, soft_wrap=True)
    console.print(f"read {outcome.report}, and mistakes.html beside it", highlight=False, soft_wrap=True)
    for refusal in outcome.refusals:
        console.print(f"[red]{refusal.reason}[/red] {escape(refusal.said)}", highlight=False, soft_wrap=True)
    console.print("the gate refuses it" if outcome.refusals else "the gate lets it pass", highlight=False)
    return {
        "due": True,
        "release_id": outcome.manifest.release_id,
        "manifest": outcome.manifest.digest(),
        "gate_passed": not outcome.refusals,
        "gate_refusals": [refusal.reason for refusal in outcome.refusals],
    }


def groups(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """``trainer.data.group_report.group_photos`` of a folder; the figures of each level."""
    report = group_photos(*photos_in(args.photos), args.out, processes=args.processes, bars=bars)
    for image_id, problem in report["unreadable"].items():
        console.print(f"[yellow]not read[/yellow] {escape(image_id)}: {escape(problem)}", highlight=False)
    console.print(
        f"look at {args.out / 'contact_sheet.png'} and {args.out / 'groups.md'}", highlight=False, soft_wrap=True
    )
    return {level: figures | {"sizes": figures["sizes"][:10]} for level, figures in report["levels"].items()}


def evaluate(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """Cross-validate by the protocols that the recipe has seeds for."""
    inputs = read_inputs(args, bars)
    evidence = cross_validate(inputs.photos, inputs.base, inputs.recipe, args.run, args.processes, bars)
    write_json(args.run / "evidence.json", evidence)
    console.print(f"evidence in {args.run / 'evidence.json'}", highlight=False, soft_wrap=True)
    return figures_of(evidence)


def import_data(args: argparse.Namespace, bars: Bars, console: Console) -> Mapping[str, Any]:
    """Freeze the public data set."""
    digest = import_folder(args.folder, open_store(args.store), bars)
    console.print(f"snapshot {digest}", highlight=False, soft_wrap=True)
    return {"snapshot": digest}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "pallor-trainer", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words)

    of_cycle = command("cycle", "make a candidate and judge it; goes on with an unfinished one")
    of_cycle.add_argument("--runs", type=Path, required=True, help="folder for runs, one folder each; keep it private")
    add_source(of_cycle)
    of_cycle.add_argument("--api", help="server to ask for a snapshot and to post the candidate to, https://…")
    add_making(of_cycle)
    of_cycle.add_argument("--champion", type=Path, help="folder of the release in use, to be held against")
    of_cycle.add_argument("--if-due", action="store_true", help="do nothing unless enough is new since the last run")
    of_cycle.add_argument("--new-cases", type=int, default=100, help="so many are enough (default: 100)")
    of_cycle.add_argument("--days", type=int, default=30, help="after so many, one is enough (default: 30)")

    of_groups = command("groups", "find the photos that show the same photograph")
    of_groups.add_argument("--photos", type=Path, required=True, help="folder of photos, in CP-AnemiC's layout or any")
    of_groups.add_argument("--out", type=Path, required=True, help="folder for CSV, report, contact sheet and features")
    add_processes(of_groups)

    add_options(command("evaluate", "cross-validate a recipe, leak-free, with its controls"))

    of_import = command("import", "freeze a public data set as a snapshot")
    of_import.add_argument("kind", choices=["cp-anemic"], help="its layout")
    of_import.add_argument("folder", type=Path, help="where it lies")
    of_import.add_argument(
        "--store", default=os.environ.get("PALLOR_STORE_URL"), required="PALLOR_STORE_URL" not in os.environ,
        help="object store, file:///path or s3://bucket/prefix (default: $PALLOR_STORE_URL)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
