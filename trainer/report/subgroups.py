"""Whom the model serves worse: its figures by age, sex, site, device and haemoglobin."""

from functools import partial

from trainer.report.content import Block, Cell, Heading, Picture, Section, table
from trainer.report.findings import Findings
from trainer.report.lookup import Figure, Figures
from trainer.report.plots import Estimate, forest_plot
from trainer.report.words import (
    CONTESTANTS,
    FEWEST_SHOWN,
    FIELDS,
    MEASURES,
    NO_SUCH,
    NOT_MEASURED,
    PROTOCOLS,
    TOO_FEW,
    estimate,
    finite,
    is_number,
    is_small,
    name_in,
    number,
    whole,
)

# Of the many figures of a subgroup; the others lie in the evidence.
_SHOWN = (
    ("model", "auroc"),
    ("model", "sensitivity"),
    ("model", "specificity"),
    ("model", "decided_share"),
    ("model", "coverage_anaemic"),
    ("model", "brier"),
    ("champion", "auroc_loss"),
)


def subgroups(findings: Findings) -> Section:
    figures = findings.figures
    protocols = [protocol for protocol in figures.honest if figures.fields(protocol)]
    blocks: list[Block] = [
        "The model knows neither age nor sex nor site nor phone. That it serves all alike is to be measured, not "
        "assumed; a part with few photographs says little, as its interval shows. Where an interval lacks, fewer than "
        "five photographs or people would have had to speak for all others."
    ]
    for protocol in protocols:
        blocks += [Heading(name_in(PROTOCOLS, protocol).capitalize()), *_forest(figures, protocol)]
        blocks += [_table(figures, protocol, field) for field in figures.fields(protocol)]
    if protocols:
        blocks.append(
            f"Where it says {TOO_FEW}, fewer than {FEWEST_SHOWN} photographs or people stand behind a figure, so it "
            "is not shown. Every other figure of a subgroup lies with the run's evidence, where the release was made."
        )
    measured = {field for protocol in protocols for field in figures.fields(protocol)}
    if absent := [words for field, words in FIELDS.items() if field not in measured]:
        blocks.append(f"By {'; by '.join(absent)}: {NOT_MEASURED}, or all are alike in it.")
    return Section("subgroups", "Subgroups and fairness", tuple(blocks))


def _table(figures: Figures, protocol: str, field: str) -> Block:
    shown = [pair for pair in figures.measured_of(protocol, field) if pair in _SHOWN]
    rows: list[tuple[str | Cell, ...]] = []
    for value in figures.groups(protocol, field):
        found = [figures.get(protocol, who, measure, (field, value)) for who, measure in shown]
        count = max((n for figure in found if figure and (n := whole(figure.get("count"))) is not None), default=None)
        # In a haemoglobin band all are anaemic, or none is: of the other kind there is nothing to find.
        cells = (Cell(NO_SUCH) if figure is None and field == "hb" else _shown(figure) for figure in found)
        rows.append((value, TOO_FEW if is_small(count) else number(count, "d"), *cells))
    return table((name_in(FIELDS, field), "n", *(_column(who, measure) for who, measure in shown)), rows)


def _shown(figure: Figure | None) -> Cell:
    return Cell(TOO_FEW) if figure and is_small(figure.get("count")) else estimate(figure)


def _forest(figures: Figures, protocol: str) -> list[Block]:
    """AUROC of each part, and which is lowest; nothing where nobody measured it."""
    overall = _estimate("everybody", figures.get(protocol, "model", "auroc"))
    parts = {}
    for field in figures.fields(protocol):
        found = [
            (value, figures.get(protocol, "model", "auroc", (field, value)))
            for value in figures.groups(protocol, field)
        ]
        parts[name_in(FIELDS, field)] = [drawn for value, figure in found if (drawn := _estimate(value, figure))]
    parts = {field: estimates for field, estimates in parts.items() if estimates}
    if overall is None or not parts:
        return []
    title = f"AUROC by subgroup, {name_in(PROTOCOLS, protocol)}"
    field, worst = min(((field, one) for field, of in parts.items() for one in of), key=lambda pair: pair[1].value)
    lowest = f"Lowest AUROC: {number(worst.value)}, {field}: {worst.name}, among {number(worst.count, 'd')}."
    return [Picture(partial(forest_plot, parts, overall, "AUROC", title), f"{title}; its numbers stand below."), lowest]


def _column(who: str, measure: str) -> str:
    if who == "model":
        return name_in(MEASURES, measure)
    return f"{name_in(CONTESTANTS, who)}: {name_in(MEASURES, measure)}"


def _estimate(name: str, figure: Figure | None) -> Estimate | None:
    if figure is None or not is_number(figure.get("value")) or is_small(figure.get("count")):
        return None
    low, high = finite(figure.get("low")), finite(figure.get("high"))
    return Estimate(name, figure["value"], low, high, whole(figure.get("count")))
