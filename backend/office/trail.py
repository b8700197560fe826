"""Commands that read the audit trail, and the one that takes a person out of everything but it."""

import argparse
from pathlib import Path

from backend.office.parts import OPERATOR, AddCommand, open_database
from backend.services.audit import export_audit, verify_audit
from backend.services.erase import erase_subject, show_erasure
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock
from pallor.digest import canonical_json
from pallor.errors import Refused
from pallor.ids import new_id


class FileUnusable(Refused):
    """The file cannot be written, or is there already."""


class NoteUnreadable(Refused):
    """What was noted is not what audit-verify prints."""


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    verify = command("audit-verify", _verify, "walk the audit trail and name any row that was touched by hand")
    verify.add_argument(
        "--noted", nargs=2, metavar=("ROWS", "DIGEST"), help="what this printed earlier and was noted elsewhere"
    )
    export = command("audit-export", _export, "write the audit trail to a file, a JSON object a line")
    export.add_argument("file", type=Path, help="a file that does not exist yet")
    erase = command("subject-erase", _erase, "erase everything of a person at a site, for good")
    erase.add_argument("site", help="the site's code")
    erase.add_argument("code", help="the person's code")
    erase.add_argument("--reason", required=True, choices=("withdrawn", "request", "mistake"))


def _verify(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    rows, digest = verify_audit(open_database(settings), _noted(options.noted))
    print(f"{rows} rows of the audit trail, none changed, missing or put in by hand; newest: {digest}")
    return 0


def _export(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    rows = 0
    path: Path = options.file
    try:
        with path.open("xb") as file:
            for row in export_audit(open_database(settings)):
                file.write(canonical_json(row) + b"\n")
                rows += 1
    except OSError as error:
        raise FileUnusable(
            f"cannot be written: {error.strerror}", field="file", value=path,
            remedy="Name a file that does not exist yet, in a folder that does.",
        ) from error  # fmt: skip
    print(f"{rows} rows in {path}")
    return 0


def _erase(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database, erasure_id = open_database(settings), new_id()
    erase_subject(
        database, SystemClock(), erasure_id, options.site, options.code, options.reason, settings.label_table,
        by=OPERATOR,
    )  # fmt: skip
    done = show_erasure(database, erasure_id)
    print(f"{done.cases} cases and {done.photos} photos erased; the sweeper takes away what is stored of them")
    print(f"snapshots that held them: {', '.join(done.snapshots) or 'none'}")
    print(f"releases that learned from them: {', '.join(done.releases) or 'none'}")
    return 0


def _noted(words: list[str] | None) -> tuple[int, str] | None:
    if words is None:
        return None
    if not words[0].isdecimal():
        raise NoteUnreadable(
            "not a number of rows", field="--noted", value=words[0],
            remedy="Give the two that audit-verify printed: the number of rows, then the digest.",
        )  # fmt: skip
    return int(words[0]), words[1]
