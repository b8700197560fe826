"""Intervals that know how many photographs there are, and say nothing where there are too few."""

import numpy as np
import pytest

from trainer.bootstrap import FEWEST_CLUSTERS, estimate, resample
from trainer.calibrate import Cutoffs
from trainer.metrics import Answers, auroc, decisions, ranking

CUTOFFS = Cutoffs(temperature=1.0, threshold=0.5, refer_low=0.3, refer_high=0.6)


def test_an_interval_holds_its_value_and_the_value_is_the_mean_over_seeds():
    truth, runs = two_seeds()
    found = auroc_of(truth, runs, np.arange(200))
    assert found.value == pytest.approx(np.mean([auroc(truth, run.scores) for run in runs]))
    assert found.low < found.value < found.high
    assert found.count == 200


def test_rows_that_are_copies_of_one_photograph_make_nobody_surer():
    truth, runs = two_seeds()
    once = auroc_of(truth, runs, np.arange(200))
    copied = [Answers.by(CUTOFFS, np.tile(truth, 9), np.tile(run.scores, 9)) for run in runs]
    nine_times = auroc_of(np.tile(truth, 9), copied, np.tile(np.arange(200), 9))
    assert (nine_times.low, nine_times.high) == pytest.approx((once.low, once.high))
    assert nine_times.count == 200


def test_a_resample_draws_whole_clusters_as_many_as_there_are():
    clusters = np.array([7, 3, 7, 7, 5])
    drawn = resample(clusters, 500, seed=0)
    assert (drawn[0] == drawn[2]).all()
    assert (drawn[0] == drawn[3]).all()
    assert (drawn[0] + drawn[1] + drawn[4] == 3).all()
    assert drawn[1].mean() == pytest.approx(1, abs=0.1)


def test_the_same_seed_draws_the_same_and_another_does_not():
    clusters = np.arange(20)
    assert (resample(clusters, 10, 1) == resample(clusters, 10, 1)).all()
    assert (resample(clusters, 10, 1) != resample(clusters, 10, 2)).any()


def test_the_interval_holds_the_truth_about_as_often_as_it_says_though_photographs_come_thrice():
    """Rows of a photograph share label and score: drawn by rows, the interval would hold the truth far too rarely."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(150):
        label = np.arange(60) % 2 == 0
        truth, score = np.repeat(label, 3), np.repeat(label + rng.normal(size=60), 3)
        found = auroc_of(truth, [Answers.by(CUTOFFS, truth, score)], np.repeat(np.arange(60), 3))
        held += found.low <= 0.760 <= found.high  # the AUROC of two normals one standard deviation apart
    assert 0.88 <= held / 150 <= 0.99


def test_what_nobody_is_there_for_is_none_and_counted():
    truth = np.zeros(10, bool)
    found = estimate(
        decisions(()), [Answers.by(CUTOFFS, truth, np.linspace(0, 1, 10))], truth, np.arange(10), np.ones((10, 4))
    )
    assert (found["sensitivity"].value, found["sensitivity"].low, found["sensitivity"].count) == (None, None, 0)
    assert found["specificity"].value == 0.5
    assert found["specificity"].count == 10


def test_a_handful_of_photographs_has_a_value_and_no_interval():
    for anaemic, has_one in ((FEWEST_CLUSTERS - 1, False), (FEWEST_CLUSTERS, True)):
        truth = np.repeat(np.arange(30) < anaemic, 2)
        scores = np.random.default_rng(0).random(60)
        found = auroc_of(truth, [Answers.by(CUTOFFS, truth, scores)], np.repeat(np.arange(30), 2))
        assert found.value is not None
        assert (found.low is not None) is has_one
        assert (found.high is not None) is has_one


def test_resamples_of_one_class_alone_are_left_out():
    truth = np.arange(20) < 5  # every 250th resample or so has none of the five
    found = auroc_of(truth, [Answers.by(CUTOFFS, truth, truth * 0.5)], np.arange(20), draws=2000)
    assert (found.low, found.high) == (1.0, 1.0)


def auroc_of(truth, runs, clusters, draws=300):
    return estimate(ranking, runs, truth, clusters, resample(clusters, draws, seed=0))["auroc"]


def two_seeds():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2 == 0
    return truth, [Answers.by(CUTOFFS, truth, truth * 0.5 + rng.normal(size=200)) for _ in range(2)]
