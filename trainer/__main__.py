"""``pallor-trainer``: from labelled photos to a judged release candidate."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pallor.errors import PallorError
from pallor.settings import whole
from trainer.engines import FAMILIES
from trainer.options import add_making, add_options, add_processes, add_source, argument, server
from trainer.progress import bars_on

_ENGINES = """\
Build plans for NVIDIA GPUs ahead of time with TensorRT-RTX (pip install tensorrt-rtx-cu13), and write the release once
more, with them in it. No GPU is needed here. A node with such a GPU then loads its plan at once; one whose plan is not
among them, or whose TensorRT-RTX is of another version, builds its own from the release's graph.

A manifest never changes, so what is written is a release of its own: give its name, digest and folder to whoever signs.
Plans run on the operating system and processor architecture of the machine that built them. They are not tried here:
every node asks the golden photos first.

  sm75  RTX 20, T4         sm86  RTX 30, A10, A40     sm120  RTX 50
  sm80  A100, A30          sm89  RTX 40, L4, L40      sm121  DGX Spark
"""
_ABOUT = """\
Make a release candidate of Pallor from labelled photos, and judge it.

  pallor-trainer cycle    --runs FOLDER --data DIR             the whole round: RUN/8-candidate and its report.html
  pallor-trainer cycle    --runs FOLDER --api URL --store URL --if-due
                                                               for a timer: export, make, post, when enough is new
  pallor-trainer groups   --photos DIR --out FOLDER            which photos show the same photograph
  pallor-trainer evaluate --data DIR --run RUN                 cross-validate a recipe: RUN/evidence.json
  pallor-trainer import cp-anemic DIR --store URL              a snapshot of the public data set
  pallor-trainer engines  RELEASE_FOLDER --out FOLDER          the release once more, with plans for NVIDIA GPUs in it

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
    try:
        from trainer.commands import command_of  # torch takes seconds, which --help and a slip of the pen need not wait
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        sys.exit("pallor-trainer: torch is not installed. `make test` brings it, or: pip install -r lock/trainer.txt")
    try:
        said = command_of(args.command)(args, bars_on(console), console)
    except PallorError as error:
        console.print(f"[red]{error.code()}[/red] {escape(str(error))}", highlight=False)
        for note in getattr(error, "__notes__", ()):
            console.print(escape(note), highlight=False)
        return 2
    except OSError as error:
        console.print(f"[red]file-unusable[/red] {escape(_told(error))}", highlight=False)
        return 2
    print(json.dumps({"figures": said}))
    return 3 if said.get("gate_passed") is False else 0


def _told(error: OSError) -> str:
    """Of a folder where a file should be, no rights, a full disk: what no part has foreseen."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Check the path, the rights to it and the room on its disk."


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
    of_cycle.add_argument(
        "--api", type=argument(server), help="server to ask for a snapshot and to post the candidate to, https://…"
    )
    add_making(of_cycle)
    of_cycle.add_argument("--champion", type=Path, help="folder of the release in use, to be held against")
    of_cycle.add_argument(
        "--key",
        type=Path,
        help="the trainer's own .key file (passphrase: $PALLOR_KEY_PASSPHRASE): a candidate that passes is signed, and "
        "the server lets it answer beside the release in use, shown to nobody",
    )
    of_cycle.add_argument(
        "--if-due", action="store_true", help="do nothing unless enough is new since the last run, or drifts"
    )
    of_cycle.add_argument(
        "--new-cases",
        type=argument(whole(1)),
        default=100,
        help="so many are enough, the first time too (default: 100)",
    )
    of_cycle.add_argument(
        "--days", type=argument(whole(0, 3650)), default=30, help="after so many, one is enough (default: 30)"
    )

    of_groups = command("groups", "find the photos that show the same photograph")
    of_groups.add_argument("--photos", type=Path, required=True, help="folder of photos, in CP-AnemiC's layout or any")
    of_groups.add_argument("--out", type=Path, required=True, help="folder for CSV, report, contact sheet and features")
    add_processes(of_groups)

    add_options(command("evaluate", "cross-validate a recipe, leak-free, with its controls"))

    of_engines = commands.add_parser(
        "engines", help="put plans for GPUs into a release", description=_ENGINES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    of_engines.add_argument("release", metavar="RELEASE_FOLDER", type=Path, help="the release; it stays as it is")
    of_engines.add_argument("--out", type=Path, required=True, help="the new release's folder")
    of_engines.add_argument(
        "--families", metavar="LIST", type=_listed, default=FAMILIES,
        help=f"kinds of GPU, with commas between (default: {','.join(FAMILIES)})",
    )  # fmt: skip
    of_engines.add_argument(
        "--precisions", metavar="LIST", type=_listed, default=("int8", "fp16"),
        help="of the release's graphs for GPUs (default: int8,fp16)",
    )  # fmt: skip
    of_engines.add_argument("--release-id", help="its name (default: the old one and TensorRT-RTX's version)")

    of_import = command("import", "freeze a public data set as a snapshot")
    of_import.add_argument("kind", choices=["cp-anemic"], help="its layout")
    of_import.add_argument("folder", type=Path, help="where it lies")
    of_import.add_argument(
        "--store", default=os.environ.get("PALLOR_STORE_URL"), required="PALLOR_STORE_URL" not in os.environ,
        help="object store, file:///path or s3://bucket/prefix (default: $PALLOR_STORE_URL)",
    )  # fmt: skip
    return parser


def _listed(text: str) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise argparse.ArgumentTypeError("it names nothing")
    return parts


if __name__ == "__main__":
    sys.exit(main())
