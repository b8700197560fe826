"""Bets against "nothing has moved": whoever wins ten thousandfold was right, but for one chance in as many (Ville).

Scores: conformal test martingales (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2nd ed., ch. 8). A
score is ranked among the earlier ones of its site, so it moves nothing when sites come, go, or send more at once.
"""

import numpy as np
from crepes.martingales import EpsilonBettingFunction, SimpleJumper, semi_online_p_values
from numpy.typing import NDArray

from backend.record.counted import Floats, Words

ODDS = 10_000.0
TOLERANCE = 0.10  # what a share may differ from what was said, before anybody bets
_JUMP = 0.01  # from one bet to another, at each case: a move may come late
_STAKES = np.array([-0.85, -0.35, 0.0, 0.35, 0.85])


def odds_of_scores(probability: Floats, site: Words) -> float:
    """What the best moment of the bet against "these scores come in no order" was worth."""
    ranks = np.empty(len(probability))
    for seed, name in enumerate(np.unique(site)):
        there = site == name
        ranks[there] = semi_online_p_values(probability[there], seed=seed)
    bet = SimpleJumper(_JUMP, EpsilonBettingFunction([-1.9, -1.0, 0.0, 1.0, 1.9]))
    return _best(bet, ranks)


def odds_of_calibration(probability: Floats, anaemic: Floats) -> float:
    """The same of the bet against "what is said and what is found differ by no more than ``TOLERANCE``"."""
    return _best(SimpleJumper(_JUMP, _Residuals()), anaemic - probability)


def _best(bet: SimpleJumper, values: Floats) -> float:
    return float(bet.apply(values).max()) if len(values) else 0.0


class _Residuals:
    """Pays for residuals (-1..1) beyond the tolerance; no stake can lose all, the fair price is at most 1."""

    def apply(self, residuals: Floats) -> NDArray[np.float64]:
        beyond = residuals[:, None] - np.sign(_STAKES) * TOLERANCE
        return np.asarray(1 + _STAKES * beyond)
