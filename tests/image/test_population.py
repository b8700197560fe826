"""What a synthetic photo may tell of its person, at best."""

import math

import numpy as np
import pytest

from pallor.image.population import Population, best_possible_auroc, draw_person, draw_redness, signal_for_auroc


def test_without_signal_nothing_can_be_told():
    assert best_possible_auroc(0.0) == pytest.approx(0.5)


def test_more_signal_tells_more():
    bounds = [best_possible_auroc(signal) for signal in (0.2, 0.5, 1, 2, 5, 50)]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 0.99


@pytest.mark.parametrize("target", [0.6, 0.9, 0.97])
def test_the_signal_for_a_bound_has_that_bound(target):
    assert best_possible_auroc(signal_for_auroc(target)) == pytest.approx(target, abs=1e-5)


@pytest.mark.parametrize("target", [0.4, 1.0])
def test_a_bound_that_no_signal_has_is_an_error(target):
    with pytest.raises(ValueError, match="no signal"):
        signal_for_auroc(target)


@pytest.mark.parametrize("cutoff", [70, 110])
def test_the_stated_bound_is_the_auroc_of_the_redness_that_is_drawn(cutoff):
    rng = np.random.default_rng(2)
    people = [draw_person(rng) for _ in range(20_000)]
    redness = np.array([draw_redness(rng, person.hb_g_per_l, 1.5) for person in people])
    ill = np.array([person.hb_g_per_l < cutoff for person in people])
    standard_error = 0.5 / math.sqrt(min(ill.sum(), (~ill).sum()))
    bound = best_possible_auroc(1.5, cutoff_g_per_l=cutoff)
    assert auroc(-redness, ill) == pytest.approx(bound, abs=3 * standard_error)


def test_redness_keeps_its_spread_whatever_the_signal():
    rng = np.random.default_rng(3)
    for signal in (0.0, 1.0, 5.0):
        redness = [draw_redness(rng, draw_person(rng).hb_g_per_l, signal) for _ in range(4_000)]
        assert np.std(redness) == pytest.approx(1, abs=0.06)
        assert np.mean(redness) == pytest.approx(0, abs=0.06)


def test_people_are_children_of_the_age_the_screening_is_for():
    rng = np.random.default_rng(4)
    people = [draw_person(rng, Population(mean_g_per_l=100, sd_g_per_l=60)) for _ in range(500)]
    assert {person.age_months for person in people} == set(range(6, 60))
    assert {person.sex for person in people} == {"female", "male"}
    assert min(person.hb_g_per_l for person in people) == 30
    assert max(person.hb_g_per_l for person in people) == 170


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    rank = np.empty(len(score))
    rank[np.argsort(score)] = np.arange(1, len(score) + 1)
    count = positive.sum()
    return (rank[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count))
