"""What the model is, whom it is for, what it predicts from what, and what nobody knows of it."""

from trainer.report.content import Facts, Points, Section
from trainer.report.findings import Findings
from trainer.report.lookup import dig
from trainer.report.words import number, stated

INVESTIGATIONAL = "Investigational. Fit to clear no one."


def intended_use(findings: Findings) -> Section:
    use = findings.intended_use
    facts = (
        ("Purpose", "research: to run every part of the system, and to earn a better model by the prospective record"),
        ("Ages", f"{use.min_age_months} to {use.max_age_months} months"),
        ("Pregnancy", "inside the intended use" if use.pregnant else "outside the intended use"),
        ("Eyes", "no red or sore eye"),
        ("Users", "trained field workers, who see neither the probability nor a heat map of it"),
        ("What is done with the answer", "nothing: whoever is photographed is referred for a blood test"),
    )
    never = (
        "It rules out anaemia in no one, and names no severity. Danger signs and severe pallor are referred at once, "
        "whatever it says.",
        "It replaces no laboratory value, and no laboratory may see its answer before the value is in.",
        "Its probabilities carry the share of anaemia in the photos it learned from, not that of another clinic.",
    )
    return Section("use", "Intended use and its limits", (Facts(facts), Points(never)))


def model(findings: Findings) -> Section:
    evidence, parity = findings.evidence, findings.parity or {}
    training = dig(evidence, "recipe", "training")
    extra = [
        f"learned from a larger teacher, {stated(dig(evidence, 'recipe', 'distillation', 'teacher'))}"
        if dig(evidence, "recipe", "distillation")
        else "",
        f"{number(dig(evidence, 'recipe', 'pruning', 'share'), '.0%')} of the hidden channels taken away"
        if dig(evidence, "recipe", "pruning")
        else "",
    ]
    facts = (
        (
            "Network",
            "MobileNetV2 with one logit: ImageNet weights, then fine-tuned" + "".join(f"; {e}" for e in extra if e),
        ),
        ("Answer", "a probability of anaemia, a 7 x 7 activation map that explains it exactly, and an embedding"),
        ("Base weights", stated(evidence.get("base_weights"))),
        ("Credit for the base", stated(evidence.get("base_credit"))),
        ("Recipe", f"{stated(dig(evidence, 'recipe', 'name'))}, which holds every number of the run"),
        ("Trained for", f"at most {number(dig(training, 'epochs'), 'g')} epochs"),
        (
            "Stored file against the trained network",
            f"largest |dp| {number(parity.get('max_abs_dp'), '.1e')} over {number(parity.get('photos'), 'd')} photos",
        ),
    )
    return Section("model", "The model", (Facts(facts),))


def outcome(findings: Findings) -> Section:
    cut_off = number(dig(findings.evidence, "recipe", "training", "cut_off_g_per_l"), "g")
    facts = (
        ("Outcome", "anaemia: haemoglobin below the cut-off for age, sex and pregnancy"),
        ("Cut-offs", f"table {stated(findings.evidence.get('label_table'))} of the World Health Organization"),
        ("Measured", "by a laboratory, in g/L; how, and how long before or after the photo, is the source's to say"),
        ("Soft target in training", f"about {cut_off} g/L"),
        ("Blinding", "the model is told nothing but the photo; what the laboratory knew of the eyelid is not stated"),
    )  # fmt: skip
    return Section("outcome", "Outcome", (Facts(facts),))


def predictors(findings: Findings) -> Section:
    size = dig(findings.evidence, "recipe", "preprocess", "size")
    method = stated(dig(findings.evidence, "recipe", "preprocess", "method"))
    side = number(size, "d")
    return Section(
        "predictors",
        "Predictors",
        (
            "One photo of the inner lower eyelid, and nothing else: the model is told neither age nor sex nor site.",
            Facts(
                (
                    ("Photo", f"the marked region on neutral grey, {side} x {side} pixels, sRGB, laid out by {method}"),
                    (
                        "Quality",
                        "in use, a photo that is too dark or blurred is refused before it is scored",
                    ),
                )
            ),
        ),
    )


def unknown(findings: Findings) -> Section:
    drawn = (
        ("Every photo was drawn by a program: nothing here says anything of people.",) if findings.is_synthetic else ()
    )
    points = (
        *drawn,
        "No external validation: other countries, other phones, other light and other hands were not tried.",
        "No prospective record: this model scored no photo before its laboratory value was known.",
        "The same test side judges every candidate: the more candidates are compared on it, the less it proves.",
        "The pixels inside the marked region decide; who marks it otherwise gets another answer.",
        "Nothing is said here of people with a red or sore eye, after a transfusion, or in pregnancy.",
    )
    return Section("limits", "What is not known", (Points(points),))


def credit(findings: Findings) -> Section:
    evidence = findings.evidence
    real = "Whoever uses these weights or figures names the data and the base weights. The weights are for research."
    facts = (
        ("Data", stated(evidence.get("credit"))),
        ("Base weights", stated(evidence.get("base_credit"))),
        ("Cite as", f"Pallor release {findings.release_id}, recipe {stated(evidence.get('recipe_digest'))}"),
        ("Snapshot", stated(evidence.get("snapshot_digest"))),
        ("Same-photo groups", stated(evidence.get("groups_digest"))),
        ("Recipe", stated(evidence.get("recipe_digest"))),
    )
    return Section("credit", "Credit and digests", (real, Facts(facts)))


def title(findings: Findings) -> str:
    """The first line: of a drawn world nobody may read on without knowing it."""
    if findings.is_synthetic:
        return f"{findings.release_id}: synthetic world, drawn photos, no patient"
    return findings.release_id + ("" if findings.world == "real" else f": world {findings.world}")
