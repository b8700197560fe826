"""The band keeps its promise to each class, opens when it cannot, and counts twins once."""

from dataclasses import replace

import numpy as np
import pytest

from trainer.calibrate import sigmoid
from trainer.recipe import read_recipe
from trainer.refer_band import refer_band

AIM = read_recipe().calibration


def test_the_anaemic_get_more_protection_than_the_others():
    assert AIM.refer_coverage_anaemic > AIM.refer_coverage_other


def test_each_class_keeps_its_coverage_on_average_whatever_its_share():
    """Class-conditional: among nine in ten not anaemic, a coverage of everybody alike could miss all of the anaemic."""
    rng = np.random.default_rng(0)
    for share in (0.1, 0.6):
        missed, alarmed = [], []
        for _ in range(60):
            scores, anaemic = children(rng, 300, share)
            low, high = refer_band(scores, anaemic, np.arange(300), AIM)
            unseen, truth = children(rng, 2000, share)
            missed.append((unseen[truth] < low).mean())
            alarmed.append((unseen[~truth] > high).mean())
        assert np.mean(missed) <= 1 - AIM.refer_coverage_anaemic + 0.01
        assert np.mean(alarmed) <= 1 - AIM.refer_coverage_other + 0.01
        assert np.mean(alarmed) > 0.05  # nor is more referred than the promise costs


def test_the_ends_are_the_order_statistics_of_split_conformal_prediction():
    rng = np.random.default_rng(0)
    scores, anaemic = children(rng, 400, 0.5)
    low, high = refer_band(scores, anaemic, np.arange(400), AIM)
    yes, no = np.sort(scores[anaemic]), np.sort(scores[~anaemic])
    assert low == yes[len(yes) - int(np.ceil(0.95 * (len(yes) + 1)))]
    assert high == no[int(np.ceil(0.90 * (len(no) + 1))) - 1]


def test_too_few_of_a_class_leave_its_end_open():
    rng = np.random.default_rng(0)
    few = np.arange(200) < 8
    scores = sigmoid(rng.normal(size=200) + few)
    low, high = refer_band(scores, few, np.arange(200), AIM)
    assert low == 0.0  # a coverage of 0.95 cannot be backed by eight
    assert 0.5 < high < 1.0
    low, high = refer_band(scores, ~few, np.arange(200), AIM)
    assert 0.0 < low < 0.5
    assert high == 1.0


@pytest.mark.parametrize("anaemic", [np.ones(20, bool), np.zeros(20, bool), np.empty(0, bool)])
def test_twenty_rows_of_one_class_and_none_of_the_other_refer_rather_than_crash(anaemic):
    scores = np.linspace(0.2, 0.8, len(anaemic))
    low, high = refer_band(scores, anaemic, np.arange(len(anaemic)), AIM)
    assert low in (0.0, 0.2)
    assert high >= 0.74
    if not len(anaemic):
        assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95, 0.975])
def test_no_number_of_photographs_is_one_that_crashes_it(coverage):
    aim = replace(AIM, refer_coverage_anaemic=coverage, refer_coverage_other=coverage)
    rng = np.random.default_rng(0)
    for n in range(50):
        scores = np.sort(rng.random(2 * n))
        low, high = refer_band(scores, np.arange(2 * n) >= n, np.arange(2 * n), aim)
        assert (low == 0.0) is (high == 1.0) is (n * (1 - coverage) < 1 - 1e-9), n


def test_twins_count_once():
    rng = np.random.default_rng(0)
    scores, anaemic = children(rng, 30, 0.5)
    copies = np.repeat(np.arange(30), 20)  # six hundred rows of thirty photographs
    few = refer_band(scores, anaemic, np.arange(30), AIM)
    assert refer_band(scores[copies], anaemic[copies], copies, AIM) == few
    assert few[0] == 0.0  # fifteen cannot back 0.95, however often they are copied


def test_a_photograph_with_both_labels_speaks_for_both_classes():
    scores, anaemic = np.tile(np.linspace(0.3, 0.7, 40), 2), np.repeat([True, False], 40)
    low, high = refer_band(scores, anaemic, np.tile(np.arange(40), 2), AIM)
    assert 0.3 <= low < high <= 0.7


def test_classes_far_apart_leave_scores_that_are_neither_and_these_are_referred():
    anaemic = np.arange(200) < 100
    scores = np.where(anaemic, 0.9, 0.1) + np.linspace(0, 0.05, 200)
    low, high = refer_band(scores, anaemic, np.arange(200), AIM)
    assert low < 0.5 < high


def test_more_coverage_is_a_wider_band():
    scores, anaemic = children(np.random.default_rng(0), 500, 0.5)
    low, high = refer_band(scores, anaemic, np.arange(500), AIM)
    surer = replace(AIM, refer_coverage_anaemic=0.99, refer_coverage_other=0.99)
    wider = refer_band(scores, anaemic, np.arange(500), surer)
    assert wider[0] < low
    assert wider[1] > high


def test_the_row_that_speaks_for_its_cluster_is_drawn_by_the_recipes_seed():
    scores, anaemic = children(np.random.default_rng(0), 600, 0.5)
    clusters = np.arange(600) // 4
    drawn = [refer_band(scores, anaemic, clusters, replace(AIM, refer_seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def children(rng, n, share):
    anaemic = rng.random(n) < share
    return sigmoid(rng.normal(size=n) + 1.5 * anaemic), anaemic
