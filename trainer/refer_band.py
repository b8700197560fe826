"""The refer band by conformal prediction: between its ends the score decides nothing.

MAPIE's split conformal classifier gives each class a cut-off of its own (class-conditional, "Mondrian"), because the
two errors are not alike: one guarantee over both classes could be kept by missing the anaemic alone, and would change
with their share. A wrong "low chance" is the costly one, so the recipe asks more coverage of the anaemic.

What it promises: of anaemic children that are exchangeable with those of the calibration side, at most
1 - ``refer_coverage_anaemic`` get "low chance", on average over calibration sides; likewise for the others and "high
chance". Twins are not exchangeable with single rows, so one row drawn from each cluster speaks for it (Dunn, Wasserman
and Ramdas 2023, "Distribution-free prediction sets for two-layer hierarchical models"); averaging rows would calibrate
means, which no single photo is. Photos of another place, phone or light are exchangeable with nothing here: the
coverage that counts is the one measured on the test side, and later prospectively.
"""

import warnings

import numpy as np
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from trainer.recipe import Calibration

_NO, _YES = 0, 1


def refer_band(
    scores: NDArray[np.float64], anaemic: NDArray[np.bool_], clusters: NDArray[np.int64], aim: Calibration
) -> tuple[float, float]:
    """The ends of the band, both inside of it.

    Below lie the scores whose set is {not anaemic}, above those whose set is {anaemic}; in between are both or neither,
    and neither way is anything decided. A class with too few clusters to back its coverage leaves its end open: 0 or 1.

    Args:
        scores: (n,) probabilities of the calibration rows.
    """
    order = np.random.default_rng(aim.refer_seed).permutation(len(scores))
    drawn = {}
    for is_anaemic in (True, False):
        rows = order[anaemic[order] == is_anaemic]
        _, first = np.unique(clusters[rows], return_index=True)
        drawn[is_anaemic] = scores[rows[first]]
    maybe_yes = _still_in_the_set(drawn[True], _YES, aim.refer_coverage_anaemic)
    maybe_no = _still_in_the_set(drawn[False], _NO, aim.refer_coverage_other)
    least_yes, most_no = min(maybe_yes, default=0.0), max(maybe_no, default=1.0)
    return min(least_yes, most_no), max(least_yes, most_no)


def _still_in_the_set(scores: NDArray[np.float64], label: int, coverage: float) -> list[float]:
    """Those of the scores at which the label cannot be ruled out; none where they are too few to say."""
    if len(scores) < round(max(1 / (1 - coverage), 1 / coverage), 6):  # MAPIE refuses so few
        return []
    conformal = SplitConformalClassifier(_Told(), confidence_level=coverage)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "WARNING: your conformalization dataset has less labels")  # on purpose
        conformal.conformalize(scores[:, None], np.full(len(scores), label))
    _, sets = conformal.predict_set(scores[:, None])
    return [float(score) for score in scores[sets[:, label, 0]]]


class _Told(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier in scikit-learn's sense, whose input is the probability itself."""

    classes_ = np.array([_NO, _YES])

    def fit(self, scores: NDArray[np.float64], truth: NDArray[np.int64]) -> "_Told":  # noqa: ARG002
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        return (scores[:, 0] >= 0.5).astype(np.int64)

    def predict_proba(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([1 - scores[:, 0], scores[:, 0]])
