"""How it was judged: what each protocol means, where the cut-offs come from, how sure a figure is."""

from trainer.report.content import Facts, Heading, Points, Section
from trainer.report.findings import Findings
from trainer.report.lookup import dig
from trainer.report.words import LEAKY, NOT_MEASURED, PROTOCOL_MEANINGS, PROTOCOLS, name_in, number, share


def analysis(findings: Findings) -> Section:
    evidence, figures = findings.evidence, findings.figures
    said = [
        f"{words}: {PROTOCOL_MEANINGS[protocol]}"
        + ("" if protocol in figures.protocols else f" {NOT_MEASURED.capitalize()}.")
        for protocol, words in PROTOCOLS.items()
    ]
    said += [
        f"{name_in(PROTOCOLS, p)}: no words are known for it here." for p in figures.protocols if p not in PROTOCOLS
    ]
    draws = number(dig(evidence, "recipe", "evaluation", "bootstrap_draws"), "d")
    controls = (
        "twin look-up: repeats the label of the same photograph if it was learned from; it sees no pixel. Where it "
        "does well, the protocol measures twins, not pallor.",
        "constant: one probability for everybody.",
        "shuffled labels: the answers, held against labels dealt at random among the photographs.",
    )
    sure = (
        f"Brackets hold 95 % of {draws} bootstrap draws of whole photographs and people. n counts photographs or "
        "people, not rows. Where several seeds were run, a figure is their mean."
    )
    nameless = f"{figures.nameless} figures have no protocol and are not shown." if figures.nameless else ""
    return Section(
        "analysis",
        "Analysis",
        (
            Heading("Protocols"),
            Points(tuple(said)),
            Heading("Controls, beside every figure of the model"),
            Points(controls),
            Heading("Intervals"),
            f"{sure} {nameless}".rstrip(),
        ),
    )


def cut_offs(findings: Findings) -> Section:
    found, aim = findings.evidence.get("cutoffs"), dig(findings.evidence, "recipe", "calibration")
    target = share(dig(aim, "target_sensitivity"))
    facts = (
        ("Temperature", f"{number(dig(found, 'temperature'))}, by which the logits are divided"),
        ("Threshold", f"{number(dig(found, 'threshold'))}, aimed at a sensitivity of {target}"),
        (
            "Refer band",
            f"{number(dig(found, 'refer_low'))} to {number(dig(found, 'refer_high'))}: in between the score decides "
            f"nothing. Aimed at {share(dig(aim, 'refer_coverage_anaemic'))} of the anaemic and "
            f"{share(dig(aim, 'refer_coverage_other'))} of the others without a wrong word",
        ),
    )
    where = (
        "From the calibration side alone, which nobody learned from and nobody is judged on. What the cut-offs reach "
        f"elsewhere stands among the figures; under the {PROTOCOLS[LEAKY]} it means nothing."
    )
    return Section("cutoffs", "Threshold and refer band", (where, Facts(facts)))
