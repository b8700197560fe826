"""Text in Markdown, shown as it is."""

import re

# A site may be called anything: whatever Markdown or HTML would read as its own is shown as it stands.
_READ_AS_MARKUP = re.compile(r"[\\`*|]|\](?=\()|!(?=\[)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def as_markdown(text: str) -> str:
    """On one line, as it is read and not as Markdown or HTML would read it."""
    one_line = " ".join(text.split())
    escaped = _READ_AS_MARKUP.sub(lambda found: "\\" + found[0], one_line)
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], escaped)
