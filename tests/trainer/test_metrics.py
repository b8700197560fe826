"""Figures worked out by hand and by scikit-learn, row weights and ties included; and what cannot be measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from trainer.calibrate import Cutoffs, sigmoid
from trainer.metrics import (
    Answers,
    auroc,
    bins_of,
    change_against,
    decisions,
    decisions_at_half,
    loss_against,
    probabilities,
    ranking,
    referral,
    weighted_auroc,
    whom,
)

TRUTH = np.array([True, True, True, False, False])
SCORES = np.array([0.9, 0.6, 0.3, 0.5, 0.1])
CUTOFFS = Cutoffs(temperature=1.0, threshold=0.5, refer_low=0.3, refer_high=0.6)
ONCE = np.ones((5, 1))
MEASURES = (ranking, decisions((0.2, 0.4)), decisions_at_half, referral, probabilities(5))

# few distinct scores, so that ties are the rule; weights as a bootstrap has them
row = st.tuples(st.booleans(), st.integers(0, 8), st.integers(0, 3))
tables = st.lists(row, min_size=2, max_size=40)


def test_auroc_counts_the_pairs_in_order():
    # of the six pairs, only (0.3, 0.5) stands the wrong way round
    assert auroc(TRUTH, SCORES) == pytest.approx(5 / 6)
    assert ranking(answers(), ONCE)["auroc"] == pytest.approx(5 / 6)


@settings(deadline=None, max_examples=200)
@given(table=tables)
def test_weighted_auroc_is_that_of_scikit_learn_ties_included(table):
    truth, scores, weights = columns(table)
    found = ranking(Answers.by(CUTOFFS, truth, scores), weights[:, None])["auroc"][0]
    drawn = weights > 0
    if len(set(truth[drawn].tolist())) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))


def test_many_resamples_at_once_are_each_as_one_alone():
    rng = np.random.default_rng(0)
    truth, scores = rng.random(50) < 0.4, rng.integers(0, 9, 50) / 8
    weights = rng.integers(0, 3, (50, 7)).astype(float)
    said = Answers.by(CUTOFFS, truth, scores)
    for measure in MEASURES:
        together = measure(said, weights)
        for at in range(7):
            alone = measure(said, weights[:, [at]])
            assert {name: together[name][at] for name in together} == pytest.approx(
                {name: alone[name][0] for name in alone}, nan_ok=True
            )


def test_a_row_may_count_on_both_sides():
    scores, as_anaemic = np.array([0.1, 0.2, 0.3]), np.array([[0.5], [0.5], [0.5]])
    assert weighted_auroc(scores, scores, as_anaemic, 1 - as_anaemic) == pytest.approx(0.5)


@settings(deadline=None, max_examples=200)
@given(table=tables)
def test_decisions_are_those_of_scikit_learn(table):
    truth, scores, weights = columns(table)
    both = len(set(truth[weights > 0].tolist())) == 2
    if not both:
        return
    said = Answers.by(CUTOFFS, truth, scores)
    at_threshold = decisions((0.2,))(said, weights[:, None])
    at_half = decisions_at_half(said, weights[:, None])
    assert at_threshold["sensitivity"][0] == pytest.approx(recall_score(truth, scores >= 0.5, sample_weight=weights))
    assert at_threshold["specificity"][0] == pytest.approx(recall_score(~truth, scores < 0.5, sample_weight=weights))
    assert at_threshold["accuracy"][0] == pytest.approx(accuracy_score(truth, scores >= 0.5, sample_weight=weights))
    f1 = f1_score(truth, scores >= 0.5, sample_weight=weights, zero_division=0)
    assert at_threshold["f1"][0] == at_half["f1_at_half"][0] == pytest.approx(f1)
    if (weights * (scores >= 0.5)).sum():
        precision = precision_score(truth, scores >= 0.5, sample_weight=weights)
        assert at_half["precision_at_half"][0] == pytest.approx(precision)
    else:
        assert np.isnan(at_half["precision_at_half"][0])


def test_a_score_on_the_threshold_is_positive():
    found = decisions(())(Answers.by(Cutoffs(1.0, 0.6, 0.6, 0.6), TRUTH, SCORES), ONCE)
    assert found["sensitivity"] == pytest.approx(2 / 3)
    found = decisions(())(answers(), ONCE)
    assert found["specificity"] == pytest.approx(1 / 2)


def test_predictive_values_follow_from_the_prevalence_that_is_stated():
    # sensitivity 2/3, specificity 1/2; of 100 with 20 anaemic 13.3 are found, 40 are false alarms
    found = decisions((0.2, 0.125))(answers(), ONCE)
    assert found["ppv_at_20"] == pytest.approx(13.333 / 53.333, abs=1e-4)
    assert found["npv_at_20"] == pytest.approx(40 / 46.667, abs=1e-4)
    assert "ppv_at_12_5" in found


def test_at_the_prevalence_of_the_data_the_predictive_value_is_the_precision():
    found = decisions((0.6,))(answers(), ONCE)
    assert found["ppv_at_60"] == pytest.approx(precision_score(TRUTH, SCORES >= 0.5))


def test_the_ends_of_the_refer_band_decide_nothing():
    assert answers().called.tolist() == [1, 0, 0, 0, -1]
    found = referral(answers(), ONCE)
    assert found["decided_share"] == pytest.approx(2 / 5)
    assert found["coverage_anaemic"] == found["coverage_other"] == 1.0


def test_the_wrong_word_is_no_coverage_and_the_right_one_is():
    said = Answers.by(CUTOFFS, np.array([True, True, False, False]), np.array([0.2, 0.9, 0.9, 0.2]))
    found = referral(said, np.ones((4, 1)))
    assert found["decided_share"] == 1.0
    assert found["coverage_anaemic"] == found["coverage_other"] == 0.5


@settings(deadline=None, max_examples=100)
@given(table=tables)
def test_brier_and_log_loss_are_those_of_scikit_learn(table):
    truth, scores, weights = columns(table)
    if not weights.any():
        return
    scores = np.clip(scores, 0.01, 0.99)
    found = probabilities(5)(Answers.by(CUTOFFS, truth, scores), weights[:, None])
    assert found["brier"][0] == pytest.approx(brier_score_loss(truth, scores, sample_weight=weights, pos_label=True))
    assert found["log_loss"][0] == pytest.approx(log_loss(truth, scores, sample_weight=weights, labels=[False, True]))


@pytest.mark.parametrize("seed", range(5))
def test_the_calibration_line_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.5, 1.5, 200)
    truth = rng.random(200) < sigmoid(0.6 * logits - 1)
    weights = rng.integers(0, 4, (200, 3)).astype(float)
    found = probabilities(5)(Answers.by(CUTOFFS, truth, sigmoid(logits)), weights)
    for at in range(3):
        line = LogisticRegression(C=np.inf, tol=1e-9).fit(logits[:, None], truth, sample_weight=weights[:, at])
        assert found["calibration_slope"][at] == pytest.approx(line.coef_[0, 0], rel=1e-4)
        assert found["calibration_intercept"][at] == pytest.approx(line.intercept_[0], rel=1e-4, abs=1e-4)


def test_what_is_twice_too_sure_has_half_the_slope():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    truth, ones = rng.random(20_000) < sigmoid(logits), np.ones((20_000, 1))
    honest = probabilities(10)(Answers.by(CUTOFFS, truth, sigmoid(logits)), ones)
    too_sure = probabilities(10)(Answers.by(CUTOFFS, truth, sigmoid(2 * logits)), ones)
    assert honest["calibration_slope"][0] == pytest.approx(1, abs=0.05)
    assert honest["calibration_intercept"][0] == pytest.approx(0, abs=0.05)
    assert too_sure["calibration_slope"][0] == pytest.approx(0.5, abs=0.05)
    assert honest["calibration_error"][0] < 0.02 < too_sure["calibration_error"][0]


def test_the_calibration_error_is_the_mean_gap_over_bins_of_equal_size():
    scores, truth = np.array([0.1, 0.2, 0.7, 0.8]), np.array([False, True, True, True])
    found = probabilities(2)(Answers.by(CUTOFFS, truth, scores), np.ones((4, 1)))
    assert found["calibration_error"] == pytest.approx((abs(0.15 - 0.5) + abs(0.75 - 1.0)) / 2)


def test_bins_hold_equally_many_and_never_part_equal_scores():
    assert np.bincount(bins_of(np.linspace(0, 1, 100), 10)).tolist() == [10] * 10
    assert set(bins_of(np.full(7, 0.3), 10).tolist()) == {0}
    assert bins_of(np.array([]), 10).tolist() == []


def test_sure_probabilities_have_a_logit_too():
    truth, scores = np.array([True, False, True, False]), np.array([1.0, 0.0, 0.0, 1.0])
    found = probabilities(2)(Answers.by(CUTOFFS, truth, scores), np.ones((4, 1)))
    assert np.isfinite(found["log_loss"][0])


@pytest.mark.parametrize("truth", [TRUTH, ~TRUTH], ids=["in order", "the other way round"])
def test_classes_that_do_not_overlap_have_no_calibration_slope(truth):
    found = probabilities(2)(Answers.by(CUTOFFS, truth, np.where(TRUTH, 0.8, 0.2) + SCORES / 100), ONCE)
    assert np.isnan(found["calibration_slope"]).all()
    assert np.isnan(found["calibration_intercept"]).all()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("truth", [np.zeros(5, bool), np.ones(5, bool)], ids=["none anaemic", "all anaemic"])
def test_what_needs_the_other_class_is_not_a_number(measure, truth):
    for name, values in measure(Answers.by(CUTOFFS, truth, SCORES), ONCE).items():
        missing = {"anaemic": not truth.any(), "others": bool(truth.all()), "both": True, "everyone": False}[whom(name)]
        if name not in ("precision_at_half", "f1", "f1_at_half"):  # these can be said of the anaemic alone
            assert np.isnan(values[0]) == missing, name


@pytest.mark.parametrize("measure", MEASURES)
def test_nobody_at_all_is_measured_without_a_crash(measure):
    nobody = Answers.by(CUTOFFS, np.empty(0, bool), np.empty(0))
    assert all(np.isnan(values).all() for values in measure(nobody, np.empty((0, 3))).values())


def test_a_rival_loses_what_it_ranks_worse_and_changes_what_it_decides_otherwise():
    rival = Answers.by(CUTOFFS, TRUTH, np.array([0.9, 0.4, 0.3, 0.5, 0.1]))
    assert loss_against((answers(), rival), ONCE)["auroc_loss"] == pytest.approx(1 / 6)
    changed = change_against((answers(), rival), ONCE)
    assert changed["decisions_changed"] == pytest.approx(1 / 5)
    assert changed["mean_abs_dp"] == pytest.approx(0.2 / 5)


def answers():
    return Answers.by(CUTOFFS, TRUTH, SCORES)


def columns(table):
    truth, scores, weights = (np.array(column) for column in zip(*table, strict=True))
    return truth.astype(bool), scores / 8, weights.astype(float)
