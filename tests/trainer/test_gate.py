"""The gate names every reason with its numbers, and nothing that gets worse ever opens it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.gate import judge_candidate
from trainer.recipe import read_recipe

LIMITS = read_recipe().gate
CHAMPION = {"release_id": "2026-10"}
SUBGROUPS = ("sex=female", "sex=male", "site=north")


def test_a_good_candidate_is_refused_nothing():
    assert judge_candidate(evidence(), LIMITS, CHAMPION) == ()
    assert judge_candidate(evidence(), LIMITS, None) == ()


@pytest.mark.parametrize(
    ("name", "figure", "reason", "words"),
    [
        ("constant.auroc_loss", (0.30, 0.0, 0.5), "not-better-than-constant", "must be above 0.000"),
        ("twin_look_up.auroc_loss", (-0.1, -0.2, 0.1), "not-better-than-twin-look-up", "-0.100 [-0.200, 0.100]"),
        ("permuted.auroc", (0.5, 0.3, 0.80), "not-better-than-permuted-labels", "must be above 0.800"),
        ("model.auroc", (0.6, 0.54, 0.7), "not-better-than-permuted-labels", "0.600 [0.540, 0.700]"),
        ("champion.auroc_loss", (0.0, -0.021, 0.02), "worse-than-champion", "2026-10"),
        ("champion.auroc_loss@sex=male", (0.0, -0.06, 0.06), "worse-than-champion", "sex=male"),
        ("constant.auroc_loss@site=north", (0.0, -0.06, 0.06), "worst-subgroup", "site=north"),
        ("twin_look_up.auroc_loss@sex=male", (0.0, -0.06, 0.06), "worst-subgroup", "twin look-up, for sex=male"),
        ("model.calibration_slope", (0.7, 0.49, 0.9), "calibration-off", "must not be below 0.500"),
        ("model.calibration_slope", (1.7, 1.4, 2.1), "calibration-off", "must not be above 2.000"),
        ("model.calibration_error", (0.07, 0.05, 0.11), "calibration-off", "0.070 [0.050, 0.110]"),
        ("int8.auroc_loss", (0.0, -0.01, 0.011), "quantized-file-off", "int8"),
        ("fp16.decisions_changed", (0.021, 0.0, 0.03), "quantized-file-off", "fp16"),
        ("int8.mean_abs_dp", (0.021, 0.02, 0.022), "quantized-file-off", "0.0210, at most 0.02"),
    ],
)
def test_each_fault_has_its_reason_and_its_numbers(name, figure, reason, words):
    refusals = judge_candidate(evidence({name: figure}), LIMITS, CHAMPION)
    about = [refusal for refusal in refusals if refusal.reason == reason]
    assert about, refusals
    assert words in about[0].said
    assert {refusal.reason for refusal in refusals} - {reason} <= {"too-few-positives", "too-few-negatives"}


@pytest.mark.parametrize("kind", ["positives", "negatives"])
def test_too_few_cases_say_how_many_are_missing(kind):
    refusals = judge_candidate(evidence(**{kind: 41}), LIMITS, CHAMPION)
    assert [refusal.reason for refusal in refusals] == [f"too-few-{kind}"]
    assert "41" in refusals[0].said
    assert "19 more there" in refusals[0].said
    # A fifth of all comes to lie on the test side, and 41 of the 241 there are of the kind that is missing.
    assert "about 559 new people in all, where 41 of 241 are" in refusals[0].said


def test_where_nobody_of_a_kind_has_come_nobody_can_say_how_many_it_takes():
    (refusal,) = judge_candidate(evidence(positives=0), LIMITS, CHAMPION)
    assert "60 more there, which are more than 300 new people in all" in refusal.said


def test_a_wide_interval_says_how_many_would_narrow_it_enough():
    # 0.01 better than the champion, give or take 0.04; give or take 0.03 would do: 16/9 of the cases
    refusals = judge_candidate(evidence({"champion.auroc_loss": (0.01, -0.03, 0.05)}), LIMITS, CHAMPION)
    reasons = [refusal.reason for refusal in refusals]
    assert reasons == ["too-few-positives", "too-few-negatives", "worse-than-champion"]
    assert "356 are what it takes" in refusals[0].said  # of 200
    assert "156 more there" in refusals[0].said


def test_a_model_that_is_no_good_is_not_told_to_wait_for_more_cases():
    for figure in ((-0.05, -0.10, 0.0), (-0.019, -0.5, 0.5)):
        refusals = judge_candidate(evidence({"champion.auroc_loss": figure}), LIMITS, CHAMPION)
        assert [refusal.reason for refusal in refusals] == ["worse-than-champion"]


def test_a_subgroup_too_small_to_say_anything_decides_nothing():
    worse = {"constant.auroc_loss@site=north": (0.0, -0.3, 0.3)}
    assert judge_candidate(evidence(worse), LIMITS, CHAMPION) != ()
    for few in ("model.sensitivity@site=north", "model.specificity@site=north"):
        assert judge_candidate(evidence(worse, counts={few: LIMITS.min_positives - 1}), LIMITS, CHAMPION) == ()


def test_the_worst_of_several_subgroups_stands_for_them():
    bad = {
        f"constant.auroc_loss@{where}": (0.0, low, 0.3)
        for where, low in zip(SUBGROUPS, (-0.1, -0.3, -0.2), strict=True)
    }
    said = [r.said for r in judge_candidate(evidence(bad), LIMITS, CHAMPION) if r.reason == "worst-subgroup"]
    assert len(said) == 1
    assert "sex=male" in said[0]


def test_every_file_that_is_off_is_named_with_all_that_is_off():
    off = {"int8.mean_abs_dp": (0.03, 0.02, 0.04), "int8.auroc_loss": (0.02, 0.0, 0.05)}
    refusals = judge_candidate(evidence(off | {"fp16.auroc_loss": (0.0, 0.0, 0.02)}), LIMITS, CHAMPION)
    assert [refusal.reason for refusal in refusals] == ["quantized-file-off"] * 2
    assert "fp16" in refusals[0].said
    assert "AUROC" in refusals[1].said
    assert "mean |dp|" in refusals[1].said


def test_a_champion_that_was_not_judged_beside_it_was_not_beaten():
    alone = evidence()
    alone["figures"] = [figure for figure in alone["figures"] if not figure["name"].startswith("champion")]
    assert {refusal.reason for refusal in judge_candidate(alone, LIMITS, CHAMPION)} == {"worse-than-champion"}
    assert judge_candidate(alone, LIMITS, None) == ()


def test_chance_that_nobody_measured_is_not_told_as_a_number():
    refusals = judge_candidate(evidence({"permuted.auroc": (None, None, None)}), LIMITS, CHAMPION)
    assert "what shuffled labels reach by chance" in refusals[0].said
    assert "must be above that, which was not measured" in refusals[0].said


def test_figures_of_another_protocol_count_for_nothing():
    elsewhere = evidence()
    for figure in elsewhere["figures"]:
        figure["protocol"] = "published_protocol"
    reasons = {refusal.reason for refusal in judge_candidate(elsewhere, LIMITS, CHAMPION)}
    assert {"not-better-than-constant", "calibration-off", "quantized-file-off"} <= reasons


_LOSSES = [f"{who}.auroc_loss" for who in ("constant", "twin_look_up", "champion")]
_OFF = ("auroc_loss", "decisions_changed", "mean_abs_dp")
DECIDING = [
    *("model.auroc", "model.calibration_slope", "model.calibration_error", "permuted.auroc"),
    *_LOSSES,
    *(f"{loss}@{where}" for loss in _LOSSES for where in SUBGROUPS),
    *(f"{who}.{metric}" for who in ("fp16", "int8") for metric in _OFF),
]


@pytest.mark.parametrize("missing", DECIDING)
def test_what_was_not_measured_speaks_against_the_candidate(missing):
    for value in (None, (None, None, None), (0.9, None, None)):
        if value == (0.9, None, None) and missing.endswith(("decisions_changed", "mean_abs_dp")):
            continue  # of these the value decides
        without = evidence({missing: value} if value else {})
        if value is None:
            without["figures"] = [figure for figure in without["figures"] if figure["name"] != missing]
        assert judge_candidate(without, LIMITS, CHAMPION) != ()


def worse(name: str, figure: tuple[float, float, float], by: float) -> tuple[float, float, float]:
    """The same figure with less to say for the candidate."""
    up = "auroc" in name and not name.startswith(("permuted", "fp16", "int8"))  # of these more is better
    value, low, high = figure
    if name == "model.calibration_slope":  # away from 1 on both sides
        return value, low - by, high + by
    return (value - by, low - by, high - by) if up else (value + by, low + by, high + by)


numbers = st.floats(-0.2, 0.3)


@st.composite
def faults(draw):
    """A few figures moved by anything, for better and for worse."""
    moved = {}
    for name in draw(st.lists(st.sampled_from(DECIDING), max_size=4, unique=True)):
        moved[name] = worse(name, GOOD[name], draw(numbers))
    return moved


@settings(deadline=None, max_examples=400)
@given(
    before=faults(),
    name=st.sampled_from(DECIDING),
    by=st.floats(0, 0.5),
    positives=st.integers(0, 300),
    champion=st.sampled_from([None, CHAMPION]),
)
def test_making_any_figure_worse_never_opens_the_gate(before, name, by, positives, champion):
    after = {**before, name: worse(name, before.get(name, GOOD[name]), by)}
    first = judge_candidate(evidence(before, positives=positives), LIMITS, champion)
    then = judge_candidate(evidence(after, positives=positives), LIMITS, champion)
    if first:
        assert then
    lost = {r.reason for r in first} - {r.reason for r in then}
    assert lost <= {"too-few-positives", "too-few-negatives"}  # how many more is no longer the question


@settings(deadline=None, max_examples=100)
@given(before=faults(), positives=st.integers(0, 300), fewer=st.integers(0, 300))
def test_fewer_cases_never_open_the_gate(before, positives, fewer):
    if judge_candidate(evidence(before, positives=positives), LIMITS, CHAMPION):
        assert judge_candidate(evidence(before, positives=min(positives, fewer)), LIMITS, CHAMPION)


@settings(deadline=None, max_examples=100)
@given(before=faults(), by=st.floats(0, 0.05))
def test_stricter_limits_never_open_the_gate(before, by):
    stricter = replace(
        LIMITS,
        margin_auroc=LIMITS.margin_auroc - by,
        subgroup_margin_auroc=LIMITS.subgroup_margin_auroc - by,
        max_calibration_error=LIMITS.max_calibration_error - by,
        max_auroc_loss=LIMITS.max_auroc_loss - by,
        min_negatives=LIMITS.min_negatives,
    )
    if judge_candidate(evidence(before), LIMITS, CHAMPION):
        assert judge_candidate(evidence(before), stricter, CHAMPION)


GOOD = {
    "model.auroc": (0.85, 0.80, 0.90),
    "model.calibration_slope": (1.0, 0.8, 1.2),
    "model.calibration_error": (0.03, 0.02, 0.06),
    "permuted.auroc": (0.5, 0.44, 0.56),
    **{f"{who}.auroc_loss": (0.35, 0.30, 0.40) for who in ("constant", "twin_look_up")},
    "champion.auroc_loss": (0.01, -0.01, 0.03),
    **{f"{who}.auroc_loss@{at}": (0.3, 0.2, 0.4) for who in ("constant", "twin_look_up") for at in SUBGROUPS},
    **{f"champion.auroc_loss@{at}": (0.01, -0.03, 0.05) for at in SUBGROUPS},
    **{f"model.auroc@{at}": (0.8, 0.7, 0.9) for at in SUBGROUPS},
    **{f"model.{metric}@{at}": (0.9, 0.8, 1.0) for metric in ("sensitivity", "specificity") for at in SUBGROUPS},
    **{f"{who}.auroc_loss": (0.0, -0.005, 0.005) for who in ("fp16", "int8")},
    **{
        f"{who}.{metric}": (0.01, 0.0, 0.02)
        for who in ("fp16", "int8")
        for metric in ("decisions_changed", "mean_abs_dp")
    },
    "model.sensitivity@hb=<70": (1.0, 1.0, 1.0),
}


def evidence(changed=None, counts=None, positives=200, negatives=200):
    figures = GOOD | (changed or {})
    return {
        "figures": [
            {
                "name": name,
                "protocol": "test_side",
                "value": value,
                "low": low,
                "high": high,
                "count": (counts or {}).get(name, 100),
            }
            for name, (value, low, high) in figures.items()
        ],
        "files": ["fp16", "int8"],
        "data": {"sides": {"test": {"anaemic_clusters": positives, "other_clusters": negatives}}},
    }
