"""Bets against "nothing has moved": whoever wins ten thousandfold was right, but for one chance in as many (Ville).

Scores: conformal test martingales (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2nd ed., ch. 8). A
score is ranked among the earlier ones of its site, so it moves nothing when sites come, go, or send more at once.
"""

from bisect import bisect_left, bisect_right, insort

import numpy as np
from numpy.typing import NDArray

from backend.record.counted import Floats, Words

ODDS = 10_000.0
TOLERANCE = 0.10  # what a share may differ from what was said, before anybody bets
_JUMP = 0.01  # from one bet to another, at each case: a move may come late
_LEANINGS = np.array([-1.9, -1.0, 0.0, 1.0, 1.9])
_STAKES = np.array([-0.85, -0.35, 0.0, 0.35, 0.85])


def odds_of_scores(probability: Floats, site: Words) -> float:
    """What the best moment of the bet against "these scores come in no order" was worth."""
    ranks = np.empty(len(probability))
    for seed, name in enumerate(np.unique(site)):
        there = site == name
        ranks[there] = ranks_among_earlier(probability[there], seed)
    return best_of(1 + _LEANINGS * (ranks[:, None] - 0.5))


def odds_of_calibration(probability: Floats, anaemic: Floats) -> float:
    """The same of the bet against "what is said and what is found differ by no more than ``TOLERANCE``"."""
    beyond = (anaemic - probability)[:, None] - np.sign(_STAKES) * TOLERANCE
    return best_of(1 + _STAKES * beyond)  # no stake can lose all; the fair price is at most 1


def ranks_among_earlier(values: Floats, seed: int) -> NDArray[np.float64]:
    """The share of earlier values that are larger, ties by lot: 0..1, evenly, where no order is (p. 111)."""
    lots = np.random.RandomState(seed).random_sample(len(values))
    ranks, earlier = np.empty(len(values)), list[float]()
    for place, value in enumerate(values.tolist()):
        larger = place - bisect_right(earlier, value)
        ties = place - larger - bisect_left(earlier, value)
        ranks[place] = (larger + lots[place] * (1 + ties)) / (place + 1)
        insort(earlier, value)
    return ranks


def best_of(pays: NDArray[np.float64]) -> float:
    """The most that 1 was ever worth, spread over the bets of a row, which jump (Simple Jumper, alg. 8.1, p. 232).

    ``pays``: (cases, bets), what each bet makes of 1 at each case.
    """
    bets = pays.shape[1]
    held, best = np.full(bets, 1 / bets), 0.0
    for pay in pays:
        held = held * pay
        whole = float(held.sum())
        best = max(best, whole)
        held = (1 - _JUMP) * held + _JUMP * whole / bets
    return best
