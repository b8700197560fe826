"""Controls that look at no pixel show what a split is worth."""

import numpy as np

from tests.trainer.labelled import rows
from trainer.controls import constant, look_up_twin
from trainer.data.split import Fold, grouped, published
from trainer.metrics import auroc


def test_the_twin_look_up_shines_when_twins_cross_the_split():
    photos = planted_twins()
    assert auroc(photos.anaemic, pooled(look_up_twin, photos, published(photos, 0))) > 0.95


def test_the_twin_look_up_knows_nothing_when_twins_stay_together():
    photos = planted_twins()
    assert auroc(photos.anaemic, pooled(look_up_twin, photos, grouped(photos, 0))) == 0.5


def test_twins_that_disagree_are_averaged():
    photos = rows(groups=[7, 7, 7, 7, 8], anaemic=[True, True, False, False, False])
    fold = Fold("0", train=np.array([0, 1, 2, 4]), test=np.array([3]))
    assert look_up_twin(photos, fold).tolist() == [2 / 3]


def test_the_constant_tells_nobody_apart():
    photos = rows(groups=list(range(40)), anaemic=[i % 4 == 0 for i in range(40)])
    answers = pooled(constant, photos, grouped(photos, 0))
    assert set(answers) == {0.25}
    assert auroc(photos.anaemic, answers) == 0.5


def planted_twins():
    """Fifty photographs, four rows each, all rows of a photograph with one label."""
    return rows(groups=[i // 4 for i in range(200)], anaemic=[i // 4 % 2 == 0 for i in range(200)])


def pooled(control, photos, folds):
    answers = np.full(len(photos), np.nan)
    for fold in folds:
        answers[fold.test] = control(photos, fold)
    return answers
