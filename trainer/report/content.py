"""What a report consists of, before anybody decides whether it becomes Markdown or HTML. All text is plain text."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """What a table says at one place, and in smaller letters how sure that is."""

    text: str
    under: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under a head. ``folded``: what is shown of a long table until somebody opens it."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Points:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Heading:
    """Opens a part of a section."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A drawing for the page alone: ``draw`` gives SVG. ``says``: what it shows, for whoever cannot see it."""

    draw: Callable[[], str]
    says: str


@dataclass(frozen=True)
class Link:
    """To a file beside the page, for the page alone."""

    file: str
    text: str


Block = str | Table | Facts | Points | Heading | Picture | Link


@dataclass(frozen=True)
class Section:
    """A titled part; ``name`` is what others refer to it by."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """The whole, from top to bottom. ``warning`` stands before anything else can be read."""

    title: str
    warning: str
    summary: tuple[str, ...]
    sections: tuple[Section, ...]


def table(head: tuple[str, ...], rows: list[tuple[str | Cell, ...]], *, folded: str = "") -> Table:
    """A table of plain texts and cells."""
    cells = (tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    return Table(head, tuple(cells), folded)
