"""Cursors: where a page ended, as text that means nothing to whoever sends it back."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn, TypeVar

from pallor.clock import parse_utc
from pallor.errors import Refused

T = TypeVar("T")
Page = tuple[Sequence[T], str | None]  # some of a list, and the cursor of what follows


class CursorUnreadable(Refused):
    """The cursor is not one that this server gave."""


def read_cursor(text: str | None, parts: int) -> list[str] | None:
    """The parts of a cursor, None for the first page; raises ``CursorUnreadable``."""
    if text is None:
        return None
    try:
        found = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode().split("|")
    except (UnicodeError, binascii.Error):
        found = []
    return found if len(found) == parts and all(part.isprintable() for part in found) else _refuse_cursor(text)


def read_moment_cursor(text: str | None) -> tuple[datetime, str] | None:
    """A cursor of a list that is sorted by a moment and an id."""
    parts = read_cursor(text, 2)
    try:
        return (parse_utc(parts[0]), parts[1]) if parts else None
    except ValueError:
        return _refuse_cursor(text)


def read_number_cursor(text: str | None) -> int:
    """A cursor of the feed; 0 is its beginning."""
    parts = read_cursor(text, 1)
    if parts is None:
        return 0
    return int(parts[0]) if re.fullmatch(r"[0-9]{1,9}", parts[0]) else _refuse_cursor(text)


def cut(found: Sequence[T], limit: int, place: Callable[[T], tuple[datetime | str | int, ...]]) -> Page[T]:
    """A page of what was found, and the cursor of the next one.

    Args:
        found: ``limit`` things, or one more when there is another page.
        place: of a thing in the list's order: what its cursor says.
    """
    page = found[:limit]
    if len(found) <= limit:
        return page, None
    parts = place(page[-1])
    return page, show_cursor(*(part.isoformat() if isinstance(part, datetime) else str(part) for part in parts))


def show_cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode()


def _refuse_cursor(text: str | None) -> NoReturn:
    raise CursorUnreadable(
        "not a cursor of this list", field="cursor", value=text,
        remedy="Send `next` of the page before unchanged, or leave it out to begin anew.",
    )  # fmt: skip
