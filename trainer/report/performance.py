"""The figures of everybody: the model beside its controls, protocol by protocol."""

from functools import partial

from trainer.report.content import Block, Cell, Facts, Heading, Picture, Section, Table, table
from trainer.report.findings import Findings
from trainer.report.lookup import Figures, dig, mapping, numbers_of
from trainer.report.plots import Curve, roc_plot
from trainer.report.predictive import is_predictive
from trainer.report.words import (
    CONTESTANTS,
    CONTROLS,
    MEASURES,
    NO_SUCH,
    NOT_MEASURED,
    PROTOCOLS,
    RIVALS,
    estimate,
    name_in,
    number,
    spelled,
    stated,
)

_DRAWN = ("model", "twin_look_up", "champion")


def performance(findings: Findings) -> Section:
    """A table for each protocol; the controls have their columns even where nobody measured them."""
    figures = findings.figures
    blocks: list[Block] = []
    for protocol in figures.protocols:
        blocks.append(Heading(name_in(PROTOCOLS, protocol).capitalize()))
        blocks += [_roc(findings, protocol), _beside_controls(figures, protocol)]
    blocks.append(
        "A dash: no such measure; who sees no pixel has no threshold, for one."
        if figures.protocols
        else f"Figures: {NOT_MEASURED}."
    )
    seeds = [
        (name_in(PROTOCOLS, protocol), ", ".join(number(value) for value in mapping(by_seed).values()) or NOT_MEASURED)
        for protocol, by_seed in mapping(findings.evidence.get("auroc_by_seed")).items()
    ]
    blocks += [Heading("AUROC of the model, seed by seed"), Facts(tuple(seeds))] if seeds else []
    blocks += [Heading("AUROC with shuffled labels"), _shuffled(findings)]
    return Section("performance", "Performance, beside its controls", tuple(blocks))


def _beside_controls(figures: Figures, protocol: str) -> Table:
    there = figures.contestants(protocol)
    whos = ["model", *CONTROLS, *(who for who in there if who not in ("model", *CONTROLS))]
    rows: list[tuple[str | Cell, ...]] = []
    for measure in figures.measures(protocol):
        if is_predictive(measure):
            continue
        cells = []
        for who in whos:
            figure = figures.get(protocol, who, measure)
            nonsense = measure in RIVALS if who == "model" else figure is None and who in there
            cells.append(Cell(NO_SUCH) if nonsense else estimate(figure))
        rows.append((name_in(MEASURES, measure), *cells))
    return table((name_in(PROTOCOLS, protocol), *(name_in(CONTESTANTS, who) for who in whos)), rows)


def _roc(findings: Findings, protocol: str) -> Block:
    """The model over the twin look-up; a constant lies on the line of chance."""
    figures = findings.figures
    drawn = []
    for who in _DRAWN:
        curve = dig(findings.evidence, "curves", "roc", protocol, who)
        x, y = (numbers_of(dig(curve, rate)) for rate in ("fpr", "tpr"))
        if len(x) == len(y) > 1:
            value = number((figures.get(protocol, who, "auroc") or {}).get("value"), ".2f")
            drawn.append(Curve(f"{name_in(CONTESTANTS, who)}: {value}", x, y))
    if not drawn:
        return f"ROC curve: {NOT_MEASURED}."
    title = f"ROC, {name_in(PROTOCOLS, protocol)}"
    return Picture(
        partial(roc_plot, drawn, title), f"{title}: sensitivity over false alarms; behind each name its AUROC."
    )


def _shuffled(findings: Findings) -> Block:
    found = mapping(findings.evidence.get("permutation"))
    if not found:
        return f"Labels dealt at random: {NOT_MEASURED}."
    return Facts(
        (
            ("Protocol", name_in(PROTOCOLS, stated(found.get("protocol")))),
            ("AUROC with labels dealt at random", spelled({**found, "value": found.get("mean")})),
            ("Deals", number(found.get("count"), "d")),
            ("Share of deals that reach the model's own AUROC (p)", number(found.get("p"))),
        )
    )
