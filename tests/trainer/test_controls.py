"""Controls that look at no colour show what a split is worth."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.labelled import labelled
from trainer.calibrate import Cutoffs
from trainer.controls import constant, look_up_twin, permute_labels, roi_area
from trainer.data.split import Fold, grouped, published
from trainer.metrics import Answers, auroc

CUTOFFS = Cutoffs(temperature=1.0, threshold=0.5, refer_low=0.3, refer_high=0.6)
NOBODY = np.empty(0, np.int64)


def test_the_twin_look_up_shines_when_twins_cross_the_split():
    photos = planted_twins()
    assert auroc(photos.anaemic, pooled(look_up_twin, photos, published(photos, 0))) > 0.9


def test_the_twin_look_up_knows_nothing_when_twins_stay_together():
    photos = planted_twins()
    assert auroc(photos.anaemic, pooled(look_up_twin, photos, grouped(photos, 1))) == 0.5


def test_twins_that_disagree_are_averaged():
    photos = labelled(groups=[7, 7, 7, 7, 8], anaemic=[True, True, False, False, False])
    fold = Fold("0", train=np.array([0, 1, 2, 4]), calibration=NOBODY, test=np.array([3]))
    assert look_up_twin(photos, fold).tolist() == [2 / 3]


def test_the_twin_look_up_learns_from_the_training_part_alone():
    photos = labelled(groups=[7, 7, 8], anaemic=[True, True, False])
    fold = Fold("0", train=np.array([2]), calibration=np.array([0]), test=np.array([1]))
    assert look_up_twin(photos, fold).tolist() == constant(photos, fold).tolist()


def test_the_constant_tells_nobody_apart():
    photos = labelled(groups=list(range(40)), anaemic=[i % 4 == 0 for i in range(40)])
    answers = pooled(constant, photos, grouped(photos, 1))
    assert set(answers) == {0.25}
    assert auroc(photos.anaemic, answers) == 0.5


def test_labels_dealt_anew_leave_a_good_model_no_better_than_chance():
    truth = np.arange(400) % 2 == 0
    found = permuted(truth, truth + np.random.default_rng(0).normal(size=400))
    assert found.mean == pytest.approx(0.5, abs=0.01)
    assert found.low == pytest.approx(0.5 - 1.96 * 0.0289, abs=0.012)  # the known spread of chance for 200 and 200
    assert found.high == pytest.approx(0.5 + 1.96 * 0.0289, abs=0.012)
    assert found.p == pytest.approx(1 / 301)


def test_a_model_that_knows_nothing_has_no_small_p_more_often_than_it_may():
    rng = np.random.default_rng(1)
    truth = np.arange(60) % 2 == 0
    small = [permuted(truth, rng.normal(size=60)).p <= 0.05 for _ in range(200)]
    assert 0.01 <= np.mean(small) <= 0.10


def test_copies_of_a_photograph_widen_the_range_of_chance():
    truth = np.arange(60) % 2 == 0
    scores = np.random.default_rng(0).normal(size=60)
    once = permuted(truth, scores)
    copied = permuted(np.tile(truth, 9), np.tile(scores, 9), np.tile(np.arange(60), 9))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.02)
    as_if_different = permuted(np.tile(truth, 9), np.tile(scores, 9))
    assert as_if_different.high - as_if_different.low < (once.high - once.low) / 2


def test_one_class_alone_has_no_labels_to_deal():
    assert permuted(np.ones(10, bool), np.linspace(0, 1, 10)) is None


def permuted(truth, scores, clusters=None):
    clusters = np.arange(len(truth)) if clusters is None else clusters
    return permute_labels([Answers.by(CUTOFFS, truth, scores)], truth, clusters, draws=300, seed=0)


def planted_twins():
    """Fifty photographs, four rows each, all rows of a photograph with one label."""
    return labelled(groups=[i // 4 for i in range(200)], anaemic=[i // 4 % 2 == 0 for i in range(200)])


def pooled(control, photos, folds):
    answers = np.full(len(photos), np.nan)
    for fold in folds:
        answers[fold.test] = control(photos, fold)
    return answers


def test_the_area_of_the_roi_is_judged_without_its_colour():
    photos = labelled(groups=range(40))
    inputs = np.full((40, 8, 8, 3), 128, np.uint8)
    for row in range(40):
        inputs[row, 2 : 4 + 2 * photos.anaemic[row], 2:6] = 10 + row  # the anaemic are masked larger, in any colour
    photos = replace(photos, inputs=inputs)
    fold = Fold("x", np.arange(30), np.arange(0), np.arange(30, 40))
    assert auroc(photos.anaemic[30:], roi_area(photos, fold)) == 1.0
    recoloured = replace(photos, inputs=np.where(inputs == 128, 128, 200).astype(np.uint8))
    assert np.array_equal(roi_area(recoloured, fold), roi_area(photos, fold))
