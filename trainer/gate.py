"""May a candidate go on? Pure: evidence and limits in, reasons out; none means yes.

The bound of an interval that speaks against the candidate decides, never the value alone, and what nobody measured
speaks against it, too. Where the value is good enough and only its bound is not, more cases would tell, and a refusal
says about how many: an interval narrows with their square root.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, Literal

from pallor.candidate import GateRefusal
from trainer.figures import CHAMPION, CONSTANT, MODEL, PERMUTED, TEST_SIDE, TWIN_LOOK_UP
from trainer.recipe import Gate

_CONTROLS = {CONSTANT: "a constant", TWIN_LOOK_UP: "the twin look-up"}
# Where this many times the cases would not be enough, the model is the likelier reason, and a number would mislead.
_MOST_TIMES = 10.0
_SIDES = 5  # of all photographs and people, one in five comes to lie on the test side

Figure = Mapping[str, Any]
Figures = Mapping[str, Figure]


def judge_candidate(
    evidence: Mapping[str, Any], limits: Gate, champion: Mapping[str, Any] | None
) -> tuple[GateRefusal, ...]:
    """Everything that speaks against a candidate.

    Args:
        evidence: ``trainer.evidence.side_evidence``, with the champion's scores in it if there is a champion.
        champion: whatever holds the ``release_id`` of the release in use; None where there is none.
    """
    figures = {one["name"]: one for one in evidence["figures"] if one["protocol"] == TEST_SIDE}
    rival = {} if champion is None else {CHAMPION: str(champion.get("release_id", "the release in use"))}
    checks = [
        *_beats_chance(figures),
        *_worst(_in_subgroups(figures, limits, "worst-subgroup", _CONTROLS)),
        *_keeps_up(figures, limits, rival),
        *_worst(_in_subgroups(figures, limits, "worse-than-champion", rival)),
        *_is_calibrated(figures, limits),
    ]
    failed = [check for check in checks if check.failed]
    times = max((check.times for check in failed), default=1.0)
    return (
        *_too_few(evidence["data"]["sides"]["test"], limits, times),
        *(check.refusal for check in failed),
        *_files_off(figures, limits, evidence["files"]),
    )


@dataclass(frozen=True)
class _Check:
    """The end of a figure's interval that may speak against the candidate, and the limit that it must keep."""

    reason: str
    what: str
    figure: Figure | None
    end: Literal["low", "high"]
    limit: float
    strictly: bool = False

    @property
    def failed(self) -> bool:
        return self.spare <= 0 if self.strictly else self.spare < 0

    @property
    def spare(self) -> float:
        """How far the bound is on the right side of the limit."""
        bound = (self.figure or {}).get(self.end)
        return -inf if bound is None else self._good_by(bound)

    def _good_by(self, number: float) -> float:
        return number - self.limit if self.end == "low" else self.limit - number

    @property
    def times(self) -> float:
        """How many times the cases at hand would bring the bound to the limit; 1 where that cannot be said."""
        value = (self.figure or {}).get("value")
        if value is None or self.spare == -inf or self._good_by(value) <= 0:
            return 1.0
        times = (1 - self.spare / self._good_by(value)) ** 2
        return times if times <= _MOST_TIMES else 1.0

    @property
    def refusal(self) -> GateRefusal:
        kind, how = ("lower", "below") if self.end == "low" else ("upper", "above")
        wanted = f"must be above {self.limit:.3f}" if self.strictly else f"must not be {how} {self.limit:.3f}"
        if self.limit == inf:
            wanted = "must be above that, which was not measured"
        return GateRefusal(self.reason, f"{self.what} is {_spelled(self.figure)}; its {kind} bound {wanted}.")


def _beats_chance(figures: Figures) -> Iterator[_Check]:
    for who, words in _CONTROLS.items():
        reason = f"not-better-than-{who.replace('_', '-')}"
        yield _Check(reason, f"AUROC less that of {words}", figures.get(f"{who}.auroc_loss"), "low", 0.0, strictly=True)
    chance = (figures.get(f"{PERMUTED}.auroc") or {}).get("high")
    limit = inf if chance is None else float(chance)  # what was not tried was not beaten
    what = "AUROC, against what shuffled labels reach by chance,"
    yield _Check("not-better-than-permuted-labels", what, figures.get(f"{MODEL}.auroc"), "low", limit, strictly=True)


def _keeps_up(figures: Figures, limits: Gate, rival: Mapping[str, str]) -> Iterator[_Check]:
    for who, words in rival.items():
        what, figure = f"AUROC less that of {words}", figures.get(f"{who}.auroc_loss")
        yield _Check("worse-than-champion", what, figure, "low", -limits.margin_auroc)


def _in_subgroups(figures: Figures, limits: Gate, reason: str, rivals: Mapping[str, str]) -> Iterator[_Check]:
    for name in figures:
        metric, _, subgroup = name.partition("@")
        if metric != f"{MODEL}.auroc" or not subgroup:
            continue
        positives, negatives = (figures[f"{MODEL}.{of}@{subgroup}"]["count"] for of in ("sensitivity", "specificity"))
        if positives < limits.min_positives or negatives < limits.min_negatives:
            continue
        for who, words in rivals.items():
            what, figure = f"AUROC less that of {words}, for {subgroup},", figures.get(f"{who}.auroc_loss@{subgroup}")
            yield _Check(reason, what, figure, "low", -limits.subgroup_margin_auroc)


def _worst(checks: Iterator[_Check]) -> list[_Check]:
    """The one that is furthest from its limit, if there is any: it stands for the others."""
    return sorted(checks, key=lambda check: check.spare)[:1]


def _is_calibrated(figures: Figures, limits: Gate) -> Iterator[_Check]:
    flattest, steepest = limits.calibration_slope
    slope, error = figures.get(f"{MODEL}.calibration_slope"), figures.get(f"{MODEL}.calibration_error")
    yield _Check("calibration-off", "The calibration slope", slope, "low", flattest)
    yield _Check("calibration-off", "The calibration slope", slope, "high", steepest)
    yield _Check("calibration-off", "The calibration error", error, "high", limits.max_calibration_error)


def _too_few(test: Mapping[str, int], limits: Gate, times: float) -> Iterator[GateRefusal]:
    kinds = (
        ("too-few-positives", "anaemic", test["anaemic_clusters"], limits.min_positives),
        ("too-few-negatives", "non-anaemic", test["other_clusters"], limits.min_negatives),
    )
    everybody = sum(there for _, _, there, _ in kinds)
    for reason, words, there, least in kinds:
        needed = max(least, ceil(there * times))
        narrower = needed > least
        why = "what it takes to narrow the widest interval enough" if narrower else "the least that says anything"
        if there < needed:
            yield GateRefusal(
                reason,
                f"The test side holds {there} {words} photographs or people, twins once; {needed} are {why}: about "
                f"{needed - there} more there, {_in_all(needed - there, there, everybody, words)}.",
            )


def _in_all(missing: int, there: int, everybody: int, words: str) -> str:
    """How many new people that takes: few come to lie on the test side, and of these not all are of this kind."""
    if not there:
        return f"which are more than {_SIDES * missing} new people in all: nobody {words} has come there yet"
    return (
        f"which are about {ceil(_SIDES * missing * everybody / there)} new people in all, where {there} of "
        f"{everybody} are {words} as they are here"
    )


def _files_off(figures: Figures, limits: Gate, files: Sequence[str]) -> Iterator[GateRefusal]:
    """AUROC by its upper bound; the photos that change are counted as they are, for the test side holds no others."""
    for who in files:
        measures = (
            ("AUROC lost, upper bound", "auroc_loss", "high", limits.max_auroc_loss),
            ("share of decisions changed", "decisions_changed", "value", limits.max_decisions_changed),
            ("mean |dp|", "mean_abs_dp", "value", limits.max_mean_abs_dp),
        )
        off = []
        for words, metric, part, most in measures:
            number = (figures.get(f"{who}.{metric}") or {}).get(part)
            if number is None or number > most:
                off.append(f"{words} {'not measured' if number is None else f'{number:.4f}'}, at most {most:g}")
        if off:
            yield GateRefusal("quantized-file-off", f"{who} is not the model it was made from: {'; '.join(off)}.")


def _spelled(figure: Figure | None) -> str:
    if figure is None or figure["value"] is None:
        return "not measured"
    low, high = figure["low"], figure["high"]
    return f"{figure['value']:.3f}" + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")
