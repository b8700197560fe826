"""The report as one HTML file that asks nothing of any network, for a phone as for a desk."""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from trainer.report.findings import Findings
from trainer.report.story import tell


def write_page(findings: Findings) -> str:
    """The page, the same bytes for the same findings. It shows no photo of anybody."""
    return render("page.html", report=tell(findings))


def render(template: str, **told: Any) -> str:
    """Fill in a template of this folder; whatever is told is escaped, but for our own style and drawings."""
    folder = files("trainer.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.tests["a"] = lambda block, kind: type(block).__name__ == kind
    style = (folder / "page.css").read_text("utf-8")
    return environment.from_string((folder / template).read_text("utf-8")).render(style=style, **told)
