"""``pallor-sync``: who this machine is to its server, what is on its shelf, and how releases get there."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pallor.enrolment import shown_fingerprint
from pallor.errors import PallorError, Refused
from pallor.log import configure
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import CHALLENGER, Shelf, ShelfEmpty
from pallor.settings import explain, load, path, setting
from sync.alone import alone
from sync.enrol import enrol, standing
from sync.identity import read_identity
from sync.join import AgentSettings, Joined, join, live
from sync.journal import Journal, read_journal
from sync.status import told


class NoRepository(Refused):
    """The folder holds nothing that could be imported."""


@dataclass(frozen=True, kw_only=True)
class ShelfSettings:
    """What the commands read from the environment that look after the shelf."""

    shelf: Path = setting("PALLOR_SHELF", path, "The folder that holds this machine's releases")
    state: Path | None = setting("PALLOR_NODE_STATE", path, "What the agent remembers, if there is one", default=None)


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """What the commands read from the environment that speak to the server."""

    state: Path = setting("PALLOR_NODE_STATE", path, "The folder that holds this machine's key and who it is")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 when a round left something undone, 2 when nothing could be done."""
    options = _parser().parse_args(arguments)
    logging.getLogger("sync").addHandler(logging.NullHandler())  # who types a command reads what it prints
    try:
        run: Callable[[argparse.Namespace], int | None] = options.run
        return run(options) or 0
    except PallorError as error:
        print(f"pallor-sync: {error}", file=sys.stderr)
        return 2


def _enrol(options: argparse.Namespace) -> None:
    identity = enrol(options.link, _state(options), insecure_http=options.insecure_http)
    print(f"This machine is {identity.device} of {', '.join(identity.sites)} at {identity.address}.")
    print("It is let in once an administrator has compared its fingerprint. Read this to them:\n")
    print(f"{shown_fingerprint(identity.fingerprint)}\n")
    print(f"They type it in: pallor-backend device-confirm {identity.device} --fingerprint '...'")


def _whoami(options: argparse.Namespace) -> None:
    identity = read_identity(_state(options))
    print(f"This machine is {identity.device} of {', '.join(identity.sites)} at {identity.address}; its fingerprint:\n")
    print(f"{shown_fingerprint(identity.fingerprint)}\n")
    print(standing(identity))


def _status(_options: argparse.Namespace) -> None:
    settings = load(ShelfSettings, os.environ)
    shelf = Shelf(settings.shelf)
    release = shelf.current()
    print(f"{release.release_id}  {release.digest}  {release.manifest.status}  every file as its manifest says")
    for line in told(shelf, settings.state):
        print(f"  {line}")


def _once(_options: argparse.Namespace) -> int:
    return _round(join(load(AgentSettings, os.environ)))


def _round(joined: Joined) -> int:
    """One round, told; 1 when there is something that it could not do."""
    before = read_journal(joined.settings.state).errors
    journal = joined.agent.once()
    _tell(journal)
    return int(journal.errors != before)


def _import(options: argparse.Namespace) -> int:
    folder = options.folder / "tuf" if (options.folder / "tuf").is_dir() else options.folder
    if not (folder / "metadata").is_dir():
        raise NoRepository(
            "there is no repository in this folder", field="USB_DIR", value=options.folder,
            remedy="Copy the store's tuf folder, with all that is in it, onto the stick.",
        )  # fmt: skip
    return _round(join(load(AgentSettings, os.environ), base=f"file://{folder.resolve()}"))


def _watch(_options: argparse.Namespace) -> None:
    configure("sync")
    joined, stop = join(load(AgentSettings, os.environ)), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    live(joined, stop)


def _rollback(_options: argparse.Namespace) -> None:
    joined = join(load(AgentSettings, os.environ))
    journal = joined.agent.step_back_by_hand()
    if journal.stepped_back:
        print(f"{journal.stepped_back.release_id} is taken off, and not tried here again")
    _tell(journal)


def _tell(journal: Journal) -> None:
    settings = load(AgentSettings, os.environ)
    for line in told(Shelf(settings.shelf), settings.state):
        print(line)
    if journal.stale_since:
        print("Changes have stopped; what answers goes on answering.")


def _put(options: argparse.Namespace) -> None:
    shelf = _shelf()
    with alone(shelf.root):
        release = shelf.put(options.folder, trusted_digest=options.digest)
        print(f"{release.release_id} is on the shelf")
        if options.activate:
            shelf.activate(release.release_id)
            if shelf.named(CHALLENGER) == release.release_id:
                shelf.let(CHALLENGER, None)
        elif options.challenge:
            shelf.let(CHALLENGER, release.release_id)
    until = "until an agent (pallor-sync watch) follows what is signed for this node"
    if options.activate:
        print(f"{release.release_id} is active, {until}")
    elif options.challenge:
        print(f"{release.release_id} answers beside what is active, shown to nobody, {until}")
    else:
        print("It does not answer. An agent (pallor-sync watch) frees what no slot names: --activate lets it answer.")
        return
    print(f"let the backend know it too: pallor-backend release-add {release.folder} --digest {release.digest}")
    print("whether a worker took it up: GET /api/v1/health/ready, and the worker's log")


def _unchallenge(_options: argparse.Namespace) -> None:
    shelf = _shelf()
    with alone(shelf.root):
        ended = shelf.named(CHALLENGER)
        shelf.let(CHALLENGER, None)
    print(f"{ended} no longer answers beside what is active" if ended else "nothing answered beside what is active")


def _bootstrap(_options: argparse.Namespace) -> None:
    shelf = _shelf()
    try:
        print(f"{shelf.current_id()} is active already; nothing was changed")
    except ShelfEmpty:
        release = shelf.put(bootstrap_folder(), trusted_digest=BOOTSTRAP_DIGEST)
        shelf.activate(release.release_id)
        print(f"{release.release_id} is active")


def _shelf() -> Shelf:
    return Shelf(load(ShelfSettings, os.environ).shelf)


def _state(options: argparse.Namespace) -> Path:
    return options.state or load(NodeSettings, os.environ).state


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pallor-sync",
        description="Enrol this machine with its server, and keep its shelf of releases: signed ones come by "
        "themselves (watch), or on a stick (import); one whose digest you trust comes by hand (put).",
        epilog=f"environment:\n{explain(AgentSettings)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    come_in = commands.add_parser("enrol", help="come in by the link that an administrator made for this machine")
    come_in.add_argument(
        "link", metavar="LINK", help="the whole link, in quotes: 'https://HOST/enrol#code=...&root=...'"
    )
    come_in.add_argument(
        "--insecure-http", action="store_true", help="also to another machine without TLS: on your own network alone"
    )
    come_in.set_defaults(run=_enrol)
    ask = commands.add_parser("whoami", help="this machine's name and fingerprint, and whether the server lets it in")
    ask.set_defaults(run=_whoami)
    for one in (come_in, ask):
        one.add_argument(
            "--state",
            type=Path,
            metavar="DIR",
            help="the folder for its key and who it is (default: PALLOR_NODE_STATE)",
        )
    for name, run, what in (
        ("once", _once, "look at what is signed, and follow it, once"),
        ("watch", _watch, "the same again and again, until a signal ends it: for a service"),
        ("rollback", _rollback, "go back to the previous release now, whatever is signed"),
    ):
        commands.add_parser(name, help=what, description=what).set_defaults(run=run)
    stick = commands.add_parser("import", help="the same from a folder, such as a USB stick's; its rules are the same")
    stick.add_argument("folder", type=Path, metavar="USB_DIR", help="a copy of the store's tuf folder")
    stick.set_defaults(run=_import)
    status = commands.add_parser(
        "status", help="what answers, after checking each of its files, and what the agent knows"
    )
    status.set_defaults(run=_status)
    first = commands.add_parser("bootstrap", help="let an empty shelf serve the release that Pallor comes with")
    first.set_defaults(run=_bootstrap)
    put = commands.add_parser(
        "put",
        help="copy a release onto the shelf, by hand",
        description="Copy a release onto the shelf, where no agent does it. An agent that works on this shelf follows "
        "what is signed, takes off what was put there by hand, and frees what no slot names.",
    )
    put.add_argument("folder", type=Path, help="the folder that holds manifest.json")
    put.add_argument("--digest", required=True, help="the manifest's digest, from whoever made the release")
    slot = put.add_mutually_exclusive_group()
    slot.add_argument("--activate", action="store_true", help="let the worker serve it from now on")
    slot.add_argument(
        "--challenge", action="store_true", help="let it answer beside what is active; nobody is shown what it says"
    )
    put.set_defaults(run=_put)
    alone_again = "let nothing answer beside what is active"
    commands.add_parser("unchallenge", help=alone_again, description=alone_again).set_defaults(run=_unchallenge)
    return parser


if __name__ == "__main__":
    sys.exit(main())
