"""The bets on drift are those of the book: held against another's code, and against what chance allows."""

import numpy as np
import pytest
from crepes.martingales import EpsilonBettingFunction, SimpleJumper, semi_online_p_values

from backend.record.drift.martingales import ODDS, best_of, odds_of_scores, ranks_among_earlier


@pytest.mark.parametrize("seed", range(5))
def test_ranks_and_odds_are_those_of_crepes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.random(400), 2)  # with ties
    values[250:] += 0.2
    ranks = ranks_among_earlier(values, seed)
    assert np.array_equal(ranks, semi_online_p_values(values, seed=seed))
    leanings = [-1.9, -1.0, 0.0, 1.0, 1.9]
    theirs = SimpleJumper(0.01, EpsilonBettingFunction(leanings)).apply(ranks)
    assert best_of(1 + np.array(leanings) * (ranks[:, None] - 0.5)) == pytest.approx(theirs.max(), rel=1e-12)


def test_a_move_wins_and_no_move_does_not() -> None:
    rng = np.random.default_rng(0)
    still, site = rng.random(600), np.array(["here"] * 600)
    moved = still + np.where(np.arange(600) < 300, 0.0, 0.5)
    assert odds_of_scores(still, site) < 100
    assert odds_of_scores(moved, site) > ODDS
    assert odds_of_scores(still[:0], site[:0]) == 0
