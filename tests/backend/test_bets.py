"""The bets on drift: a move wins, and where nothing moves nobody does."""

import numpy as np

from backend.record.drift.martingales import ODDS, odds_of_scores


def test_a_move_wins_and_no_move_does_not() -> None:
    rng = np.random.default_rng(0)
    still, site = rng.random(600), np.array(["here"] * 600)
    moved = still + np.where(np.arange(600) < 300, 0.0, 0.5)
    assert odds_of_scores(still, site) < 100
    assert odds_of_scores(moved, site) > ODDS
    assert odds_of_scores(still[:0], site[:0]) == 0
