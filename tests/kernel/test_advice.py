"""What may be said, case by case. The one thing that must never happen: someone sick is told that all is well."""

import itertools

import pytest

from pallor.advice import AdviceCode, advise
from pallor.case import DangerSign
from pallor.lab import read_hb
from pallor.label import label_of
from pallor.release.manifest import IntendedUse
from pallor.subject import Pregnancy
from tests.support.builders import a_case, a_clearance, a_manifest, a_prediction, a_subject, an_id

YOUNG_OR_OLD = "age-outside-intended-use"
CLEARED = a_clearance()
NEGATIVE, UNDECIDED, POSITIVE = a_prediction(0.1), a_prediction(0.5), a_prediction(0.9)
WOMAN = a_subject(age_months=300, pregnancy=Pregnancy.YES, trimester=2)

# (name, case, prediction, manifest, clearance, refused photos, advice, one of its reasons)
CASES = [
    ("investigational, positive", a_case(), POSITIVE, a_manifest(), None, 0, AdviceCode.REFER, "not-cleared"),
    ("investigational, negative", a_case(), NEGATIVE, a_manifest(), None, 0, AdviceCode.REFER, "not-cleared"),
    ("cleared, positive", a_case(), POSITIVE, a_manifest(), CLEARED, 0, AdviceCode.REFER, "screen-positive"),
    ("cleared, negative", a_case(), NEGATIVE, a_manifest(), CLEARED, 0, AdviceCode.LOW_CHANCE, "screen-negative"),
    ("cleared, negative, chosen by chance", a_case(id=an_id(audited=True)), NEGATIVE, a_manifest(), CLEARED, 0,
     AdviceCode.REFER, "audit"),
    ("cleared, positive, chosen by chance", a_case(id=an_id(audited=True)), POSITIVE, a_manifest(), CLEARED, 0,
     AdviceCode.REFER, "screen-positive"),
    ("cleared, undecided", a_case(), UNDECIDED, a_manifest(), CLEARED, 0, AdviceCode.REFER, "score-undecided"),
    ("cleared for another release", a_case(), a_prediction(0.1, release_id="toy-2"),
     a_manifest(release_id="toy-2"), CLEARED, 0, AdviceCode.REFER, "not-cleared"),
    ("too young", a_case(age_months=5), NEGATIVE, a_manifest(), CLEARED, 0, AdviceCode.REFER, YOUNG_OR_OLD),
    ("too old", a_case(age_months=60), NEGATIVE, a_manifest(), CLEARED, 0, AdviceCode.REFER, YOUNG_OR_OLD),
    ("in the release's age, outside the clearance's", a_case(age_months=70), NEGATIVE,
     a_manifest(intended_use=IntendedUse(6, 120, pregnant=False)), CLEARED, 0, AdviceCode.REFER, YOUNG_OR_OLD),
    ("pregnant", a_case(subject=WOMAN), NEGATIVE, a_manifest(intended_use=IntendedUse(6, 600, pregnant=False)),
     CLEARED, 0, AdviceCode.REFER, "pregnancy-outside-intended-use"),
    ("sore eye", a_case(sore_eye=True), NEGATIVE, a_manifest(), CLEARED, 0, AdviceCode.REFER, "red-or-sore-eye"),
    ("synthetic release", a_case(), NEGATIVE, a_manifest(world="synthetic"), CLEARED, 0, AdviceCode.REFER,
     "synthetic-release"),
    ("unknown release", a_case(), NEGATIVE, None, CLEARED, 0, AdviceCode.REFER, "release-unknown"),
    ("danger sign", a_case(danger_signs=(DangerSign.LETHARGIC,)), NEGATIVE, a_manifest(), CLEARED, 0,
     AdviceCode.REFER_NOW, "lethargic"),
    ("severe pallor, nothing else known", a_case(severe_pallor=True), None, None, None, 0, AdviceCode.REFER_NOW,
     "severe-pallor"),
    ("danger sign and three refused photos", a_case(danger_signs=(DangerSign.CONVULSIONS,)), None, None, None, 3,
     AdviceCode.REFER_NOW, "convulsions"),
    ("not scored yet", a_case(), None, None, None, 0, AdviceCode.WAIT, "not-scored"),
    ("one refused photo", a_case(), None, None, None, 1, AdviceCode.RETAKE, "photo-refused"),
    ("two refused photos", a_case(), None, None, None, 2, AdviceCode.RETAKE, "photo-refused"),
    ("three refused photos", a_case(), None, None, None, 3, AdviceCode.REFER, "photos-refused"),
    ("a score after three refused photos", a_case(), NEGATIVE, a_manifest(), CLEARED, 3, AdviceCode.LOW_CHANCE,
     "screen-negative"),
]  # fmt: skip


@pytest.mark.parametrize("row", CASES, ids=[row[0] for row in CASES])
def test_the_table_of_cases(row):
    _, case, prediction, manifest, clearance, refused, code, reason = row
    advice = advise(case, prediction, manifest, clearance, refused_photos=refused)
    assert advice.code is code
    assert reason in advice.reasons


def test_a_photo_that_waits_is_waited_for_even_after_three_refusals():
    assert advise(a_case(), None, None, None, refused_photos=3, waiting_photos=1).code is AdviceCode.WAIT


def test_a_low_chance_names_how_many_are_anaemic_all_the_same():
    words = advise(a_case(), NEGATIVE, a_manifest(), CLEARED).words
    assert "14 in 100" in words


def test_an_answer_of_a_release_that_was_taken_back_says_nothing_but_refer():
    for prediction in (NEGATIVE, UNDECIDED, POSITIVE):
        advice = advise(a_case(), prediction, a_manifest(), CLEARED, taken_back=True)
        assert (advice.code, advice.reasons) == (AdviceCode.REFER, ("release-taken-back",))
        assert not advice.score_shown


def test_the_threshold_itself_is_positive():
    assert advise(a_case(), a_prediction(0.4), a_manifest(), CLEARED).reasons == ("screen-positive",)


def _label(g_per_l: str, **facts):
    return label_of(read_hb(g_per_l, "g/L"), a_subject(**facts))


@pytest.mark.parametrize(
    ("label", "code", "reason"),
    [
        (_label("61"), AdviceCode.REFER_NOW, "severe-anaemia"),
        (_label("61", age_months=3), AdviceCode.REFER_NOW, "severe-anaemia"),
        (_label("61", altitude_m=5200), AdviceCode.REFER_NOW, "severe-anaemia"),
        (_label("85"), AdviceCode.FOLLOW_RESULT, "moderate-anaemia"),
        (_label("104"), AdviceCode.FOLLOW_RESULT, "mild-anaemia"),
        (_label("104", age_months=3), AdviceCode.FOLLOW_RESULT, "no-criterion"),
        (_label("130"), AdviceCode.FOLLOW_RESULT, "result-above-cut-off"),
    ],
)
@pytest.mark.parametrize("prediction", [None, NEGATIVE, POSITIVE])
def test_once_the_laboratory_has_spoken_the_photo_no_longer_counts(label, code, reason, prediction):
    advice = advise(a_case(), prediction, a_manifest(), CLEARED, label=label)
    assert (advice.code, advice.reasons, advice.score_shown) == (code, (reason,), False)


def test_a_danger_sign_still_refers_at_once_after_a_result():
    case = a_case(danger_signs=(DangerSign.LETHARGIC,))
    assert advise(case, None, None, None, label=_label("130")).code is AdviceCode.REFER_NOW


def test_a_result_that_is_not_adjusted_for_altitude_says_so():
    assert "not adjusted" in advise(a_case(), None, None, None, label=_label("104", altitude_m=None)).words


EVERY_SITUATION = list(
    itertools.product(
        [a_case(), a_case(age_months=3), a_case(sore_eye=True), a_case(severe_pallor=True), a_case(subject=WOMAN)],
        [None, NEGATIVE, UNDECIDED, POSITIVE],
        [None, a_manifest(), a_manifest(world="synthetic")],
        [None, CLEARED],
        range(5),
    )
)


def test_no_advice_ever_says_that_someone_is_well():
    for case, prediction, manifest, clearance, refused in EVERY_SITUATION:
        for label in (None, _label("130"), _label("61"), _label("130", age_months=3)):
            advice = advise(case, prediction, manifest, clearance, label=label, refused_photos=refused)
            words = advice.words.lower()
            assert not any(
                word in words for word in ("normal", "not anaemic", "healthy", "no anaemia", "is well", "fine")
            )


def test_without_clearance_the_field_never_sees_a_score():
    for case, prediction, manifest, _, refused in EVERY_SITUATION:
        assert not advise(case, prediction, manifest, None, refused_photos=refused).score_shown


def test_only_a_cleared_negative_inside_its_scope_is_not_referred():
    for case, prediction, manifest, clearance, refused in EVERY_SITUATION:
        advice = advise(case, prediction, manifest, clearance, refused_photos=refused)
        if advice.code is AdviceCode.LOW_CHANCE:
            assert clearance is not None
            assert prediction is NEGATIVE
            assert 6 <= case.subject.age_months <= 59
            assert not case.sore_eye
