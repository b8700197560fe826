"""Whether a probability means what it says, and what an answer is worth where more or fewer are anaemic."""

import re
from functools import partial

from trainer.report.content import Block, Cell, Heading, Picture, Section, table
from trainer.report.findings import Findings
from trainer.report.lookup import dig, mapping, rows_of
from trainer.report.plots import Estimate, calibration_plot
from trainer.report.words import LEAKY, NOT_MEASURED, PROTOCOLS, estimate, finite, is_number, name_in, number, whole

_PREDICTIVE = re.compile(r"(?:ppv|npv)_at_(?P<percent>\d+(?:_\d+)?)")


def is_predictive(measure: str) -> bool:
    """True for ``ppv_at_20`` and its like, which have a section of their own."""
    return _PREDICTIVE.fullmatch(measure) is not None


def calibration(findings: Findings) -> Section:
    """A drawing for each protocol, with its numbers."""
    blocks: list[Block] = ["Of those to whom the model says 30 in 100, about 30 in 100 should be anaemic."]
    for protocol, bins in mapping(dig(findings.evidence, "curves", "calibration")).items():
        if protocol == LEAKY:
            continue
        usable = [one for one in rows_of(bins) if is_number(one.get("said")) and is_number(one.get("found"))]
        if not usable:
            continue
        title = f"Calibration, {name_in(PROTOCOLS, protocol)}"
        points = [
            Estimate("", one["found"], finite(one.get("low")), finite(one.get("high")), whole(one.get("count")))
            for one in usable
        ]
        drawing = partial(calibration_plot, points, [one["said"] for one in usable], title)
        says = f"{title}: share anaemic over the probability said; below it the photographs or people in each bin."
        rows: list[tuple[str | Cell, ...]] = [
            (number(one["said"]), estimate({**one, "value": one["found"]}), number(one.get("count"), "d"))
            for one in usable
        ]
        head = ("probability said", "share anaemic", "n")
        folded = f"{title}, in numbers"
        blocks += [Picture(drawing, says), table(head, rows, folded=folded)]
    if len(blocks) == 1:
        blocks.append(f"Calibration curves: {NOT_MEASURED}.")
    return Section("calibration", "Calibration", tuple(blocks))


def predictive_values(findings: Findings) -> Section:
    """At stated shares of anaemia, beside what an answer without knowledge is worth there."""
    figures = findings.figures
    blocks: list[Block] = [
        "What an answer is worth depends on how many are anaemic where it is given. The shares of anaemia below are "
        "assumed, not found. By chance: what an answer without any knowledge is worth there."
    ]
    for protocol in figures.honest:
        found = (_PREDICTIVE.fullmatch(measure) for measure in figures.measures(protocol))
        rows: list[tuple[str | Cell, ...]] = []
        for percent in sorted({match["percent"] for match in found if match}, key=_percent):
            at = _percent(percent)
            ppv, npv = (estimate(figures.get(protocol, "model", f"{which}_at_{percent}")) for which in ("ppv", "npv"))
            rows.append((f"{at:g} in 100", ppv, number(at / 100), npv, number(1 - at / 100)))
        if rows:
            head = ("anaemic, assumed", "anaemic if positive", "by chance", "not anaemic if negative", "by chance")
            blocks += [Heading(name_in(PROTOCOLS, protocol).capitalize()), table(head, rows)]
    if len(blocks) == 1:
        blocks.append(f"Predictive values: {NOT_MEASURED}.")
    return Section("predictive", "Predictive values at stated shares of anaemia", tuple(blocks))


def _percent(text: str) -> float:
    return float(text.replace("_", "."))
