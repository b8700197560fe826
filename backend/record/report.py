"""The record of a release as one JSON object, and as a table of its cases."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backend.record.clearance_rule import conditions_of
from backend.record.counted import BY, Counted
from backend.record.figures import figures_by, figures_of

PROTOCOL = (
    "prospective: photos taken after the release was known here, of people and photographs it has not learned from; "
    "first scored photo of a case; positive is at or above the threshold or undecided; sampled negatives weigh by the "
    "inverse of their share; Wilson's intervals, 95 %"
)


def figures_json(counted: Counted) -> dict[str, Any]:
    """Of all together, and of each subgroup."""
    return {
        "protocol": PROTOCOL,
        "overall": asdict(figures_of(counted)),
        "by": {name: {word: asdict(one) for word, one in figures_by(counted, name).items()} for name in BY[:-1]},
    }


def clearance_json(counted: Counted) -> dict[str, Any]:
    """What the clearance rule says, and why."""
    conditions = conditions_of(counted)
    return {"may_be_cleared": all(one.holds for one in conditions), "conditions": [asdict(one) for one in conditions]}


def shares_json(sent: Mapping[str, int], never_came: Mapping[str, int]) -> dict[str, Any]:
    """By site, how many of those who were to have blood taken never came."""
    return {site: {"sent": sent[site], "never_came": never_came.get(site, 0)} for site in sorted(sent)}


def csv_lines(counted: Counted, moved: Sequence[str]) -> Iterator[str]:
    """One line a case, without who it was beyond its id.

    Args:
        moved: of each case what had moved when its photo was taken (``backend.record.drift``).
    """
    yield _line(
        "case_id", "probability", "referred", "hb_g_per_l", "anaemic", "severe", "why_blood", "weight", "may_clear",
        *BY, "drift",
    )  # fmt: skip
    for at in range(len(counted)):
        words = (counted.by[name][at] for name in BY)
        yield _line(
            counted.case_id[at], round(float(counted.probability[at]), 6), int(counted.referred[at]),
            float(counted.hb[at]), int(counted.anaemic[at]), int(counted.severe[at]), counted.why[at],
            float(counted.weight[at]), int(counted.clears[at]), *words, moved[at],
        )  # fmt: skip


def _line(*cells: object) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_as_text(cell) for cell in cells])
    return text.getvalue()


def _as_text(cell: object) -> object:
    """A word that a spreadsheet would run as a formula, marked as text: phones name their own model."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
