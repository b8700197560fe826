"""When a rollout is taken back without waiting for anybody. Pure: what is known goes in, and why to stop comes out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backend.services.watch_fleet import Progress

_FAILED_SHARE = 0.02
_ITS_FAULT = ("golden-failure", "crash", "crash-loop")  # not a damaged disk, nor what somebody did by hand
_LEAST_SCORES, _LEAST_LABELS = 30, 20
# Beyond 2.5 standard errors, and by so much at least. Simulated, a look after every fifth case: a shift of 0.1 shows
# within 200 cases in 99 % of rollouts where scores spread by 0.2, in 95 % where they spread by 0.25; of those without
# a shift, 1 to 2 % are taken back for nothing within 600 cases.
_ERRORS, _LEAST_SHIFT, _LEAST_WORSE = 2.5, 0.02, 0.03


@dataclass(frozen=True)
class Why:
    """``rule``: a stable code. ``said``: in words, with the numbers."""

    rule: str
    said: str


def of_failures(progress: Progress) -> Why | None:
    """One node of the first few is enough; of many nodes, two in a hundred."""
    reasons = {reason: count for reason, count in (progress.reasons or {}).items() if reason in _ITS_FAULT}
    failed = sum(reasons.values())
    if failed and failed >= _FAILED_SHARE * progress.reached:
        worst = max(reasons, key=lambda reason: reasons[reason])
        return Why(worst, f"{failed} of {progress.reached} nodes took it off again: {_told(reasons)}")
    return None


def of_shift(scores: Sequence[float], before: Sequence[float]) -> Why | None:
    """The mean probability has moved away from what the previous release said."""
    if len(scores) < _LEAST_SCORES or len(before) < _LEAST_SCORES:
        return None
    shift = _mean(scores) - _mean(before)
    if abs(shift) - _ERRORS * _error(scores, before) > _LEAST_SHIFT:
        return Why("score-shift", f"the mean probability moved by {shift:+.3f} over {len(scores)} cases")
    return None


def of_agreement(losses: Sequence[float], before: Sequence[float]) -> Why | None:
    """Squared distances from what the laboratory found have grown."""
    if len(losses) < _LEAST_LABELS or len(before) < _LEAST_LABELS:
        return None
    worse = _mean(losses) - _mean(before)
    if worse - _ERRORS * _error(losses, before) > _LEAST_WORSE:
        return Why("worse-agreement", f"the Brier score is worse by {worse:.3f} over {len(losses)} confirmed cases")
    return None


def _told(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _error(*groups: Sequence[float]) -> float:
    """The standard error of the difference of two means."""
    return math.sqrt(math.fsum(_variance(group) / len(group) for group in groups))


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
