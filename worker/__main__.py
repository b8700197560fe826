"""``pallor-worker``: the command."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pallor import log
from pallor.clock import SystemClock
from pallor.errors import PallorError
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import CHALLENGER, CURRENT, Release, Shelf
from pallor.settings import explain, load, whole
from pallor.store import open_store
from worker.app import create_worker
from worker.child import Part, not_admitted, serve_release
from worker.describe import describe, in_words
from worker.engines.machine import ENGINES
from worker.engines.plan import GpuEngineFailed, load_engine, told
from worker.engines.probe import probe
from worker.line import ChildLine
from worker.score import Row, find_photos, opened, score, write_csv
from worker.selftest import EngineDisagrees, EngineFails
from worker.serving import Serving, admit
from worker.settings import EngineSettings, Settings

_ABOUT = """\
Score photos of the inner lower eyelid for anaemia.

  pallor-worker serve             take photos from the queue, answer them, until a signal ends the process
  pallor-worker score DIR         score a folder of photos, or some files, to a table or a CSV file
  pallor-worker describe          say what this machine can run, on what engine, and how the golden photos went

A release that does not answer its golden photos as its manifest says is never used. Pallor is a screening aid: no
number it prints is a diagnosis.
"""
_SERVE = """\
Take photos from the queue and answer them, with fresh processes for each release that the shelf names. A new release
takes over process by process, once it has answered its golden photos; one that does not leaves the old one serving. A
release in the shelf's slot `challenger` is served beside it, from a queue of its own; nobody is shown what it says.
SIGTERM ends it after the photos in hand; a killed one loses nothing.

What it reads from the environment:
"""
_SCORE = """\
Score photos to a table, or to a CSV file. In a folder, and below it, every .png, .jpg, .jpeg and .webp is a photo; a
file named itself is always tried. The alpha channel, where there is one, marks the region; without one the whole photo
is used. A photo that is refused gets a row with the reason and does not stop the rest. A photo of poor quality is
scored, and its row says what is wrong with it.

Exit code: 0 when every photo was read, 1 when any was refused, 2 when nothing could be done.
"""


_DESCRIBE = """\
Say what this machine can run: its processor and GPU, what of a release's files it can use, which engine would serve,
why not another, and how the release's golden photos went.

Exit code: 0 when the release may serve here, 2 when not; what was found out is printed in both cases.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see ``_SCORE`` for what the exit codes mean."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except PallorError as error:
        print(f"pallor-worker: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="pallor-worker", description=_ABOUT, formatter_class=shape)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve", help="answer the queue", description=_SERVE + explain(Settings), formatter_class=shape
    )
    serve.set_defaults(run=_serve)

    child = commands.add_parser("child")  # for the parent alone: it speaks in lines, not to people
    child.add_argument("release_id")
    child.add_argument("--slot", choices=[CURRENT, CHALLENGER], default=CURRENT)
    child.add_argument("--without-gpu", metavar="REASON")
    child.set_defaults(run=_child)

    scoring = commands.add_parser("score", help="score photos on disk", description=_SCORE, formatter_class=shape)
    scoring.add_argument("places", metavar="DIR|FILE", nargs="+", type=Path, help="folders of photos, or photos")
    scoring.add_argument("--csv", metavar="FILE", type=Path, help="write CSV to FILE, - for standard output")
    scoring.set_defaults(run=_score)

    describing = commands.add_parser(
        "describe", help="say what this machine can run", description=_DESCRIBE, formatter_class=shape
    )
    describing.add_argument("--json", action="store_true", help="one JSON object, always of the same names")
    describing.set_defaults(run=_describe)
    for command in (scoring, describing):
        which = command.add_mutually_exclusive_group()
        which.add_argument(
            "--release", metavar="DIR", type=Path, help="a release folder; default: what serves on PALLOR_SHELF, if set"
        )
        which.add_argument("--bundled", action="store_true", help="the release that comes with Pallor, whatever serves")
        command.add_argument("--threads", metavar="N", type=_threads, help="instead of PALLOR_ENGINE_THREADS")
        command.add_argument("--engine", choices=ENGINES, help="instead of PALLOR_ENGINE")
        command.add_argument("--plans", metavar="DIR", type=Path, help="instead of PALLOR_PLANS")
        command.epilog = f"What it reads from the environment, as serve does:\n{explain(EngineSettings)}"
    return parser


def _threads(raw: str) -> int:
    try:
        return whole(1, 256)(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not {error} (got {raw})") from error


def _serve(_: argparse.Namespace) -> int:
    settings = load(Settings, os.environ)
    log.configure("worker", settings.log_level)
    return create_worker(settings, clock=SystemClock(), environ=os.environ).serve()


def _child(arguments: argparse.Namespace) -> int:
    line = ChildLine()
    settings = load(Settings, os.environ)
    log.configure("worker", settings.log_level)
    part = Part(arguments.release_id, arguments.slot, arguments.without_gpu)
    try:
        store = open_store(settings.store_url, s3_endpoint=settings.s3_endpoint, make=False)
        return serve_release(part, settings, store=store, clock=SystemClock(), line=line)
    except PallorError as error:
        return not_admitted(line, error)


def _score(arguments: argparse.Namespace) -> int:
    files = find_photos(arguments.places)
    serving = _admitted(arguments)
    with opened(arguments.csv) as out:
        with _progress() as progress:
            rows = list(progress.track(score(files, serving), total=len(files), description="scoring"))
        if out:
            write_csv(rows, out)
        else:
            Console().print(_table(rows, serving.release))
    return 1 if any(row.refusal for row in rows) else 0


def _describe(arguments: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):  # whatever a library prints, a program reads JSON alone
        said = describe(probe(), _meant(arguments).engine_threads, lambda: _admitted(arguments))
    if arguments.json:
        print(json.dumps(said, sort_keys=True))
    else:
        for name, value in in_words(said):  # a digest is to be copied: no line is broken
            print(f"{name:<14} {value}")
    return 0 if said["admitted"] else 2


def _meant(arguments: argparse.Namespace) -> EngineSettings:
    """What the environment says, as ``serve`` would read it, unless an option says otherwise."""
    told = {"engine": arguments.engine, "plans": arguments.plans, "engine_threads": arguments.threads}
    return replace(load(EngineSettings, os.environ), **{name: one for name, one in told.items() if one is not None})


def _release(arguments: argparse.Namespace, shelf: Path | None) -> Release:
    if arguments.release is not None:
        return Release.open(arguments.release)
    if shelf is None or arguments.bundled:
        return Release.open(bootstrap_folder(), trusted_digest=BOOTSTRAP_DIGEST)
    return Shelf(shelf).current()


def _admitted(arguments: argparse.Namespace) -> Serving:
    meant = _meant(arguments)
    release = _release(arguments, meant.shelf)
    load = partial(load_engine, threads=meant.engine_threads)
    try:
        return admit(release, partial(load, engine=meant.engine, plans=meant.plans, progress=_building()))
    except (GpuEngineFailed, EngineDisagrees, EngineFails) as error:
        # What the GPU lost by it comes back when this command ends. A CPU that disagrees does so again.
        reason = str(error) if isinstance(error, GpuEngineFailed) else told(error)
        return admit(release, partial(load, without_gpu=reason))


def _building() -> Callable[[str, int, int], None]:
    """Says once that a plan is built, which can take minutes."""
    said: set[str] = set()

    def tell(phase: str, _done: int, _total: int) -> None:
        if not said:
            Console(stderr=True).print("building a plan for this GPU, once")
        said.add(phase)

    return tell


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _table(rows: Sequence[Row], release: Release) -> Table:
    refused = sum(bool(row.refusal) for row in rows)
    shared = os.path.commonpath([os.path.dirname(os.path.abspath(row.file)) for row in rows])
    table = Table(
        title=f"{len(rows)} photos, {refused} refused",
        caption=f"Release {release.release_id}, {release.manifest.status}: a screening aid, not a diagnosis.",
    )
    table.add_column("file", overflow="fold")
    table.add_column("quality")
    table.add_column("probability", justify="right")
    table.add_column("release")
    table.add_column("ms", justify="right")
    for row in rows:
        answer = f"refused: {row.refusal}" if row.probability is None else f"{row.probability:.3f}"
        name = escape(os.path.relpath(row.file, shared))
        table.add_row(name, row.quality, answer, row.release, f"{1000 * row.seconds:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
