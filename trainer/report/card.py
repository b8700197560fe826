"""The card of a release: the report in Markdown, the same bytes for the same findings."""

import re
from collections.abc import Iterable, Iterator

from trainer.report.content import Block, Cell, Facts, Heading, Link, Picture, Points, Table
from trainer.report.findings import Findings
from trainer.report.story import tell

# A site may be called anything: whatever Markdown or HTML would read as its own is shown as it stands.
_READ_AS_MARKUP = re.compile(r"[\\`*|]|\](?=\()|!(?=\[)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def write_card(findings: Findings) -> str:
    """Markdown without pictures, so that it can be read anywhere."""
    report = tell(findings)
    parts = [f"# {_text(report.title)}", f"**{_text(report.warning)}**", *map(_text, report.summary)]
    for section in report.sections:
        parts += [f"## {_text(section.title)}", *_blocks(section.blocks)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case str():
                yield _text(block)
            case Heading():
                yield f"### {_text(block.text)}"
            case Points():
                yield "\n".join(f"- {_text(item)}" for item in block.items)
            case Facts():
                yield "\n".join(f"- {_text(name)}: {_text(what)}" for name, what in block.pairs)
            case Table():
                yield _table(block)
            case Picture() | Link():  # of the page alone
                pass


def _table(block: Table) -> str:
    lines = [block.head, ("---",) * len(block.head), *(tuple(map(_cell, row)) for row in block.rows)]
    drawn = "\n".join("| " + " | ".join(map(_text, line) if line is block.head else line) + " |" for line in lines)
    if not block.folded:
        return drawn
    return f"<details><summary>{_text(block.folded)}</summary>\n\n{drawn}\n\n</details>"


def _cell(cell: Cell) -> str:
    return f"{_text(cell.text)} {_text(cell.under)}".rstrip()


def _text(text: str) -> str:
    one_line = " ".join(text.split())
    escaped = _READ_AS_MARKUP.sub(lambda found: "\\" + found[0], one_line)
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], escaped)
