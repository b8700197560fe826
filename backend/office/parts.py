"""What every command at the shell is given, and how it prints a list."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from backend.db.engine import Database
from backend.db.migrate import check_migrated
from backend.settings import DatabaseSettings
from pallor.errors import Refused

T = TypeVar("T")

OPERATOR = "operator"  # whoever has a shell on the server, as the audit trail writes it

# name, what runs it, what it does, and which settings it needs (the database alone, unless said)
AddCommand = Callable[..., argparse.ArgumentParser]


class FileUnusable(Refused):
    """The file cannot be written, or is there already."""


def open_database(settings: DatabaseSettings) -> Database:
    """The database, checked to be of this version."""
    database = Database(settings.database_url)
    check_migrated(database)
    return database


def takes_sites(command: argparse.ArgumentParser) -> None:
    """Let a command be told sites, one by one."""
    command.add_argument(
        "--site", action="append", default=[], help="a site that the person or device belongs to; may be given again"
    )


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of ``pallor.settings`` as argparse takes it, so that its words reach whoever typed."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"not {error}") from None

    return read


def write_file(path: Path, data: bytes) -> None:
    """Write what was asked for; raises ``FileUnusable``."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise FileUnusable(
            f"cannot be written: {error.strerror}", field="file", value=path,
            remedy="Name a file in a folder that is there and that you may write to.",
        ) from error  # fmt: skip


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as what stands in them; ``-`` where nothing does."""
    shown = [list(heads), *([str(cell) if cell not in (None, "") else "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    for row in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
