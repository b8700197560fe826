"""``pallor``: the whole of it on one machine."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pallor.errors import PallorError
from pallor.onebox.broker import Settings
from pallor.settings import explain

_ABOUT = """\
Pallor on one machine: anaemia screening from a photo of the inner lower eyelid.

  pallor demo         start everything, send photos through, print what became of them
  pallor up           start everything and keep it running
  pallor score DIR    score photos on disk, without a server (it hands over to pallor-worker score)
  pallor backup FILE  put everything that must not be lost into one file, while it runs
  pallor restore FILE make a data folder from such a file

Nothing has to be installed beside it and nothing runs as root: SQLite, a folder and a Valkey server of its own.
Whatever Pallor says of a photo is investigational. It clears no one; who may be anaemic needs a blood test.
"""
_UP = """\
Start the API, its consumer and sweeper, one worker and Valkey, and keep them running: what dies is started again.
The first start makes the data folder; cases, photos, labels, releases, logs and a token of yours lie in it.
Ctrl-C or SIGTERM ends everything cleanly (exit code 0); a second Ctrl-C does not wait.

The environment is passed on to the parts (pallor-backend --help, pallor-worker serve --help), but for where database,
store, broker and shelf are: they are in the data folder. Read here:
"""
_DEMO = """\
Start everything in a folder of its own, send photos through the HTTP API, and print a table of what became of them:
quality, probability, advice. Post the laboratory's haemoglobin for half of the cases and print the labels.

Without --photos the photos are drawn and the world is synthetic. With it the world is real: CP-AnemiC's folder (its
sheet brings haemoglobin, age, sex, site), or any folder of PNG, JPEG and WebP images; then nothing is known of the
people: placeholders are filled in and named, no haemoglobin is made up, and no label appears.

Everything stays up until Ctrl-C, and with --exit ends by itself.

exit code: 0 when nothing was lost (Ctrl-C after the tables is the demonstration's normal end)
           1 when a photo was lost or a label did not appear
           2 when something has to be put right first
           130 when Ctrl-C came before the end
"""
_BACKUP = """\
Put everything of a data folder that must not be lost into one new file: the database as it is at one moment, photos,
labels, releases, the console's token. The machine may run meanwhile, or not; nobody has to wait for it.

The file holds people's data and the machine's secrets, and it is not encrypted: keep it on an encrypted disk, not the
one that it is to replace. A backup that was never restored is a hope: try `pallor restore` into a folder of its own.

exit code: 0 when FILE is complete and on disk, 2 when there is no FILE and something has to be put right first
"""
_RESTORE = """\
Make a data folder from what `pallor backup` wrote. Every byte is checked against its digest before the folder appears,
and nothing is ever restored over existing data: --data names a folder that is empty or not there yet.

What happened after the backup is not in it: cases are missing, and what was erased or revoked since is back.

exit code: 0 when the folder is there, 2 when it is not and something has to be put right first
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments[:1] == ["score"]:
            _score(arguments)
        options = _parser().parse_args(arguments)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        os.umask(0o077)  # what is kept here is about people: for the owner's eyes only
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except KeyboardInterrupt:
        return 130
    except PallorError as error:
        print(f"pallor: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"pallor: {error.name} is not installed. Install: pip install 'pallor[onebox]'", file=sys.stderr)
        return 2


def _score(arguments: Sequence[str]) -> None:
    from pallor.onebox.commands import find_command

    os.execv(find_command("pallor-worker"), ["pallor-worker", *arguments])  # noqa: S606  # to become it, not to start it


def _up(options: argparse.Namespace) -> int:
    from pallor.onebox import show
    from pallor.onebox.box import running

    console = show.a_console()
    with running(
        options.data, world=options.world, port=options.port, stays=True, environ=os.environ, tell=console.print
    ) as box:
        _stay_up(lambda: show.tell_places(console, box, None))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from pallor.onebox import show
    from pallor.onebox.box import running
    from pallor.onebox.demo import let_in, walk
    from pallor.onebox.people import gather

    console = show.a_console()
    company = gather(options.photos, options.limit, options.seed)
    with (
        _data_folder(options.data) as data,
        running(
            data, world=company.world, port=options.port, stays=False, environ=os.environ, tell=console.print
        ) as box,
    ):
        show.tell_places(console, box, {})
        staff = let_in(company, box)
        nothing_lost = walk(company, box, staff, console)
        if not options.exit:
            tokens = {"field": staff.nurse, "lab": staff.laboratory, "admin": box.token}
            # A folder that stays has `pallor up` for tokens that last; these are gone with the demonstration.
            _stay_up(lambda: show.tell_places(console, box, {} if options.data else tokens))
    return 0 if nothing_lost else 1


def _backup(options: argparse.Namespace) -> int:
    from pallor.onebox import show
    from pallor.onebox.backup import back_up
    from pallor.onebox.folder import DataFolder

    console = show.a_console()
    with show.a_progress(console) as bars:
        bar = bars.add_task("saved", total=None)
        backup = back_up(
            DataFolder(options.data.absolute()),
            options.file,
            lambda done, of: bars.update(bar, completed=done, total=of),
        )
    show.tell_backup(console, backup, options.file)
    return 0


def _restore(options: argparse.Namespace) -> int:
    from pallor.onebox import show
    from pallor.onebox.restore import restore

    console = show.a_console()
    with show.a_progress(console) as bars:
        bar = bars.add_task("restored", total=None)
        backup = restore(options.file, options.data, lambda done, of: bars.update(bar, completed=done, total=of))
    show.tell_restored(console, backup, options.data)
    return 0


@contextmanager
def _data_folder(named: Path | None) -> Iterator[Path]:
    """The named folder, or one that is gone at the end."""
    if named is not None:
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="pallor-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _stay_up(tell_places: Callable[[], None]) -> None:
    """Wait for Ctrl-C or SIGTERM, which is how this is meant to end."""
    try:
        print("\nPallor is up until Ctrl-C.", flush=True)
        tell_places()
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="pallor", description=_ABOUT, formatter_class=shape)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="show all of it at work", description=_DEMO, formatter_class=shape)
    demo.set_defaults(run=_demo)
    demo.add_argument("--photos", metavar="DIR", type=Path, help="real photos: CP-AnemiC's folder, or any images")
    demo.add_argument("--limit", metavar="N", type=_at_least(1), default=40, help="how many photos at most (40)")
    demo.add_argument("--seed", metavar="N", type=_at_least(0), default=0, help="which people come (0)")
    demo.add_argument("--exit", action="store_true", help="end when everything was shown")
    demo.add_argument("--data", metavar="DIR", type=Path, help="keep the data here; default: a folder that is removed")
    demo.add_argument("--port", metavar="N", type=_port, help="where the API listens; default: a free port")

    up = commands.add_parser(
        "up", help="start everything and keep it running", description=_UP + explain(Settings), formatter_class=shape
    )
    up.set_defaults(run=_up)
    up.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("pallor-data"), help="the data folder (pallor-data)"
    )
    up.add_argument("--port", metavar="N", type=_port, default=8080, help="where the API listens (8080)")
    up.add_argument(
        "--world", choices=["real", "synthetic"], default="real", help="whether the cases are of people (real)"
    )

    save = commands.add_parser(
        "backup", help="put the data into one file, while it runs", description=_BACKUP, formatter_class=shape
    )
    save.set_defaults(run=_backup)
    save.add_argument("file", metavar="FILE", type=Path, help="a file that does not exist yet")
    save.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("pallor-data"), help="the data folder (pallor-data)"
    )

    bring_back = commands.add_parser(
        "restore", help="make a data folder from such a file", description=_RESTORE, formatter_class=shape
    )
    bring_back.set_defaults(run=_restore)
    bring_back.add_argument("file", metavar="FILE", type=Path, help="what `pallor backup` wrote")
    bring_back.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("pallor-data"), help="the folder to make (pallor-data)"
    )

    commands.add_parser("score", help="score photos on disk: pallor score --help", add_help=False)
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return whole_number


def _port(text: str) -> int:
    number = _at_least(1)(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; they end at 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
