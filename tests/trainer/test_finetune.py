"""The loop learns what can be learned, and says the same twice."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import torch

from tests.trainer.labelled import a_recipe, drawn
from trainer.finetune import NothingToLearn, finetune, logits_of, row_chances
from trainer.metrics import auroc
from trainer.model import random_base

EVERYONE = np.arange(60)


def test_it_learns_pallor_from_sixty_drawn_photos():
    learned, unseen = drawn(60, size=32, seed=0), drawn(60, size=32, seed=1)
    recipe = a_recipe(size=32, epochs=16, learning_rate=3e-3, frozen_blocks=0)
    screen = finetune(learned, EVERYONE, random_base(0), recipe, seed=0)
    assert auroc(unseen.anaemic, logits_of(screen, unseen.inputs)) > 0.85


def test_the_same_seed_gives_the_same_weights_and_another_gives_others():
    photos, recipe, base = drawn(16, size=32), a_recipe(size=32, epochs=1, batch=8), random_base(0)
    first, again, other = (finetune(photos, np.arange(16), base, recipe, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.1.weight"], other["classifier.1.weight"])


def test_rows_that_are_held_back_are_never_read():
    photos, recipe, base = drawn(16, size=32), a_recipe(size=32, epochs=1, batch=8), random_base(0)
    learned = finetune(photos, np.arange(8), base, recipe, seed=1).state_dict()
    photos.inputs[8:] = 0
    photos.hb[8:] = 40.0
    photos.groups[8:] = 3
    again = finetune(photos, np.arange(8), base, recipe, seed=1).state_dict()
    assert all(torch.equal(learned[name], again[name]) for name in learned)


def test_photos_of_one_class_teach_nothing():
    photos = drawn(8, size=32)
    with pytest.raises(NothingToLearn):
        finetune(photos, np.flatnonzero(photos.anaemic), random_base(0), a_recipe(size=32), seed=1)


def test_frozen_blocks_keep_their_base_weights_and_statistics():
    photos, base = drawn(8, size=32), random_base(0)
    screen = finetune(photos, np.arange(8), base, a_recipe(size=32, epochs=1, batch=4, frozen_blocks=3), seed=1)
    after = screen.state_dict()
    frozen = [name for name in base.weights if name.startswith(("features.0.", "features.1.", "features.2."))]
    assert all(torch.equal(after[name], base.weights[name]) for name in frozen)
    assert not torch.equal(after["features.3.conv.0.0.weight"], base.weights["features.3.conv.0.0.weight"])


def test_a_photograph_that_stands_in_many_rows_does_not_drown_the_others():
    groups = np.array([0] * 9 + [1])
    assert row_chances(groups, 0.0) == pytest.approx(0.1)
    assert row_chances(groups, 1.0)[:9].sum() == pytest.approx(row_chances(groups, 1.0)[9]) == pytest.approx(0.5)
