"""The card of a release: the report in Markdown, the same bytes for the same findings."""

from collections.abc import Iterable, Iterator

from trainer.report.content import Block, Cell, Facts, Heading, Link, Picture, Points, Table
from trainer.report.findings import Findings
from trainer.report.markdown import as_markdown
from trainer.report.story import tell


def write_card(findings: Findings) -> str:
    """Markdown without pictures, so that it can be read anywhere."""
    report = tell(findings)
    parts = [f"# {as_markdown(report.title)}", f"**{as_markdown(report.warning)}**", *map(as_markdown, report.summary)]
    for section in report.sections:
        parts += [f"## {as_markdown(section.title)}", *_blocks(section.blocks)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case str():
                yield as_markdown(block)
            case Heading():
                yield f"### {as_markdown(block.text)}"
            case Points():
                yield "\n".join(f"- {as_markdown(item)}" for item in block.items)
            case Facts():
                yield "\n".join(f"- {as_markdown(name)}: {as_markdown(what)}" for name, what in block.pairs)
            case Table():
                yield _table(block)
            case Picture() | Link():  # of the page alone
                pass


def _table(block: Table) -> str:
    lines = [block.head, ("---",) * len(block.head), *(tuple(map(_cell, row)) for row in block.rows)]
    drawn = "\n".join(
        "| " + " | ".join(map(as_markdown, line) if line is block.head else line) + " |" for line in lines
    )
    if not block.folded:
        return drawn
    return f"<details><summary>{as_markdown(block.folded)}</summary>\n\n{drawn}\n\n</details>"


def _cell(cell: Cell) -> str:
    return f"{as_markdown(cell.text)} {as_markdown(cell.under)}".rstrip()
