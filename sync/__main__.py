"""``pallor-sync``: what is on this machine's shelf, and how a release gets there."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pallor.errors import PallorError
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import Shelf, ShelfEmpty
from pallor.settings import explain, load, path, setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What ``pallor-sync`` reads from the environment."""

    shelf: Path = setting("PALLOR_SHELF", path, "The folder that holds this machine's releases")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 2 when something has to be put right first."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[Shelf, argparse.Namespace], None] = options.run
        run(Shelf(load(Settings, os.environ).shelf), options)
    except PallorError as error:
        print(f"pallor-sync: {error}", file=sys.stderr)
        return 2
    return 0


def _status(shelf: Shelf, _options: argparse.Namespace) -> None:
    release = shelf.current()
    print(f"{release.release_id}  {release.digest}  {release.manifest.status}  every file as its manifest says")


def _put(shelf: Shelf, options: argparse.Namespace) -> None:
    release = shelf.put(options.folder, trusted_digest=options.digest)
    print(f"{release.release_id} is on the shelf")
    if options.activate:
        shelf.activate(release.release_id)
        print(f"{release.release_id} is active")
        print(f"let the backend know it too: pallor-backend release-add {release.folder} --digest {release.digest}")


def _bootstrap(shelf: Shelf, _options: argparse.Namespace) -> None:
    try:
        print(f"{shelf.current_id()} is active already; nothing was changed")
    except ShelfEmpty:
        release = shelf.put(bootstrap_folder(), trusted_digest=BOOTSTRAP_DIGEST)
        shelf.activate(release.release_id)
        print(f"{release.release_id} is active")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pallor-sync",
        description="Keep this machine's shelf of releases. Releases are brought by hand and trusted by digest; signed "
        "releases that come by themselves are not built yet.",
        epilog=f"environment:\n{explain(Settings)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="which release is active, after checking each of its files")
    status.set_defaults(run=_status)
    first = commands.add_parser("bootstrap", help="let an empty shelf serve the release that Pallor comes with")
    first.set_defaults(run=_bootstrap)
    put = commands.add_parser("put", help="copy a release onto the shelf")
    put.add_argument("folder", type=Path, help="the folder that holds manifest.json")
    put.add_argument("--digest", required=True, help="the manifest's digest, from whoever made the release")
    put.add_argument("--activate", action="store_true", help="let the worker serve it from now on")
    put.set_defaults(run=_put)
    return parser


if __name__ == "__main__":
    sys.exit(main())
