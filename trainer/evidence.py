"""Evidence: one JSON value with all that is known of a candidate. Gate, card, report and manifest are made from it.

``fold_evidence`` is of a recipe, by cross-validation; ``side_evidence`` is of one candidate's very files, by the test
side that is fixed for ever; ``together`` puts the first beside the second.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pallor.digest import canonical_json
from trainer.calibrate import Cutoffs, calibrate
from trainer.controls import constant, look_up_twin, roi_area
from trainer.curves import calibration, roc
from trainer.data.photos import Photos
from trainer.data.split import Fold, Rows, clusters
from trainer.data.summary import sum_up, sum_up_sides
from trainer.figures import (
    CHAMPION,
    CONSTANT,
    MODEL,
    ROI_AREA,
    TEST_SIDE,
    TWIN_LOOK_UP,
    Contest,
    measure,
    measure_chance,
)
from trainer.folds import FoldLogits, Job
from trainer.metrics import Answers, Scores, auroc
from trainer.model import Base
from trainer.recipe import Recipe

Evidence = dict[str, Any]

_CONTROLS = {TWIN_LOOK_UP: look_up_twin, ROI_AREA: roi_area, CONSTANT: constant}
_AT_HALF = Cutoffs(temperature=1.0, threshold=0.5, refer_low=0.0, refer_high=1.0)


def fold_evidence(
    photos: Photos, base: Base, recipe: Recipe, jobs: Sequence[Job], outcomes: Sequence[FoldLogits]
) -> Evidence:
    """Of a cross-validation: test rows pooled over the folds of a protocol, the mean over its seeds.

    Each fold's cut-offs come from its own calibration rows and are kept as ``cutoffs_by_fold``.

    Args:
        jobs, outcomes: whole protocols, side by side, as ``trainer.folds`` gives them.
    """
    cluster = clusters(photos)
    answers: dict[tuple[str, int], list[tuple[Rows, dict[str, Answers]]]] = {}
    cutoffs_by_fold = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        own, test = job.fold.calibration, job.fold.test
        cutoffs = calibrate(outcome.calibration, photos.anaemic[own], cluster[own], recipe.calibration)
        cutoffs_by_fold[job.name] = asdict(cutoffs)
        model = Answers.by(cutoffs, photos.anaemic[test], cutoffs.probabilities(outcome.test), outcome.test)
        answers.setdefault((job.protocol, job.seed), []).append((test, {MODEL: model, **_controls(photos, job.fold)}))
    contests = []
    for protocol in dict.fromkeys(job.protocol for job in jobs):
        by_seed = {seed: folds for (of, seed), folds in answers.items() if of == protocol}
        runs = {who: [_pooled(folds, who) for folds in by_seed.values()] for who in (MODEL, *_CONTROLS)}
        contests.append((Contest(protocol, photos, runs), tuple(by_seed)))
    return _plain(
        _about(photos, base, recipe) | {"cutoffs_by_fold": cutoffs_by_fold} | _found(contests, recipe)
    )  # fmt: skip


def side_evidence(
    photos: Photos,
    fold: Fold,
    base: Base,
    recipe: Recipe,
    cutoffs: Cutoffs,
    scores: Mapping[str, Scores],
    champion: Cutoffs | None = None,
) -> Evidence:
    """Of one candidate, on its test side.

    Args:
        fold: ``trainer.data.split.fixed_sides`` of the photos.
        cutoffs: from the calibration rows of that fold; the model's, and its files'.
        scores: by who, the probabilities of the test rows: ``model``, its files in other precisions under their names,
            and ``champion`` where there is one.
        champion: the champion's own cut-offs; without them it says "positive" from 0.5 on and refers everybody.
    """
    judged = photos.take(fold.test)
    cutoffs_of = {CHAMPION: champion or _AT_HALF}
    runs = {who: [Answers.by(cutoffs_of.get(who, cutoffs), judged.anaemic, p)] for who, p in scores.items()}
    runs |= {who: [answers] for who, answers in _controls(photos, fold).items()}
    files = tuple(who for who in scores if who not in (MODEL, CHAMPION))
    about = _about(photos, base, recipe) | {"cutoffs": asdict(cutoffs), "files": files}
    about["data"]["sides"] = sum_up_sides(photos, fold)
    return _plain(about | _found([(Contest(TEST_SIDE, judged, runs, files), (recipe.seed,))], recipe))


def together(side: Evidence, folds: Evidence) -> Evidence:
    """A candidate's evidence, with that of its recipe beside it, protocol by protocol."""
    return {
        **folds,
        **side,
        "figures": side["figures"] + folds["figures"],
        "auroc_by_seed": side["auroc_by_seed"] | folds["auroc_by_seed"],
        "curves": {curve: found | folds["curves"][curve] for curve, found in side["curves"].items()},
    }


def _about(photos: Photos, base: Base, recipe: Recipe) -> Evidence:
    return {
        "recipe": recipe.to_json(),
        "recipe_digest": recipe.digest(),
        "snapshot_digest": photos.snapshot,
        "groups_digest": photos.groups_digest,
        "base_weights": base.name,
        "base_credit": base.credit,
        "label_table": photos.label_table,
        "world": photos.world,
        "credit": photos.credit,
        "data": sum_up(photos),
    }


def _found(contests: Sequence[tuple[Contest, Sequence[int]]], recipe: Recipe) -> Evidence:
    """Figures, curves and chance of each contest; ``permutation`` is of the first."""
    how = recipe.evaluation
    found: Evidence = {
        "figures": [],
        "auroc_by_seed": {},
        "curves": {"roc": {}, "calibration": {}},
        "permutation": None,
    }
    for contest, seeds in contests:
        protocol, model = contest.protocol, contest.runs[MODEL]
        found["figures"] += measure(contest, how)
        found["auroc_by_seed"][protocol] = {str(seed): _auroc(run) for seed, run in zip(seeds, model, strict=True)}
        found["curves"]["roc"][protocol] = {who: roc(runs) for who, runs in contest.runs.items()}
        found["curves"]["calibration"][protocol] = calibration(model, contest.clusters, how)
        if chance := measure_chance(contest, how):
            permutation, figure = chance
            found["figures"].append(figure)
            found["permutation"] = found["permutation"] or {
                "protocol": protocol,
                "count": how.permutations,
                **asdict(permutation),
            }
    return found


def _controls(photos: Photos, fold: Fold) -> dict[str, Answers]:
    truth = photos.anaemic[fold.test]
    return {who: Answers.by(_AT_HALF, truth, control(photos, fold)) for who, control in _CONTROLS.items()}


def _pooled(folds: Sequence[tuple[Rows, Mapping[str, Answers]]], who: str) -> Answers:
    """One contestant's answers of all folds, in the order of the photos."""
    order = np.argsort(np.concatenate([rows for rows, _ in folds]))
    parts = [answers[who] for _, answers in folds]
    return Answers(
        truth=np.concatenate([part.truth for part in parts])[order],
        scores=np.concatenate([part.scores for part in parts])[order],
        ranks=np.concatenate([part.ranks for part in parts])[order],
        positive=np.concatenate([part.positive for part in parts])[order],
        called=np.concatenate([part.called for part in parts])[order],
    )


def _auroc(run: Answers) -> float | None:
    return auroc(run.truth, run.ranks) if len(set(run.truth.tolist())) == 2 else None


def _plain(evidence: Evidence) -> Evidence:
    """As it reads back from a file: lists, no tuples, and no NaN."""
    plain: Evidence = json.loads(canonical_json(evidence))
    return plain
