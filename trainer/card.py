"""The card of a release, in plain words, every number from the evidence: nothing here is written by hand twice."""

from collections.abc import Mapping
from typing import Any

from pallor.cp_anemic import CREDIT
from trainer.evaluate import LEAK_FREE
from trainer.export import Parity

_PROTOCOL_WORDS = {
    "grouped_by_photo": "by photograph: nobody is judged by a model that saw the same photograph (leak-free)",
    "leave_one_site_out": "leaving one hospital out, its photographs too (leak-free)",
    "published_protocol": "random rows, as published: twins on both sides, so it leaks; here for comparison only",
}
_CONTESTANT_WORDS = {"model": "this recipe", "twin_look_up": "twin look-up, no learning", "constant": "constant"}
_METRIC_WORDS = {
    "auroc": "AUROC",
    "accuracy_at_half": "accuracy at 0.5",
    "brier": "Brier score",
    "sensitivity": "sensitivity at the threshold",
    "specificity": "specificity at the threshold",
}


def write_card(release_id: str, evidence: Mapping[str, Any], parity: Parity) -> str:
    """Markdown.

    Args:
        evidence: what ``trainer.evaluate.evaluate`` gave.
        parity: of the shipped file with torch.
    """
    data, cutoffs, recipe = evidence["data"], evidence["cutoffs"], evidence["recipe"]
    aim, training = recipe["calibration"], recipe["training"]
    seeds = {name: len(by_seed) for name, by_seed in evidence["auroc_by_seed"].items()}
    return f"""# {release_id}

**Investigational. Fit to clear no one.** Whoever is photographed is referred for a blood test, whatever this model
says. It exists so that every part of Pallor can be run and so that a better one can be earned: no figure below is
evidence that it screens anyone well.

{_verdict(evidence)}

## What it is

MobileNetV2 (ImageNet weights, then fine-tuned), one photo of the inner lower eyelid in, a probability of anaemia out.
Anaemia is haemoglobin below the cut-off of {evidence["label_table"]} for 6 to 59 months (110 g/L), from the laboratory
value in the data set; rows given as 60 months are labelled alike, as the data set's authors did.

- Intended use: none but research, in children of 6 to 59 months, not pregnant, no red or sore eye.
- Probabilities carry the data set's own share of anaemia ({data["anaemic"]} of {data["rows"]} rows), not your clinic's.
- Recipe `{recipe["name"]}`, {evidence["recipe_digest"]}; snapshot {evidence["snapshot_digest"]}.
- {evidence["base_credit"]}
- Base: `{evidence["base_weights"]}`.

## What it learned from

{data["rows"]} rows of CP-AnemiC, children of {data["sites"]} hospitals in Ghana, which are about
{data["photographs"]} photographs: {data["rows_with_a_twin"]} rows show a photograph that another row shows too, often
as another child with another haemoglobin. Same-photo groups were given with the data and kept together, doubtful
pairs too.

{CREDIT} These weights are for research.

## Figures

Of the cross-validated recipe, not of the shipped weights themselves: those were trained on all photographs afterwards,
so no photo is left to judge them by. Brackets: 95 %, bootstrap over photographs. Rows pooled over the folds; the mean
over seeds ({", ".join(f"{_short(name)}: {count}" for name, count in seeds.items() if count)}).

{tables(evidence["figures"])}

AUROC by seed: {_by_seed(evidence["auroc_by_seed"])}.

The twin look-up never looks at a pixel: it repeats the label of the same photograph if the training part holds it.
Where it does well, the protocol measures twins, not pallor.

## Cut-offs

From the leak-free out-of-fold predictions, so the sensitivity above was chosen, not found.

- Temperature {cutoffs["temperature"]:.3f} (log loss).
- Threshold {cutoffs["threshold"]:.3f}, aimed at a sensitivity of {aim["target_sensitivity"]:.2f}.
- Refer band {cutoffs["refer_low"]:.3f} to {cutoffs["refer_high"]:.3f}: its ends are aimed at a sensitivity of
  {aim["refer_low_sensitivity"]:.2f} and a specificity of {aim["refer_high_specificity"]:.2f}; inside of it
  the score decides nothing. {cutoffs["decided_share"]:.0%} of the rows lie outside.

## The file

`fp16.onnx` stores weights as float16 and computes in float32. Over {parity.photos} photos, real and drawn, it differs
from torch by at most {parity.max_abs_dp:.1e} in probability. Trained for {training["epochs"]} epochs; the recipe holds
every other number.

## What is not known

Nothing was measured in other ages, other countries or other light, and nothing by age band, sex or phone. The data set
names no phone, and its regions were drawn by hand.
"""


def tables(figures: list[Mapping[str, Any]]) -> str:
    """One Markdown table a protocol, the controls beside the model."""
    lines = []
    for protocol in dict.fromkeys(figure["protocol"] for figure in figures):
        lines += [f"### Split {_PROTOCOL_WORDS[protocol]}", "", "| | " + " | ".join(_CONTESTANT_WORDS.values()) + " |"]
        lines += ["|---" * (1 + len(_CONTESTANT_WORDS)) + "|"]
        found = {figure["name"]: figure for figure in figures if figure["protocol"] == protocol}
        for metric, words in _METRIC_WORDS.items():
            cells = [found.get(f"{who}.{metric}") for who in _CONTESTANT_WORDS]
            lines.append(f"| {words} | " + " | ".join(_interval(cell) if cell else "" for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _verdict(evidence: Mapping[str, Any]) -> str:
    figures = {(f["name"], f["protocol"]): f for f in evidence["figures"]}
    model, twin = figures["model.auroc", LEAK_FREE], figures["twin_look_up.auroc", LEAK_FREE]
    words = (
        f"Leak-free, it tells anaemic from not with AUROC {_interval(model)}; looking up the twin's label gives "
        f"{twin['value']:.3f}, chance is 0.500."
    )
    if model["low"] <= 0.5:
        words += " The interval holds chance: it has not been shown that this model sees pallor at all."
    leaky = figures.get(("model.auroc", "published_protocol"))
    if leaky:
        beside = figures["twin_look_up.auroc", "published_protocol"]
        words += (
            f" Under the published random split the same recipe shows {leaky['value']:.3f} and the twin look-up "
            f"{beside['value']:.3f}: that split measures twins."
        )
    return words


def _interval(figure: Mapping[str, Any]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _short(protocol: str) -> str:
    return protocol.replace("_", " ")


def _by_seed(aurocs: Mapping[str, Mapping[str, float]]) -> str:
    parts = []
    for protocol, by_seed in aurocs.items():
        if by_seed:
            parts.append(f"{_short(protocol)} {', '.join(f'{value:.3f}' for value in by_seed.values())}")
    return "; ".join(parts)
