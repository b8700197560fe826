"""How good the answers are.

Every measure takes row weights, (n, k), and gives k values at once: weights of one give the figure itself, weights that
say how often a bootstrap drew each row give its resamples (``trainer.bootstrap``). What cannot be measured, as the
sensitivity of nobody, is NaN in here; ``estimate`` turns it into None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from trainer.calibrate import Cutoffs
from trainer.calibration_line import calibration_line

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]
Weights = NDArray[np.float64]
Values = NDArray[np.float64]
Measured = Mapping[str, Values]

# float32 rounds sure probabilities to 0 and 1, which have no logit.
_SURE = 1e-6


@dataclass(frozen=True, eq=False)
class Answers:
    """What one contestant said of ``n`` photos, beside what is true.

    ``scores``: probabilities. ``ranks``: what orders the photos; of pooled folds the logits as they are, since each
    fold's temperature, fitted to a hundred rows, would only shuffle the folds against each other. ``positive``: at or
    above the threshold. ``called``: -1 below the refer band, 0 in it, 1 above it. Rows of pooled folds have their own
    fold's cut-offs.
    """

    truth: Truth
    scores: Scores
    ranks: Scores
    positive: Truth
    called: NDArray[np.int8]

    @classmethod
    def by(cls, cutoffs: Cutoffs, truth: Truth, scores: Scores, ranks: Scores | None = None) -> Self:
        """Probabilities turned into words; they rank as well, where nothing else is said to."""
        called = np.where(scores < cutoffs.refer_low, -1, np.where(scores > cutoffs.refer_high, 1, 0))
        ranks = scores if ranks is None else ranks
        return cls(truth, scores, ranks, scores >= cutoffs.threshold, called.astype(np.int8))

    def take(self, rows: NDArray[np.bool_]) -> Self:
        """These rows alone."""
        return type(self)(self.truth[rows], self.scores[rows], self.ranks[rows], self.positive[rows], self.called[rows])


def auroc(truth: Truth, scores: Scores) -> float:
    """Chance that an anaemic photo scores above one that is not; 0.5 for a constant. Both classes must be there."""
    return float(roc_auc_score(truth, scores))


def ranking(answers: Answers, weights: Weights) -> Measured:
    """``auroc``."""
    truth, scores = answers.truth, answers.ranks
    return {"auroc": weighted_auroc(scores[truth], scores[~truth], weights[truth], weights[~truth])}


def decisions(prevalences: Sequence[float]) -> Callable[[Answers, Weights], Measured]:
    """At the threshold: sensitivity, specificity, F1, accuracy, and predictive values.

    Args:
        prevalences: shares of anaemia for which ``ppv_at_<percent>`` and ``npv_at_<percent>`` are worked out, by Bayes:
            those of the data say nothing of another clinic.
    """

    def measure(answers: Answers, weights: Weights) -> Measured:
        words = _words(answers.truth, answers.positive, weights)
        sensitivity, specificity = words["recall"], words["specificity"]
        found = {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "f1": words["f1"],
            "accuracy": words["accuracy"],
        }
        for prevalence in prevalences:
            right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
            cleared, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
            found[f"ppv_at_{_percent(prevalence)}"] = _ratio(right, right + wrong)
            found[f"npv_at_{_percent(prevalence)}"] = _ratio(cleared, cleared + missed)
        return found

    return measure


def decisions_at_half(answers: Answers, weights: Weights) -> Measured:
    """``accuracy_at_half`` and its like: what the literature reports, whose cut-off is 0.5."""
    words = _words(answers.truth, answers.scores >= 0.5, weights)
    return {f"{name}_at_half": words[name] for name in ("accuracy", "precision", "recall", "f1")}


def referral(answers: Answers, weights: Weights) -> Measured:
    """Of the refer band: how many get a word at all, and how many of each class do not get the wrong one."""
    decided = answers.called != 0
    right = np.where(answers.truth, answers.called >= 0, answers.called <= 0)
    return {
        "decided_share": _share(decided, np.ones_like(decided), weights),
        "coverage_anaemic": _share(right, answers.truth, weights),
        "coverage_other": _share(right, ~answers.truth, weights),
    }


def probabilities(bins: int) -> Callable[[Answers, Weights], Measured]:
    """Whether the probabilities mean what they say: Brier score, log loss, calibration slope, intercept and error.

    Args:
        bins: of about equally many rows, for the expected calibration error. Their ends stay where all rows put them.
    """

    def measure(answers: Answers, weights: Weights) -> Measured:
        truth, scores = answers.truth, answers.scores
        total = weights.sum(axis=0)
        sure = np.clip(scores, _SURE, 1 - _SURE)
        logits = np.log(sure / (1 - sure))
        bin_of = bins_of(scores, bins)
        gap_by_bin = (bin_of == np.arange(bins)[:, None]) * (scores - truth)
        slope, intercept = calibration_line(logits, truth, weights)
        return {
            "brier": _ratio((scores - truth) ** 2 @ weights, total),
            "log_loss": _ratio(np.logaddexp(0, np.where(truth, -logits, logits)) @ weights, total),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "calibration_error": _ratio(np.abs(gap_by_bin @ weights).sum(axis=0), total),
        }

    return measure


def loss_against(pair: tuple[Answers, Answers], weights: Weights) -> Measured:
    """``auroc_loss``: AUROC of the first less that of the second, on the same resamples."""
    first, second = (ranking(answers, weights)["auroc"] for answers in pair)
    return {"auroc_loss": first - second}


def change_against(pair: tuple[Answers, Answers], weights: Weights) -> Measured:
    """Share of rows that change sides of the threshold, and mean ``|dp|``."""
    first, second = pair
    everyone = np.ones(len(first.truth), bool)
    return {
        "decisions_changed": _share(first.positive != second.positive, everyone, weights),
        "mean_abs_dp": _ratio(np.abs(first.scores - second.scores) @ weights, weights.sum(axis=0)),
    }


def whom(name: str) -> str:
    """On whom a metric is measured: ``everyone`` | ``anaemic`` | ``others`` | ``both`` (it needs some of each)."""
    if name in ("sensitivity", "recall_at_half", "coverage_anaemic"):
        return "anaemic"
    if name in ("specificity", "coverage_other"):
        return "others"
    both = ("auroc", "ppv", "npv", "f1", "precision", "calibration_slope", "calibration_intercept")
    return "both" if name.startswith(both) else "everyone"


def weighted_auroc(anaemic: Scores, others: Scores, as_anaemic: Weights, as_others: Weights) -> Values:
    """AUROC by columns of weights; a tie is half a win.

    Args:
        anaemic, others: (p,), (q,), their scores.
        as_anaemic, as_others: (p, k), (q, k), how much each counts.

    Returns:
        (k,), NaN where one side is empty.
    """
    order = np.argsort(others)
    beaten = np.zeros((len(others) + 1, as_others.shape[1]))
    np.cumsum(as_others[order], axis=0, out=beaten[1:])
    below, upto = (np.searchsorted(others[order], anaemic, side) for side in ("left", "right"))
    won = np.einsum("ij,ij->j", as_anaemic, beaten[below])
    if (below != upto).any():
        won = (won + np.einsum("ij,ij->j", as_anaemic, beaten[upto])) / 2
    return _ratio(won, as_anaemic.sum(axis=0) * beaten[-1])


def bins_of(scores: Scores, bins: int) -> NDArray[np.int64]:
    """(n,) which of at most ``bins`` bins of about equally many rows each score lies in; equal scores lie together."""
    if not len(scores):
        return np.empty(0, np.int64)
    ends = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(ends, scores).astype(np.int64)


def _words(truth: Truth, positive: Truth, weights: Weights) -> Measured:
    hit, alarm = (positive & truth) @ weights, (positive & ~truth) @ weights
    anaemic = truth @ weights
    return {
        "recall": _ratio(hit, anaemic),
        "specificity": _share(~positive, ~truth, weights),
        "precision": _ratio(hit, hit + alarm),
        "f1": np.where(anaemic > 0, _ratio(2 * hit, hit + alarm + anaemic), np.nan),
        "accuracy": _share(positive == truth, np.ones_like(truth), weights),
    }


def _share(hit: Truth, of: Truth, weights: Weights) -> Values:
    return _ratio((hit & of) @ weights, of @ weights)


def _ratio(part: Values, whole: Values) -> Values:
    ratio: Values = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return ratio


def _percent(share: float) -> str:
    return f"{100 * share:g}".replace(".", "_")
