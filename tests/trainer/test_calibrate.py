"""Cut-offs do what they were asked for on the rows they came from, and are not asked for more."""

from dataclasses import replace

import numpy as np
import pytest

from trainer.calibrate import at_sensitivity, calibrate, fit_temperature, sigmoid
from trainer.recipe import read_recipe

AIM = read_recipe().calibration


def test_overconfident_logits_are_cooled_to_what_they_are_worth():
    honest, anaemic = outcomes()
    assert fit_temperature(honest, anaemic) == pytest.approx(1.0, rel=0.1)
    assert fit_temperature(honest * 4, anaemic) == pytest.approx(4.0, rel=0.1)


def test_where_few_are_anaemic_the_probabilities_say_so():
    rng = np.random.default_rng(3)
    anaemic = rng.random(4000) < 0.2
    balanced = rng.normal(np.where(anaemic, 1.0, -1.0), np.sqrt(2))  # honest log odds where half are anaemic
    cutoffs = calibrate(balanced, anaemic, np.arange(4000), AIM)
    assert cutoffs.temperature == pytest.approx(1.0, rel=0.1)
    assert cutoffs.probabilities(balanced).mean() == pytest.approx(0.2, abs=0.02)


def test_rows_of_one_class_change_no_temperature():
    assert fit_temperature(np.linspace(-2, 2, 20), np.ones(20, bool)) == 1.0
    assert fit_temperature(np.empty(0), np.empty(0, bool)) == 1.0


def test_the_cut_off_for_a_sensitivity_is_the_largest_that_keeps_it():
    scores, anaemic = np.array([0.9, 0.8, 0.7, 0.2, 0.5, 0.1]), np.array([1, 1, 1, 1, 0, 0], bool)
    assert at_sensitivity(scores, anaemic, 0.75) == 0.7
    assert at_sensitivity(scores, anaemic, 0.76) == 0.2
    assert at_sensitivity(scores, anaemic, 0.0) == 0.9


def test_the_threshold_keeps_its_aim_and_the_band_holds_it():
    logits, anaemic = outcomes()
    cutoffs = calibrate(logits, anaemic, np.arange(len(logits)), AIM)
    scores = cutoffs.probabilities(logits)
    assert (scores[anaemic] >= cutoffs.threshold).mean() >= AIM.target_sensitivity
    assert cutoffs.refer_low <= cutoffs.threshold <= cutoffs.refer_high
    assert (scores[anaemic] < cutoffs.refer_low).mean() <= 1 - AIM.refer_coverage_anaemic
    assert (scores[~anaemic] > cutoffs.refer_high).mean() <= 1 - AIM.refer_coverage_other
    assert 0 < ((scores < cutoffs.refer_low) | (scores > cutoffs.refer_high)).mean() < 1


def test_the_threshold_lies_in_the_band_even_when_the_model_is_perfect():
    anaemic = np.arange(100) % 2 == 0
    cutoffs = calibrate(np.where(anaemic, 5.0, -5.0), anaemic, np.arange(100), AIM)
    assert cutoffs.refer_low <= cutoffs.threshold <= cutoffs.refer_high


def test_a_threshold_far_from_the_band_stretches_it():
    logits, anaemic = outcomes()
    for target in (0.3, 0.9999):
        cutoffs = calibrate(logits, anaemic, np.arange(len(logits)), replace(AIM, target_sensitivity=target))
        assert cutoffs.threshold in (cutoffs.refer_low, cutoffs.refer_high)
        assert cutoffs.refer_low < cutoffs.refer_high


@pytest.mark.parametrize("anaemic", [np.ones(20, bool), np.zeros(20, bool), np.empty(0, bool)])
def test_a_calibration_part_of_one_class_or_none_decides_little_and_crashes_nothing(anaemic):
    cutoffs = calibrate(np.linspace(-1, 1, len(anaemic)), anaemic, np.arange(len(anaemic)), AIM)
    assert 0 <= cutoffs.refer_low <= cutoffs.threshold <= cutoffs.refer_high <= 1
    if not anaemic.any():
        assert cutoffs.threshold == 0.0  # everybody is positive


def outcomes():
    """Logits that are exactly as sure as they are right."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 5000)
    return logits, rng.random(5000) < sigmoid(logits)
