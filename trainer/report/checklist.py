"""Where this report answers what TRIPOD+AI (BMJ 2024;385:e078378) and a model card (Mitchell et al. 2019) ask.

An item that nobody has done says so. ``_ITEMS`` names sections by ``Section.name``; a text behind it stands in the
place of a section, or qualifies it.
"""

from collections.abc import Sequence

from trainer.report.content import Heading, Section, table
from trainer.report.findings import Findings

_NOT_DONE = "not done"

_ITEMS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("1", "Title: development or evaluation, population, outcome", ("use", "outcome"), ""),
    ("2", "Abstract", ("summary",), ""),
    ("3a", "Healthcare context and rationale", ("use",), "existing models are not compared"),
    ("3b", "Target population, purpose, users", ("use",), ""),
    ("3c", "Known health inequalities", (), _NOT_DONE),
    ("4", "Objectives", ("use",), "development, and internal evaluation"),
    ("5a", "Sources of data, representativeness", ("data",), "how representative they are is not known"),
    ("5b", "Dates", ("data",), ""),
    ("6a", "Setting and centres", ("data",), ""),
    ("6b", "Eligibility criteria", ("data", "missing"), ""),
    ("6c", "Treatments received", (), f"{_NOT_DONE}: not recorded"),
    ("7", "Data preparation and quality checks", ("duplicates", "predictors"), ""),
    ("8a", "Outcome and how it was assessed", ("outcome",), ""),
    ("8b", "Subjective assessment of the outcome", (), "none: a laboratory value and a table"),
    ("8c", "Blinding of the outcome's assessment", ("outcome",), "in part"),
    ("9a", "Choice of predictors", ("predictors",), ""),
    ("9b", "Definition of predictors", ("predictors",), ""),
    (
        "9c",
        "Subjective assessment of predictors",
        ("predictors", "limits"),
        "the region is marked by hand or by a program",
    ),
    ("10", "Sample size", ("size",), "no calculation"),
    ("11", "Missing data", ("missing",), ""),
    ("12a", "Use and partition of the data", ("analysis", "size"), ""),
    ("12b", "Handling of predictors", ("predictors",), ""),
    ("12c", "Model building and internal validation", ("model", "analysis"), "every number lies in the recipe"),
    ("12d", "Heterogeneity between clusters", ("performance", "subgroups"), "by leaving sites out"),
    ("12e", "Measures of performance", ("analysis", "performance"), "no decision curve"),
    ("12f", "Updating of the model", ("cutoffs",), "the temperature alone"),
    ("12g", "How predictions were calculated", ("model", "cutoffs"), ""),
    ("13", "Class imbalance", ("size",), "by sampling, as the recipe says"),
    ("14", "Fairness", ("subgroups",), "measured; nothing was done to change it"),
    ("15", "Output and thresholds", ("model", "cutoffs"), ""),
    ("16", "Differences between training and evaluation", ("size", "subgroups"), "sides of one data set"),
    ("17", "Ethical approval", (), "not stated: approval and consent lie with those who collected the photos"),
    ("18a", "Funding", (), "not stated"),
    ("18b", "Conflicts of interest", (), "not stated"),
    ("18c", "Protocol", ("analysis",), "the recipe, frozen with the release; none was published before"),
    ("18d", "Registration", (), _NOT_DONE),
    ("18e", "Sharing of data", ("credit",), "by digest"),
    ("18f", "Sharing of code", ("credit",), "by the recipe's digest"),
    ("19", "Patient and public involvement", (), _NOT_DONE),
    ("20a", "Flow of participants", ("data", "size"), "from the snapshot on"),
    ("20b", "Characteristics of participants", ("data",), ""),
    ("20c", "Comparison with the development data", ("size",), ""),
    ("21", "Participants and events in each analysis", ("size", "performance"), ""),
    ("22", "Specification of the model", ("model", "credit"), "the files of the release"),
    ("23a", "Performance with intervals, subgroups", ("performance", "calibration", "subgroups"), ""),
    ("23b", "Heterogeneity of performance", ("performance", "subgroups"), ""),
    ("24", "Results of updating", (), _NOT_DONE),
    ("25", "Interpretation", ("summary", "gate"), ""),
    ("26", "Limitations", ("limits",), ""),
    ("27a", "Poor or unavailable input", ("predictors", "cutoffs"), ""),
    ("27b", "Interaction and expertise of users", ("use",), ""),
    ("27c", "Next steps, generalizability", ("limits",), f"external validation: {_NOT_DONE}"),
)
_CARD: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Model details", ("model", "credit")),
    ("Intended use", ("use",)),
    ("Factors", ("subgroups",)),
    ("Metrics", ("analysis", "cutoffs")),
    ("Evaluation data", ("data", "size", "analysis")),
    ("Training data", ("data", "duplicates", "size")),
    ("Quantitative analyses", ("performance", "calibration", "predictive", "quantization")),
    ("Ethical considerations", ("use", "data")),
    ("Caveats and recommendations", ("limits", "gate")),
)


def checklist(findings: Findings, sections: Sequence[Section]) -> Section:
    """The last section, over all others."""
    titles = {"summary": "the first lines", **{section.name: section.title for section in sections}}
    drawn = " Its photos are drawn, so what is said of people is said of no one." if findings.is_synthetic else ""
    rows = [
        (number, asked, "; ".join([*(titles[name] for name in where), *([said] if said else [])]))
        for number, asked, where, said in _ITEMS
    ]
    card = [(asked, "; ".join(titles[name] for name in where)) for asked, where in _CARD]
    return Section(
        "checklist",
        "TRIPOD+AI and model card, item by item",
        (
            "Following a checklist makes nothing true: it says where to look, and what has not been done." + drawn,
            table(("item", "asked", "where"), [tuple(row) for row in rows], folded=f"TRIPOD+AI: {len(rows)} items"),
            Heading("Model card"),
            table(("field", "where"), [tuple(row) for row in card]),
        ),
    )
