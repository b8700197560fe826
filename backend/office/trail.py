"""Commands that read the audit trail, and the one that takes a person out of everything but it."""

import argparse
import os
import sys
from pathlib import Path
from typing import BinaryIO

from backend.office.parts import OPERATOR, AddCommand, FileUnusable, open_database
from backend.services.audit import AuditBroken, erased_rows, export_audit, verify_audit
from backend.services.erase import erase_subject, show_erasure
from backend.settings import DatabaseSettings
from pallor.clock import SystemClock
from pallor.digest import canonical_json
from pallor.errors import Refused
from pallor.ids import new_id


class NoteUnreadable(Refused):
    """What was noted is not what audit-verify prints."""


def add_commands(command: AddCommand) -> None:
    """Declare the commands of this module."""
    verify = command("audit-verify", _verify, "walk the audit trail and name any row of it that was touched by hand")
    verify.add_argument(
        "--noted", nargs=2, metavar=("ROWS", "DIGEST"), help="what this printed earlier and was noted elsewhere"
    )
    verify.epilog = "exit status: 0 the trail is whole; 1 it was touched; 2 something else has to be put right first"
    export = command(
        "audit-export", _export, "write the audit trail to a file for your eyes alone, a JSON object a line"
    )
    export.add_argument("file", type=Path, help="a file that does not exist yet")
    erase = command("subject-erase", _erase, "erase everything of a person at a site, for good")
    erase.add_argument("site", help="the site's code")
    erase.add_argument(
        "code",
        help="the person's code; - reads it, a line, from standard input: no list of processes and no history keeps it",
    )
    erase.add_argument("--reason", required=True, choices=("withdrawn", "request", "mistake"))


def _verify(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    noted = _noted(options.noted)
    database = open_database(settings)
    try:
        rows, digest = verify_audit(database, noted)
    except AuditBroken as error:
        print(f"pallor-backend: {error}", file=sys.stderr)
        return 1
    if noted is not None:
        print(f"row {noted[0]} is as you noted it")
    print(f"{rows} rows of the audit trail, none changed, missing or put in by hand")
    print(f"rows that lost what they held to erasures: {erased_rows(database)}")
    print("Note the number of rows and the digest elsewhere: only by them a cut end or a trail written anew shows.")
    print(f"newest: {digest}")
    return 0


def _export(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    rows = 0
    path: Path = options.file
    try:
        with _created(path) as file:
            try:
                for row in export_audit(open_database(settings)):
                    file.write(canonical_json(row) + b"\n")
                    rows += 1
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise FileUnusable(
            f"cannot be written: {error.strerror}", field="file", value=path,
            remedy="Name a file that does not exist yet, in a folder that does.",
        ) from error  # fmt: skip
    print(f"{rows} rows in {path}")
    return 0


def _erase(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    database, erasure_id = open_database(settings), new_id()
    code = sys.stdin.readline().strip() if options.code == "-" else options.code
    erase_subject(
        database, SystemClock(), erasure_id, options.site, code, options.reason, settings.label_table, by=OPERATOR
    )  # fmt: skip
    done = show_erasure(database, erasure_id)
    print(f"{done.cases} cases and {done.photos} photos erased; the sweeper takes away what is stored of them")
    print(f"snapshots that held them: {', '.join(done.snapshots) or 'none'}")
    print(f"releases that learned from them: {', '.join(done.releases) or 'none'}")
    return 0


def _created(path: Path) -> BinaryIO:
    """A new file for its owner alone: the trail holds people's codes."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _noted(words: list[str] | None) -> tuple[int, str] | None:
    if words is None:
        return None
    if not words[0].isdecimal():
        raise NoteUnreadable(
            "not a number of rows", field="--noted", value=words[0],
            remedy="Give the two that audit-verify printed: the number of rows, then the digest.",
        )  # fmt: skip
    return int(words[0]), words[1]
