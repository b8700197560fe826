"""Figures worked out by hand, and intervals that know how many photographs there are."""

import numpy as np
import pytest

from trainer.metrics import accuracy, auroc, brier, estimate, sensitivity, specificity

TRUTH = np.array([True, True, True, False, False])
SCORES = np.array([0.9, 0.6, 0.3, 0.5, 0.1])


def test_auroc_counts_the_pairs_in_order():
    # of the six pairs, only (0.3, 0.5) stands the wrong way round
    assert auroc(TRUTH, SCORES) == pytest.approx(5 / 6)


def test_a_score_on_the_threshold_is_positive():
    assert sensitivity(0.6)(TRUTH, SCORES) == pytest.approx(2 / 3)
    assert specificity(0.5)(TRUTH, SCORES) == pytest.approx(1 / 2)


def test_accuracy_is_the_share_of_right_calls():
    assert accuracy(0.5)(TRUTH, SCORES) == pytest.approx(3 / 5)


def test_brier_is_the_mean_squared_distance():
    assert brier(TRUTH, SCORES) == pytest.approx((0.01 + 0.16 + 0.49 + 0.25 + 0.01) / 5)


def test_an_interval_holds_its_value_and_the_mean_is_over_seeds():
    found = estimate(auroc, *two_seeds(), np.arange(200), draws=200, seed=0)
    truth, runs = two_seeds()
    assert found.value == pytest.approx(np.mean([auroc(truth, scores) for scores in runs]))
    assert found.low < found.value < found.high


def test_rows_that_are_copies_of_one_photograph_make_nobody_surer():
    truth, runs = two_seeds()
    once = estimate(auroc, truth, runs, np.arange(200), draws=300, seed=0)
    copied = [np.tile(scores, 9) for scores in runs]
    nine_times = estimate(auroc, np.tile(truth, 9), copied, np.tile(np.arange(200), 9), draws=300, seed=0)
    assert nine_times.high - nine_times.low == pytest.approx(once.high - once.low, rel=0.05)


def test_a_resample_without_both_classes_is_drawn_again():
    truth, scores = np.array([True, False]), np.array([0.9, 0.1])
    found = estimate(auroc, truth, [scores], np.arange(2), draws=20, seed=0)
    assert (found.low, found.high) == (1.0, 1.0)


def two_seeds():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2 == 0
    return truth, [truth * 0.5 + rng.normal(size=200) for _ in range(2)]
