"""From answers to figures: every contestant under one protocol, everybody and by subgroup, each with its interval.

A figure is named ``<who>.<metric>`` or ``<who>.<metric>@<field>=<value>``. ``model`` is the candidate itself; beside it
stand the controls (``twin_look_up``, ``constant``, ``permuted``), the ``champion`` and the files in other precisions.
A rival's ``auroc_loss`` is the model's AUROC less the rival's, on the same resamples: above 0 the model is better.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trainer.bootstrap import Clusters, Estimate, Run, estimate, resample
from trainer.controls import Permutation, permute_labels
from trainer.data.photos import Photos
from trainer.data.split import clusters
from trainer.metrics import (
    Answers,
    Measured,
    Weights,
    change_against,
    decisions,
    decisions_at_half,
    loss_against,
    probabilities,
    ranking,
    referral,
)
from trainer.recipe import Evaluation
from trainer.subgroups import HB, Rows, subgroups_of

TEST_SIDE = "test_side"  # the protocol of a candidate's own evidence
MODEL, CHAMPION, PERMUTED = "model", "champion", "permuted"
TWIN_LOOK_UP, ROI_AREA, CONSTANT = WITHOUT_CUT_OFFS = "twin_look_up", "roi_area", "constant"

FigureRow = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Contest:
    """Everybody's answers to the same photos.

    Attributes:
        runs: by who, one for each seed; ``model`` is always there.
        files: those of ``runs`` that are the model itself in another precision.
    """

    protocol: str
    photos: Photos
    runs: Mapping[str, Sequence[Answers]]
    files: tuple[str, ...] = ()

    @cached_property
    def clusters(self) -> Clusters:
        return clusters(self.photos)


def measure(contest: Contest, how: Evaluation) -> list[FigureRow]:
    """Name, protocol, value, low, high and count of clusters, as plain values.

    What cannot be measured has the value None; ``pallor.release.manifest.Figure`` takes the others.
    """
    found = _among_all(_Part(contest, how, np.ones(len(contest.photos), bool)), how)
    for field, members in subgroups_of(contest.photos).items():
        if len(members) == 1:
            continue  # that one is everybody
        for value, rows in members.items():
            inside = _Part(contest, how, rows)
            among = _among_alike(inside, how) if field == HB else _among_some(inside, how)
            found |= {f"{name}@{field}={value}": figure for name, figure in among.items()}
    return [_row(name, contest, figure) for name, figure in found.items()]


def measure_chance(contest: Contest, how: Evaluation) -> tuple[Permutation, FigureRow] | None:
    """What the model's scores reach under labels dealt anew, and that as a figure; None where one class is missing."""
    truth = contest.photos.anaemic
    found = permute_labels(contest.runs[MODEL], truth, contest.clusters, how.permutations, how.bootstrap_seed)
    if found is None:
        return None
    count = len(np.unique(contest.clusters))
    return found, _row(f"{PERMUTED}.auroc", contest, Estimate(found.mean, found.low, found.high, count))


def figures_of(evidence: Mapping[str, Any]) -> dict[str, float]:
    """Name and protocol to value and bounds, flat: ``grouped_by_photo.model.auroc``, ``... .low``, ``... .high``."""
    flat: dict[str, float] = {}
    for figure in evidence["figures"]:
        name = f"{figure['protocol']}.{figure['name']}"
        numbers = {name: figure["value"], f"{name}.low": figure["low"], f"{name}.high": figure["high"]}
        flat |= {name: number for name, number in numbers.items() if number is not None}
    return flat


class _Part:
    """Some rows of a contest, with resamples of their own."""

    def __init__(self, contest: Contest, how: Evaluation, rows: Rows) -> None:
        self.truth, self.clusters = contest.photos.anaemic[rows], contest.clusters[rows]
        self.resamples = resample(self.clusters, how.bootstrap_draws, how.bootstrap_seed)
        self.runs = {who: [run.take(rows) for run in runs] for who, runs in contest.runs.items()}
        self.files = contest.files

    def of(self, who: str, *measures: Callable[[Answers, Weights], Measured]) -> dict[str, Estimate]:
        return self._named(who, self.runs[who], measures)

    def against(
        self, who: str, *measures: Callable[[tuple[Answers, Answers], Weights], Measured]
    ) -> dict[str, Estimate]:
        return self._named(who, list(zip(self.runs[MODEL], self.runs[who], strict=True)), measures)

    def _named(
        self, who: str, runs: Sequence[Run], measures: Sequence[Callable[[Run, Weights], Measured]]
    ) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        for one in measures:
            found |= estimate(one, runs, self.truth, self.clusters, self.resamples)
        return {f"{who}.{metric}": figure for metric, figure in found.items()}


def _among_all(part: _Part, how: Evaluation) -> dict[str, Estimate]:
    told = (ranking, probabilities(how.calibration_bins), decisions_at_half)
    found: dict[str, Estimate] = {}
    for who in part.runs:
        found |= part.of(who, *told)
        if who not in WITHOUT_CUT_OFFS:
            found |= part.of(who, decisions(how.prevalences), referral)
        if who != MODEL:
            found |= part.against(who, loss_against)
        if who in part.files:
            found |= part.against(who, change_against)
            found[f"{who}.max_abs_dp"] = _largest_change(part, who)
    return found


def _among_some(part: _Part, how: Evaluation) -> dict[str, Estimate]:
    found = part.of(MODEL, ranking, decisions(how.prevalences), referral, probabilities(how.calibration_bins))
    for who in part.runs:
        if who != MODEL:
            found |= part.against(who, loss_against)
    return found


def _among_alike(part: _Part, how: Evaluation) -> dict[str, Estimate]:
    """Within a haemoglobin band all, or nearly all, are of one class: only how many of it are found makes sense."""
    found = part.of(MODEL, decisions(how.prevalences))
    of_one_class = (f"{MODEL}.sensitivity", f"{MODEL}.specificity")
    return {name: found[name] for name in of_one_class if found[name].value is not None}


def _largest_change(part: _Part, who: str) -> Estimate:
    pairs = zip(part.runs[MODEL], part.runs[who], strict=True)
    largest = max(float(np.abs(one.scores - other.scores).max(initial=0)) for one, other in pairs)
    return Estimate(largest, None, None, len(np.unique(part.clusters)))


def _row(name: str, contest: Contest, figure: Estimate) -> FigureRow:
    return {"name": name, "protocol": contest.protocol, **asdict(figure)}
