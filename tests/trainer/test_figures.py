"""Every contestant gets the figures that make sense for it, by names that can be read back, and no figure is NaN."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.labelled import labelled
from trainer.calibrate import Cutoffs, sigmoid
from trainer.figures import Contest, figures_of, measure, measure_chance
from trainer.metrics import Answers, auroc
from trainer.recipe import read_recipe

CUTOFFS = Cutoffs(temperature=1.0, threshold=0.5, refer_low=0.3, refer_high=0.7)
HOW = replace(read_recipe().evaluation, bootstrap_draws=40, permutations=40)
N = 240


def test_everybody_has_an_auroc_and_all_but_the_model_a_loss_against_it():
    found = by_name(contest())
    for who in ("model", "int8", "champion", "twin_look_up", "constant"):
        assert f"{who}.auroc" in found
        assert (f"{who}.auroc_loss" in found) is (who != "model")
    assert found["constant.auroc_loss"]["value"] == pytest.approx(found["model.auroc"]["value"] - 0.5)
    assert found["champion.auroc_loss"]["value"] == pytest.approx(
        found["model.auroc"]["value"] - found["champion.auroc"]["value"]
    )


def test_the_metrics_that_the_issue_names_are_all_there_with_an_interval():
    found = by_name(contest())
    names = ("auroc", "sensitivity", "specificity", "f1", "accuracy", "brier", "calibration_error")
    names += ("calibration_slope", "calibration_intercept", "decided_share", "coverage_anaemic", "coverage_other")
    for name in (*names, *(f"{kind}_at_{percent}" for kind in ("ppv", "npv") for percent in (20, 40, 60))):
        figure = found[f"model.{name}"]
        assert figure["low"] <= figure["value"] <= figure["high"] or name == "calibration_error", name
        assert figure["protocol"] == "test_side"


def test_controls_without_cut_offs_have_no_sensitivity():
    found = by_name(contest())
    assert "constant.sensitivity" not in found
    assert "twin_look_up.decided_share" not in found
    assert found["constant.accuracy_at_half"]["value"] is not None


def test_only_the_models_own_files_are_compared_answer_by_answer():
    found = by_name(contest())
    assert found["int8.mean_abs_dp"]["value"] == pytest.approx(0.01, abs=0.002)
    assert found["int8.max_abs_dp"]["value"] == pytest.approx(0.01)
    assert found["int8.decisions_changed"]["value"] < 0.05
    assert "champion.mean_abs_dp" not in found
    assert "constant.decisions_changed" not in found


def test_subgroups_are_named_by_field_and_value():
    found = by_name(contest())
    assert {"model.auroc@age=6-23", "model.auroc@age=24-59", "model.auroc@age=60-143"} <= set(found)
    assert {"model.auroc@sex=female", "model.auroc@site=St. Mary's @ east=1", "model.auroc@device=unknown"} <= set(
        found
    )
    assert "champion.auroc_loss@sex=male" in found
    assert "constant.auroc_loss@device=A 1" in found


def test_a_subgroup_is_judged_by_its_own_rows():
    one = contest()
    found = by_name(one)
    inside = one.photos.sexes == "female"
    run = one.runs["model"][0]
    assert found["model.auroc@sex=female"]["value"] == pytest.approx(auroc(run.truth[inside], run.scores[inside]))
    assert found["model.auroc@sex=female"]["count"] == inside.sum()


def test_a_field_with_one_value_makes_no_subgroup():
    one = contest()
    alike = replace(one.photos, sexes=np.full(N, "female"))
    found = by_name(Contest("test_side", alike, one.runs, one.files))
    assert not [name for name in found if "@sex" in name]


def test_within_a_haemoglobin_band_only_what_is_found_of_its_class_is_told():
    found = by_name(contest())
    of_bands = {name for name in found if "@hb=" in name}
    assert of_bands == {
        "model.sensitivity@hb=<70",
        "model.sensitivity@hb=70-99",
        "model.sensitivity@hb=100-109",
        "model.specificity@hb=110-119",
        "model.specificity@hb=>=120",
    }


def test_a_site_without_an_anaemic_child_has_none_and_a_count_rather_than_nan():
    one = contest()
    sites = np.where(one.photos.anaemic, "north", one.photos.sites)
    found = by_name(Contest("test_side", replace(one.photos, sites=sites), one.runs, one.files))
    nobody = found["model.sensitivity@site=south"]
    assert (nobody["value"], nobody["low"], nobody["high"], nobody["count"]) == (None, None, None, 0)
    assert found["model.auroc@site=south"]["value"] is None
    assert found["model.specificity@site=south"]["value"] is not None
    numbers = [f[part] for f in found.values() for part in ("value", "low", "high") if f[part] is not None]
    assert np.isfinite(numbers).all()


def test_a_test_side_of_one_class_is_told_without_a_crash():
    one = contest()
    rows = ~one.photos.anaemic
    runs = {who: [run.take(rows) for run in runs] for who, runs in one.runs.items()}
    healthy = Contest("test_side", one.photos.take(np.flatnonzero(rows)), runs, one.files)
    found = by_name(healthy)
    assert found["model.auroc"]["value"] is found["int8.auroc_loss"]["value"] is None
    assert measure_chance(healthy, HOW) is None


def test_twins_and_rows_of_one_person_are_counted_once():
    one = contest()
    photos = replace(one.photos, groups=np.arange(N) // 2, subjects=np.array([f"s{i // 4}" for i in range(N)]))
    found = by_name(Contest("test_side", photos, one.runs, one.files))
    assert found["model.accuracy"]["count"] == N // 4


def test_the_permuted_control_is_a_figure_like_the_others():
    permutation, figure = measure_chance(contest(), HOW)
    assert figure["name"] == "permuted.auroc"
    assert (figure["value"], figure["low"], figure["high"]) == (permutation.mean, permutation.low, permutation.high)
    assert permutation.p == pytest.approx(1 / 41)


def test_flat_figures_leave_out_what_could_not_be_measured():
    nothing = {"protocol": "test_side", "low": None, "high": None, "count": 0}
    measured = {"protocol": "test_side", "low": None, "high": 0.9, "count": 3}
    figures = [{"name": "model.f1", "value": None, **nothing}, {"name": "model.auroc", "value": 0.8, **measured}]
    assert figures_of({"figures": figures}) == {"test_side.model.auroc": 0.8, "test_side.model.auroc.high": 0.9}


def contest():
    """A fair model, a file a hundredth beside it, a worse champion; two seeds would be the same rows again."""
    rng = np.random.default_rng(0)
    hb = rng.uniform(50, 160, N)
    anaemic = hb < 110
    photos = labelled(
        groups=range(N),
        anaemic=anaemic.tolist(),
        hb=hb.tolist(),
        ages=rng.integers(6, 70, N).tolist(),
        sites=rng.choice(["north", "south", "St. Mary's @ east=1"], N).tolist(),
        devices=rng.choice(["", "A 1"], N).tolist(),
    )
    logits = rng.normal(size=N) + 2 * anaemic - 1
    scores = {
        "model": sigmoid(logits),
        "int8": np.clip(sigmoid(logits) + rng.choice([-0.01, 0.01], N), 0, 1),
        "champion": sigmoid(rng.normal(size=N) + anaemic),
        "twin_look_up": np.full(N, 0.4),
        "constant": np.full(N, 0.4),
    }
    runs = {who: [Answers.by(CUTOFFS, anaemic, p)] for who, p in scores.items()}
    return Contest("test_side", photos, runs, ("int8",))


def by_name(one):
    figures = measure(one, HOW)
    found = {figure["name"]: figure for figure in figures}
    assert len(found) == len(figures)
    return found
