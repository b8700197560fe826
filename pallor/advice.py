"""What may be said to the person with the phone. The server decides the words; the phone only renders them.

No advice ever says that someone is well: a wrong "not anaemic" sends a sick child home.
"""

from dataclasses import dataclass
from enum import StrEnum

from pallor.case import MAX_REFUSED_PHOTOS, Case
from pallor.label import CRITICAL_G_PER_L, Label, Severity
from pallor.prediction import Prediction
from pallor.release.manifest import Manifest
from pallor.release.policy import Clearance
from pallor.subject import Pregnancy
from pallor.verification import is_audited


class AdviceCode(StrEnum):
    REFER_NOW = "refer-now"
    REFER = "refer-for-blood-test"
    RETAKE = "retake-photo"
    WAIT = "wait-for-score"
    LOW_CHANCE = "low-chance"
    FOLLOW_RESULT = "follow-laboratory-result"


@dataclass(frozen=True)
class Advice:
    """The words, why (stable codes), and whether the field worker may see the score behind them."""

    code: AdviceCode
    words: str
    reasons: tuple[str, ...] = ()
    score_shown: bool = False


def advise(
    case: Case,
    prediction: Prediction | None,
    manifest: Manifest | None,
    clearance: Clearance | None,
    *,
    label: Label | None = None,
    results_disagree: bool = False,
    consent_to_care: bool = True,
    refused_photos: int = 0,
    waiting_photos: int = 0,
    taken_back: bool = False,
) -> Advice:
    """Decide what may be said about a case.

    Args:
        label: what the laboratory's value means, when it is in: then the photo no longer counts. Of several values that
            stand, the lowest.
        consent_to_care: False when it was withdrawn: then no photo is asked for, and none decides.
        results_disagree: several values stand and are not the same.
        prediction: the shown answer, None while there is none.
        manifest: of the release that gave it; None when this server does not know that release.
        clearance: for that release, None while it is investigational.
        refused_photos: photos of this case that could not be used.
        waiting_photos: photos of this case that are not scored yet.
        taken_back: people have taken back for good the release that gave the answer.
    """
    danger = _danger(case)
    if danger:
        return Advice(AdviceCode.REFER_NOW, "Refer now. Do not wait for a score or a result.", danger)
    if label is not None:
        return _with_result(label, results_disagree)
    if not consent_to_care:
        words = "Consent was withdrawn: take no photo. A blood test can still be offered."
        return Advice(AdviceCode.REFER, words, ("consent-withdrawn",))
    if prediction is None:
        return _without_score(refused_photos, waiting_photos)
    doubts = ("release-taken-back",) if taken_back else _doubts(case, prediction, manifest, clearance)
    if doubts or manifest is None or clearance is None:
        return Advice(AdviceCode.REFER, "Refer for a blood test.", doubts)
    if prediction.probability >= manifest.threshold:
        return Advice(
            AdviceCode.REFER, "Refer for a blood test: the photo suggests anaemia.", ("screen-positive",), True
        )
    if is_audited(case.id):
        words = "Refer for a blood test: chosen by chance, as one in ten is, to learn whom the photo misses."
        return Advice(AdviceCode.REFER, words, ("audit",), True)
    n = clearance.negatives_anaemic_in_100
    words = f"Low chance from this photo: about {n} in 100 people with this result here are anaemic."
    return Advice(AdviceCode.LOW_CHANCE, words, ("screen-negative",), True)


def _danger(case: Case) -> tuple[str, ...]:
    signs = tuple(sign.value for sign in case.danger_signs)
    return (*signs, "severe-pallor") if case.severe_pallor else signs


def _with_result(label: Label, results_disagree: bool) -> Advice:
    """The blood has been tested: its result decides, also where it says nothing clear."""
    if label.severity is Severity.SEVERE or label.adjusted_g_per_l < CRITICAL_G_PER_L:
        return Advice(AdviceCode.REFER_NOW, "The laboratory found severe anaemia. Refer now.", ("severe-anaemia",))
    if results_disagree:
        words = "The laboratory's values disagree: ask the laboratory and a clinician which one stands."
        return Advice(AdviceCode.FOLLOW_RESULT, words, ("conflicting-results",))
    altitude = "" if label.altitude_adjusted else " The value is not adjusted for altitude."
    if label.severity is None:
        words = "The laboratory's value is here, but no cut-off fits this person: ask a clinician." + altitude
        return Advice(AdviceCode.FOLLOW_RESULT, words, ("no-criterion",))
    if label.anaemic:
        words = f"The laboratory found {label.severity} anaemia: treat or refer as your guideline says." + altitude
        return Advice(AdviceCode.FOLLOW_RESULT, words, (f"{label.severity}-anaemia",))
    words = "The laboratory's value is here: follow it and what you see in the person, not the photo." + altitude
    return Advice(AdviceCode.FOLLOW_RESULT, words, ("result-above-cut-off",))


def _without_score(refused_photos: int, waiting_photos: int) -> Advice:
    if refused_photos >= MAX_REFUSED_PHOTOS and not waiting_photos:
        return Advice(AdviceCode.REFER, "No photo could be used. Refer for a blood test.", ("photos-refused",))
    if refused_photos and not waiting_photos:
        return Advice(AdviceCode.RETAKE, "The photo could not be used. Take another.", ("photo-refused",))
    return Advice(AdviceCode.WAIT, "Not scored yet. If you cannot wait, refer for a blood test.", ("not-scored",))


def _doubts(
    case: Case, prediction: Prediction, manifest: Manifest | None, clearance: Clearance | None
) -> tuple[str, ...]:
    if manifest is None:
        return ("release-unknown",)
    return doubts_of(case, prediction.release_id, prediction.probability, manifest, clearance)


def doubts_of(
    case: Case, release_id: str, probability: float, manifest: Manifest, clearance: Clearance | None
) -> tuple[str, ...]:
    """Every reason why the score of a release decides nothing here; empty when it may."""
    uses = [manifest.intended_use, *([clearance.scope] if clearance else [])]
    found = []
    if clearance is None or clearance.release_id != release_id:
        found.append("not-cleared")
    if manifest.world == "synthetic":
        found.append("synthetic-release")
    if not all(use.min_age_months <= case.subject.age_months <= use.max_age_months for use in uses):
        found.append("age-outside-intended-use")
    if case.subject.pregnancy is not Pregnancy.NO and not all(use.pregnant for use in uses):
        found.append("pregnancy-outside-intended-use")
    if case.sore_eye:
        found.append("red-or-sore-eye")
    if manifest.refer_low <= probability <= manifest.refer_high:
        found.append("score-undecided")
    return tuple(found)
