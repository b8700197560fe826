"""The whole report in its order: first what nobody may overlook, last where every checklist item is answered."""

from trainer.report.about import INVESTIGATIONAL, credit, intended_use, model, outcome, predictors, title, unknown
from trainer.report.analysis import analysis, cut_offs
from trainer.report.checklist import checklist
from trainer.report.content import Block, Link, Report, Section
from trainer.report.data import duplicates, missing_data, participants, sample_size
from trainer.report.findings import Findings
from trainer.report.performance import performance
from trainer.report.predictive import calibration, predictive_values
from trainer.report.quantized import quantization
from trainer.report.subgroups import subgroups
from trainer.report.verdict import gate, summary
from trainer.report.words import NOT_MEASURED

MISTAKES_PAGE = "../9-mistakes/mistakes.html"  # as seen from the report of `trainer.cycle`


def tell(findings: Findings) -> Report:
    """Everything that can be said of a candidate, and of whatever cannot, that it was not measured."""
    sections = (
        intended_use(findings),
        gate(findings),
        performance(findings),
        calibration(findings),
        subgroups(findings),
        predictive_values(findings),
        _mistakes(findings),
        quantization(findings),
        unknown(findings),
        model(findings),
        participants(findings),
        duplicates(findings),
        outcome(findings),
        predictors(findings),
        sample_size(findings),
        missing_data(findings),
        analysis(findings),
        cut_offs(findings),
        credit(findings),
    )
    return Report(
        title=title(findings),
        warning=(
            f"{INVESTIGATIONAL} Whoever is photographed is referred for a blood test, whatever this model says. "
            "It has not been validated: no figure below is evidence that it screens anyone well."
        ),
        summary=summary(findings),
        sections=(*sections, checklist(findings, sections)),
    )


def _mistakes(findings: Findings) -> Section:
    """Photos of people never enter a release; the page only says where its makers find them."""
    name, heading = "mistakes", "Where it was wrong"
    if findings.mistakes is None:
        return Section(name, heading, (f"Mistakes beside their nearest training photos: {NOT_MEASURED}.",))
    blocks: list[Block] = [
        f"{findings.mistakes} of its mistakes are shown beside the nearest photos that it learned from, in a file that "
        "stays with whoever trained it: it shows patients' photos, so it is in no release and is sent nowhere."
    ]
    if findings.mistakes:
        blocks.append(Link(MISTAKES_PAGE, "The mistakes, in the folder of the run"))
    return Section(name, heading, tuple(blocks))
