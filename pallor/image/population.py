"""Who stands behind the synthetic photos, how much their photos tell, and how much no model can ever find out.

A photo is rendered from one latent number, the *redness* r, and from chance that knows nothing of the person::

    z = (Hb - centre) / spread        r = (signal * z + noise) / sqrt(1 + signal**2),  noise ~ N(0, 1)

Given r, the photo is independent of Hb, so r is a sufficient statistic: whatever looks at the photo, its score is
chance plus a function of r, and no such score orders people better by "Hb below the cut-off" than r itself does (its
likelihood ratio is monotone in r; Neyman and Pearson). The AUROC of r is therefore the best possible one, and it
follows from the distribution of Hb by summation, without a photo.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class Population:
    """Haemoglobin among those photographed: normal, rounded to whole g/L, clipped to what children survive."""

    mean_g_per_l: float = 108.0
    sd_g_per_l: float = 17.0
    low_g_per_l: int = 30
    high_g_per_l: int = 170


@dataclass(frozen=True)
class Person:
    """One child; age and sex are drawn apart from haemoglobin."""

    age_months: int
    sex: str
    hb_g_per_l: int


UNDER_FIVES = Population()


def draw_person(rng: np.random.Generator, population: Population = UNDER_FIVES) -> Person:
    """A child of 6 to 59 months, female or male."""
    hb = round(rng.normal(population.mean_g_per_l, population.sd_g_per_l))
    return Person(
        age_months=int(rng.integers(6, 60)),
        sex=str(rng.choice(["female", "male"])),
        hb_g_per_l=min(max(hb, population.low_g_per_l), population.high_g_per_l),
    )


def draw_redness(
    rng: np.random.Generator, hb_g_per_l: float, signal: float, population: Population = UNDER_FIVES
) -> float:
    """The latent redness r of one person on one day; roughly -3 to 3, whatever the signal."""
    z = (hb_g_per_l - population.mean_g_per_l) / population.sd_g_per_l
    return float((signal * z + rng.normal()) / math.hypot(1.0, signal))


@cache
def best_possible_auroc(signal: float, *, cutoff_g_per_l: int = 110, population: Population = UNDER_FIVES) -> float:
    """The AUROC of r for "Hb below the cut-off" (WHO 2011, 6 to 59 months: 110 g/L), which no model can exceed."""
    hb = np.arange(population.low_g_per_l, population.high_g_per_l + 1)
    below = [_normal_cdf((edge - population.mean_g_per_l) / population.sd_g_per_l) for edge in hb[:-1] + 0.5]
    share = np.diff([0.0, *below, 1.0])
    ill, well = hb < cutoff_g_per_l, hb >= cutoff_g_per_l
    gap = (hb[well][None, :] - hb[ill][:, None]) / population.sd_g_per_l
    ordered = np.vectorize(_normal_cdf)(signal * gap / math.sqrt(2.0))  # P(r of the well one is above the ill one's)
    return float(share[ill] @ ordered @ share[well] / (share[ill].sum() * share[well].sum()))


def signal_for_auroc(target: float, *, cutoff_g_per_l: int = 110, population: Population = UNDER_FIVES) -> float:
    """The signal whose best possible AUROC is ``target`` (0.5 to 0.999), to a millionth."""
    if not 0.5 <= target <= 0.999:
        raise ValueError(f"no signal has the AUROC {target}")
    low, high = 0.0, 100.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        reached = best_possible_auroc(middle, cutoff_g_per_l=cutoff_g_per_l, population=population)
        low, high = (middle, high) if reached < target else (low, middle)
    return high


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
