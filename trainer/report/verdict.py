"""The figures in a few plain sentences, and what the gate said of them."""

from trainer.report.content import Points, Section
from trainer.report.findings import Findings
from trainer.report.lookup import Figure
from trainer.report.words import LEAKY, PROTOCOLS, finite, is_number, name_in, number, spelled, stated


def summary(findings: Findings) -> tuple[str, ...]:
    """Sentences that follow from the figures alone."""
    figures, protocol = findings.figures, findings.figures.leak_free
    if protocol is None:
        return ("No leak-free figure was measured: nothing can be said of this model.", _gate(findings))
    model, twin = (figures.get(protocol, who, "auroc") for who in ("model", "twin_look_up"))
    said = [
        "This is the development and internal evaluation of a model that guesses anaemia from a photo of the inner "
        "lower eyelid.",
        f"{name_in(PROTOCOLS, protocol).capitalize()}: it tells anaemic from not with AUROC {spelled(model)}, where "
        f"chance is 0.500; looking up the label of the same photograph gives {spelled(twin)}. {_holds_chance(model)}",
    ]
    found, spared = (figures.get(protocol, "model", measure) for measure in ("sensitivity", "specificity"))
    if found and spared and is_number(found.get("value")) and is_number(spared.get("value")):
        said.append(
            f"At its threshold it found {_of_hundred(found)} anaemic, and took {_of_hundred(_rest(spared))} others for "
            "anaemic."
        )
    leaky, beside = (figures.get(LEAKY, who, "auroc") for who in ("model", "twin_look_up"))
    if leaky:
        said.append(
            f"Under the published random split, which leaks, the same recipe shows {spelled(leaky)} and the twin "
            f"look-up {spelled(beside)}{': that split measures twins' if _is_above_chance(beside) else ''}."
        )
    return (*said, _gate(findings))


def gate(findings: Findings) -> Section:
    refusals = findings.refusals
    if refusals is None:
        return Section("gate", "What the gate says", ("The gate was not asked.",))
    if not refusals:
        passed = (
            "The gate refused nothing. That lets the release be tried beside the one in use, where nothing of it is "
            "shown; it validates nothing."
        )
        return Section("gate", "What the gate says", (passed,))
    said = tuple(f"{stated(one.get('reason'))}: {stated(one.get('said'))}" for one in refusals)
    return Section("gate", "What the gate says", (_gate(findings), Points(said)))


def _gate(findings: Findings) -> str:
    if findings.refusals is None:
        return "The gate was not asked."
    if not findings.refusals:
        return "The gate refused nothing, which validates nothing."
    n = len(findings.refusals)
    return f"The gate refused it, for {n} reason{'s' if n > 1 else ''}."


def _holds_chance(figure: Figure | None) -> str:
    if finite((figure or {}).get("low")) is None:
        return "How sure that is was not measured."
    if not _is_above_chance(figure):
        return "The interval holds chance: it has not been shown that this model sees pallor at all."
    return "The interval lies above chance, on these photos."


def _is_above_chance(figure: Figure | None) -> bool:
    low = finite((figure or {}).get("low"))
    return low is not None and low > 0.5


def _of_hundred(share: Figure) -> str:
    value, low, high = (finite(share.get(key)) for key in ("value", "low", "high"))
    sure = f" [{100 * low:.0f} to {100 * high:.0f}]" if low is not None and high is not None else ""
    return f"{number(None if value is None else 100 * value, '.0f')}{sure} of 100"


def _rest(share: Figure) -> Figure:
    """Of everybody else."""
    value, low, high = (finite(share.get(key)) for key in ("value", "high", "low"))
    return {key: None if n is None else 1 - n for key, n in (("value", value), ("low", low), ("high", high))}
