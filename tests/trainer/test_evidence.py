"""Cut-offs come from calibration rows alone, answers from test rows alone, and all of it goes into one JSON value."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from pallor.digest import canonical_json
from pallor.release.manifest import Figure
from tests.trainer.labelled import a_recipe, labelled
from trainer.calibrate import Cutoffs, calibrate, sigmoid
from trainer.data.split import clusters, fixed_sides
from trainer.evidence import fold_evidence, side_evidence, together
from trainer.figures import figures_of
from trainer.folds import FoldLogits, jobs_of
from trainer.gate import judge_candidate
from trainer.metrics import auroc
from trainer.model import random_base

BASE = random_base(0)
N = 400


def test_pooled_figures_are_of_every_row_once_and_the_mean_over_seeds():
    photos, recipe = some_photos(), recipe_of(grouped_by_photo=(1, 2))
    jobs = jobs_of(photos, recipe)
    logits = {seed: told(photos, seed) for seed in (1, 2)}
    evidence = fold_evidence(photos, BASE, recipe, jobs, [outcome(job, logits[job.seed]) for job in jobs])
    pooled = {}
    for seed in (1, 2):
        judged = np.full(N, np.nan)
        for job in jobs:
            if job.seed == seed:
                judged[job.fold.test] = logits[seed][job.fold.test]
        pooled[str(seed)] = auroc(photos.anaemic, judged)
    assert evidence["auroc_by_seed"] == {"grouped_by_photo": pytest.approx(pooled)}
    found = figures_of(evidence)
    assert found["grouped_by_photo.model.auroc"] == pytest.approx(np.mean(list(pooled.values())))


def test_pooled_answers_stand_with_their_own_photos():
    photos, recipe = some_photos(), recipe_of(grouped_by_photo=(1,))
    jobs = jobs_of(photos, recipe)
    knows_the_north = np.where(photos.sites == "north", photos.anaemic * 2.0 - 1, 0.0)
    evidence = fold_evidence(photos, BASE, recipe, jobs, [outcome(job, knows_the_north) for job in jobs])
    found = figures_of(evidence)
    assert found["grouped_by_photo.model.auroc@site=north"] > 0.95
    assert found["grouped_by_photo.model.auroc@site=south"] == 0.5


def test_a_second_seed_makes_no_calibration_bin_surer():
    photos = some_photos()
    bins = []
    for seeds in ((1,), (1, 1)):
        recipe = recipe_of(grouped_by_photo=seeds)
        jobs = jobs_of(photos, recipe)[:5] * len(seeds)
        jobs = [replace(job, seed=at // 5) for at, job in enumerate(jobs)]
        evidence = fold_evidence(photos, BASE, recipe, jobs, [outcome(job, told(photos, 1)) for job in jobs])
        bins.append(evidence["curves"]["calibration"]["grouped_by_photo"])
    assert bins[0] == bins[1]


def test_a_folds_cut_offs_come_from_its_own_calibration_rows_alone():
    photos, recipe = some_photos(), recipe_of(grouped_by_photo=(1,))
    jobs = jobs_of(photos, recipe)
    outcomes = [outcome(job, told(photos, 1)) for job in jobs]
    first = fold_evidence(photos, BASE, recipe, jobs, outcomes)["cutoffs_by_fold"]
    own = jobs[0].fold.calibration
    expected = calibrate(outcomes[0].calibration, photos.anaemic[own], clusters(photos)[own], recipe.calibration)
    assert Cutoffs(**first[jobs[0].name]) == expected

    judged_otherwise = [FoldLogits(one.calibration, one.test + 1) for one in outcomes]
    assert fold_evidence(photos, BASE, recipe, jobs, judged_otherwise)["cutoffs_by_fold"] == first

    outcomes[2] = FoldLogits(outcomes[2].calibration + 1, outcomes[2].test)
    then = fold_evidence(photos, BASE, recipe, jobs, outcomes)["cutoffs_by_fold"]
    assert {name for name in first if first[name] != then[name]} == {jobs[2].name}


def test_the_controls_stand_beside_the_model_in_every_protocol():
    photos = some_photos()
    recipe = recipe_of(grouped_by_photo=(1,), leave_one_site_out=(1,), published_protocol=(1,))
    jobs = jobs_of(photos, recipe)
    evidence = fold_evidence(photos, BASE, recipe, jobs, [outcome(job, told(photos, 1)) for job in jobs])
    found = figures_of(evidence)
    for protocol in ("grouped_by_photo", "leave_one_site_out", "published_protocol"):
        for who in ("model", "twin_look_up", "roi_area", "constant", "permuted"):
            assert f"{protocol}.{who}.auroc" in found
        assert set(evidence["curves"]["roc"][protocol]) == {"model", "twin_look_up", "roi_area", "constant"}
    assert found["grouped_by_photo.twin_look_up.auroc"] == 0.5
    assert found["published_protocol.twin_look_up.auroc"] > 0.7


def test_a_candidates_evidence_is_of_its_test_side_and_of_whoever_is_judged_there():
    evidence, scores, photos, fold = on_the_test_side()
    found = figures_of(evidence)
    assert found["test_side.model.auroc"] == pytest.approx(auroc(photos.anaemic[fold.test], scores["model"]))
    assert found["test_side.champion.auroc"] == pytest.approx(auroc(photos.anaemic[fold.test], scores["champion"]))
    assert evidence["files"] == ["fp16", "int8"]
    assert found["test_side.int8.mean_abs_dp"] == pytest.approx(0.001, abs=1e-4)
    assert evidence["data"]["sides"]["test"]["rows"] == len(fold.test)
    assert evidence["permutation"]["protocol"] == "test_side"
    assert evidence["auroc_by_seed"]["test_side"].keys() == {"1"}


def test_the_champion_may_have_cut_offs_of_its_own():
    found = figures_of(on_the_test_side()[0])
    own = figures_of(on_the_test_side(champion=Cutoffs(1.0, 0.0, 0.0, 0.0))[0])
    assert own["test_side.champion.sensitivity"] == 1.0 != found["test_side.champion.sensitivity"]
    assert own["test_side.model.sensitivity"] == found["test_side.model.sensitivity"]


def test_evidence_reads_back_as_it_was_and_says_where_it_comes_from():
    evidence, _, photos, _ = on_the_test_side()
    assert json.loads(canonical_json(evidence)) == evidence
    assert evidence["snapshot_digest"] == photos.snapshot
    assert evidence["groups_digest"] == photos.groups_digest
    assert (evidence["world"], evidence["credit"], evidence["label_table"]) == ("synthetic", "drawn", "who-2024")
    for figure in evidence["figures"]:
        assert Figure(**figure).protocol == "test_side"


def test_curves_go_from_corner_to_corner_in_a_few_points():
    curves = on_the_test_side()[0]["curves"]
    roc = curves["roc"]["test_side"]["model"]
    assert (roc["fpr"][0], roc["tpr"][0], roc["fpr"][-1], roc["tpr"][-1]) == (0, 0, 1, 1)
    assert len(roc["fpr"]) == len(roc["tpr"]) <= 200
    assert roc["fpr"] == sorted(roc["fpr"])
    bins = curves["calibration"]["test_side"]
    assert [one["said"] for one in bins] == sorted(one["said"] for one in bins)
    assert all(one["low"] <= one["found"] <= one["high"] for one in bins)


def test_the_data_are_summed_up_twins_and_sides_included():
    evidence, _, photos, _ = on_the_test_side()
    data = evidence["data"]
    assert (data["rows"], data["photographs"], data["rows_with_a_twin"]) == (N, N // 2, N)
    assert data["label_conflicts"] == 0
    assert sum(side["rows"] for side in data["sides"].values()) == N
    assert sum(side["clusters"] for side in data["sides"].values()) == N // 2
    assert data["counts"]["sex"] == {"female": N // 2, "male": N // 2}
    assert data["missing"] == {"device": N, "date": N}
    assert data["hb_spread_g_per_l_max"] == pytest.approx(np.abs(photos.hb[::2] - photos.hb[1::2]).max())


def test_shuffled_labels_go_the_same_way_and_are_refused():
    photos = some_photos()
    order = np.repeat(np.random.default_rng(5).permutation(N // 2), 2) * 2
    shuffled = replace(photos, anaemic=photos.anaemic[order], hb=photos.hb[order])
    evidence = on_the_test_side(photos=shuffled, learned=photos)[0]
    figures = figures_of(evidence)
    assert figures["test_side.model.auroc.low"] < 0.5 < figures["test_side.model.auroc.high"]
    reasons = {refusal.reason for refusal in judge_candidate(evidence, recipe_of().gate, None)}
    assert {"not-better-than-constant", "not-better-than-permuted-labels"} <= reasons
    as_they_are = {refusal.reason for refusal in judge_candidate(on_the_test_side()[0], recipe_of().gate, None)}
    assert not [reason for reason in as_they_are if reason.startswith("not-better")]


def test_a_recipes_evidence_stands_beside_a_candidates():
    photos, recipe = some_photos(), recipe_of(grouped_by_photo=(1,))
    jobs = jobs_of(photos, recipe)
    folds = fold_evidence(photos, BASE, recipe, jobs, [outcome(job, told(photos, 1)) for job in jobs])
    side = on_the_test_side()[0]
    both = together(side, folds)
    assert {figure["protocol"] for figure in both["figures"]} == {"test_side", "grouped_by_photo"}
    assert both["auroc_by_seed"].keys() == {"test_side", "grouped_by_photo"}
    assert both["curves"]["calibration"].keys() == {"test_side", "grouped_by_photo"}
    assert both["permutation"] == side["permutation"]
    assert both["cutoffs"] == side["cutoffs"]
    assert both["cutoffs_by_fold"] == folds["cutoffs_by_fold"]
    assert both["data"]["sides"] == side["data"]["sides"]


def some_photos():
    """Two hundred photographs, each in two rows of one label."""
    rng = np.random.default_rng(0)
    hb = np.repeat(rng.uniform(60, 160, N // 2), 2) + np.tile([0.0, 0.4], N // 2)
    return labelled(
        groups=[i // 2 for i in range(N)],
        anaemic=np.repeat(hb[::2] < 110, 2).tolist(),
        hb=hb.tolist(),
        sites=rng.choice(["north", "south"], N).tolist(),
    )


def recipe_of(**protocols):
    recipe = a_recipe()
    return replace(recipe, evaluation=replace(recipe.evaluation, bootstrap_draws=100, permutations=100, **protocols))


def told(photos, seed):
    """Logits of a model that sees something; twins look alike to it."""
    return np.repeat(np.random.default_rng(seed).normal(size=N // 2), 2) + 2.5 * photos.anaemic - 1


def outcome(job, logits):
    return FoldLogits(logits[job.fold.calibration], logits[job.fold.test])


def on_the_test_side(photos=None, learned=None, champion=None):
    photos = some_photos() if photos is None else photos
    recipe, fold = recipe_of(), fixed_sides(photos)
    logits = told(photos if learned is None else learned, 1)
    own = fold.calibration
    cutoffs = calibrate(logits[own], photos.anaemic[own], clusters(photos)[own], recipe.calibration)
    model = cutoffs.probabilities(logits[fold.test])
    scores = {"model": model, "fp16": model, "int8": np.abs(model - 0.001)}
    scores["champion"] = sigmoid(told(photos, 7)[fold.test])
    return side_evidence(photos, fold, BASE, recipe, cutoffs, scores, champion), scores, photos, fold
