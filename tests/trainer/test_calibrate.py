"""Cut-offs do what they were asked for on the predictions they came from, and are not asked for more."""

import numpy as np
import pytest

from trainer.calibrate import at_sensitivity, at_specificity, calibrate, fit_temperature, sigmoid
from trainer.metrics import sensitivity, specificity
from trainer.recipe import read_recipe

AIM = read_recipe().calibration


def test_overconfident_logits_are_cooled_to_what_they_are_worth():
    honest, anaemic = outcomes()
    assert fit_temperature(honest, anaemic) == pytest.approx(1.0, rel=0.1)
    assert fit_temperature(honest * 4, anaemic) == pytest.approx(4.0, rel=0.1)


def test_the_cut_off_for_a_sensitivity_is_the_largest_that_keeps_it():
    scores, anaemic = np.array([0.9, 0.8, 0.7, 0.2, 0.5, 0.1]), np.array([1, 1, 1, 1, 0, 0], bool)
    assert at_sensitivity(scores, anaemic, 0.75) == 0.7
    assert at_sensitivity(scores, anaemic, 0.76) == 0.2


def test_the_cut_off_for_a_specificity_leaves_that_share_at_or_below_it():
    scores, anaemic = np.array([0.9, 0.1, 0.2, 0.3, 0.4]), np.array([1, 0, 0, 0, 0], bool)
    assert at_specificity(scores, anaemic, 0.75) == 0.3


def test_threshold_and_band_keep_their_aims():
    logits, anaemic = outcomes()
    cutoffs = calibrate(logits, anaemic, AIM)
    scores = sigmoid(logits / cutoffs.temperature)
    assert sensitivity(cutoffs.threshold)(anaemic, scores) >= AIM.target_sensitivity
    assert sensitivity(cutoffs.refer_low)(anaemic, scores) >= AIM.refer_low_sensitivity
    assert specificity(np.nextafter(cutoffs.refer_high, 1))(anaemic, scores) >= AIM.refer_high_specificity
    assert cutoffs.refer_low <= cutoffs.threshold <= cutoffs.refer_high
    assert 0 < cutoffs.decided_share < 1


def test_the_threshold_lies_in_the_band_even_when_the_model_is_perfect():
    anaemic = np.arange(100) % 2 == 0
    cutoffs = calibrate(np.where(anaemic, 5.0, -5.0), anaemic, AIM)
    assert cutoffs.refer_low <= cutoffs.threshold <= cutoffs.refer_high


def outcomes():
    """Logits that are exactly as sure as they are right."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 5000)
    return logits, rng.random(5000) < sigmoid(logits)
