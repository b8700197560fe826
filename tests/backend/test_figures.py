"""The record's numbers: intervals of textbooks, weights of sampled negatives, what it takes to be cleared."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from backend.record.clearance_rule import conditions_of
from backend.record.counted import BY, Counted, age_band, hb_band
from backend.record.figures import exact_lower, figures_by, figures_of, wilson
from backend.record.plot import Mark, draw_over_time
from pallor.verification import AUDIT_SHARE, WhyBlood, is_audited, weight_of, why_blood
from tests.support.builders import NOON


def test_wilsons_interval_is_the_textbooks():
    assert wilson(0.85, 20) == pytest.approx((0.6396, 0.9476), abs=1e-4)  # Altman, Statistics with Confidence
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_all_of_59_found_is_the_fewest_whose_lower_bound_reaches_95_in_100():
    assert exact_lower(59, 59) == pytest.approx(0.05 ** (1 / 59), abs=1e-6)
    assert exact_lower(59, 59) > 0.95 > exact_lower(58, 58)
    assert exact_lower(91, 92) < 0.95 < exact_lower(92, 93)  # one missed costs 34 more
    assert exact_lower(0, 5) == 0


def test_sampled_negatives_stand_for_those_who_were_not_sent():
    """Of 100 negatives ten were sent for blood, one of them anaemic: that is ten of them missed."""
    referred = [True] * 90 + [False] * 10
    anaemic = [True] * 90 + [True] + [False] * 9
    figures = figures_of(counted(referred=referred, anaemic=anaemic, weight=[1.0] * 90 + [10.0] * 10))
    assert figures.sensitivity.value == pytest.approx(90 / 100)
    assert figures.negative_predictive.value == pytest.approx(9 / 10)
    sampled, whole = figures.sensitivity, wilson(0.9, 91)
    assert sampled.low < whole[0]  # fewer were seen than are counted


def test_calibrated_scores_have_slope_one_and_flat_ones_less():
    rng = np.random.default_rng(1)
    logit = rng.normal(0, 1.5, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-logit))
    line = figures_of(counted(probability=1 / (1 + np.exp(-logit)), anaemic=truth)).calibration
    assert line.slope_low < 1 < line.slope_high
    assert line.intercept == pytest.approx(0, abs=0.06)
    steep = figures_of(counted(probability=1 / (1 + np.exp(-2 * logit)), anaemic=truth)).calibration
    assert steep.slope == pytest.approx(0.5, abs=0.03)
    assert figures_of(counted(anaemic=[True] * 5)).calibration.slope is None
    apart = figures_of(counted(probability=[0.1, 0.2, 0.8, 0.9], anaemic=[False, False, True, True]))
    assert apart.calibration.slope is None


def test_no_case_is_no_figure_and_few_are_none_either():
    assert figures_of(counted(anaemic=[])).sensitivity.value is None
    few = counted(anaemic=[True] * 4 + [False] * 6, site=["a"] * 4 + ["b"] * 6)
    assert list(figures_by(few, "site")) == ["b"]


def test_every_condition_says_what_is_missing():
    nothing = {one.name: one for one in conditions_of(counted(anaemic=[]))}
    assert not any(one.holds for name, one in nothing.items() if name != "no weak site")
    missing = {name: one.missing for name, one in nothing.items() if one.missing}
    assert missing == {
        "enough anaemic people": 200, "enough people without anaemia": 100, "enough severely anaemic people": 59,
        "enough sites": 3,
    }  # fmt: skip


def test_a_good_record_may_be_cleared_and_each_weakness_stands_by_its_name():
    assert failing(a_good_record()) == set()
    assert failing(a_good_record(clears=False)) >= {"enough anaemic people", "enough sites"}
    tested_anyway = replace(a_good_record(), weight=np.zeros(900))
    assert failing(tested_anyway) >= {"enough anaemic people", "enough sites"}
    assert failing(a_good_record(missed_severe=1)) == {"sensitivity for severe anaemia"}
    assert failing(a_good_record(missed_at="b")) == {"no weak site"}
    assert failing(a_good_record(sites="ab")) == {"enough sites"}
    assert failing(a_good_record(false_alarms=0.6)) == {"specificity"}


def test_the_drawing_holds_every_week_and_what_happened_in_it():
    weeks = [f"2026-W{week:02}" for week in range(1, 21) for _ in range(10)]
    drawn = counted(anaemic=[True, False] * 100, week=weeks)
    svg = draw_over_time("a release & its <record>", drawn, [Mark("2026-W07", "score a")])
    root = read(svg)
    assert svg == draw_over_time("a release & its <record>", drawn, [Mark("2026-W07", "score a")])
    lines = root.findall("{*}polyline")
    assert [len(line.get("points", "").split()) for line in lines] == [20] * 4
    assert [title.text for title in root.findall("*/{*}title")] == ["score a"]
    assert read(draw_over_time("nothing yet", counted(anaemic=[]))).findall("{*}rect") == []


def test_hb_and_age_fall_into_their_bands():
    assert [hb_band(hb) for hb in (69.9, 70, 99.9, 100, 119, 120, 250)] == [
        "below 70", "70 to 99", "70 to 99", "100 to 119", "100 to 119", "120 and above", "120 and above",
    ]  # fmt: skip
    assert [age_band(months) for months in (5, 6, 23, 24, 59, 60, 179, 180)] == [
        "below 6 months", "6 to 23 months", "6 to 23 months", "24 to 59 months", "24 to 59 months",
        "5 to 14 years", "5 to 14 years", "15 years and older",
    ]  # fmt: skip


def test_why_blood_was_taken_follows_from_clearance_and_chance_alone():
    def why(case_id: str, *, referred: bool, cleared: bool = True) -> WhyBlood:
        return why_blood(case_id, referred=referred, cleared=cleared)

    ids = [f"case-{n}" for n in range(5000)]
    assert {why(one, referred=False, cleared=False) for one in ids} == {WhyBlood.INVESTIGATIONAL}
    assert {why(one, referred=True) for one in ids} == {WhyBlood.SCREEN_POSITIVE}
    drawn = sum(is_audited(one) for one in ids) / len(ids)
    assert drawn == pytest.approx(AUDIT_SHARE, abs=0.015)
    assert all((why(one, referred=False) is WhyBlood.AUDIT) == is_audited(one) for one in ids)
    assert weight_of(WhyBlood.AUDIT) * AUDIT_SHARE == weight_of(WhyBlood.SCREEN_POSITIVE) == 1
    assert weight_of(WhyBlood.CLINICAL) == 0


def read(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  drawn here


def failing(record: Counted) -> set[str]:
    return {one.name for one in conditions_of(record) if not one.holds}


def a_good_record(
    *, clears=True, missed_severe=0, missed_at=None, sites="abc", false_alarms=0.3
) -> Counted:  # fmt: skip
    """900 people, 450 of them anaemic, 120 severely; calibrated scores, 40 missed."""
    n = 450
    site = np.array(list(sites) * (2 * n))[: 2 * n]
    anaemic = np.arange(2 * n) < n
    severe = np.arange(2 * n) < 120
    referred = np.where(anaemic, np.arange(2 * n) >= 120, np.arange(2 * n) < n + n * false_alarms)
    referred[:120] = np.arange(120) >= 5 * missed_severe
    referred[200:220] = False
    if missed_at:
        there = np.flatnonzero(anaemic & ~severe & (site == missed_at))
        referred[there[:30]] = False
    rng = np.random.default_rng(3)
    probability = np.where(rng.random(2 * n) < 0.7, anaemic, ~anaemic) * 0.4 + 0.3
    return counted(
        probability=probability, referred=referred, anaemic=anaemic, severe=severe, site=site, clears=[clears] * 2 * n
    )


def counted(*, anaemic, site=None, week=None, **columns) -> Counted:
    n = len(anaemic)
    words = {name: np.array(["x"] * n, object) for name in BY} | {"hb-band": np.array(["70 to 99"] * n, object)}
    kinds = {"probability": (0.5, float), "referred": (True, bool), "hb": (90.0, float), "severe": (False, bool),
             "weight": (1.0, float), "clears": (True, bool)}  # fmt: skip
    made = {name: np.array(columns.get(name, [usual] * n), kind) for name, (usual, kind) in kinds.items()}
    if week is not None:
        words["week"] = np.array(week, object)
    if site is not None:
        words["site"] = np.array(site, object)
    when, why = np.array([NOON] * n, object), np.array(["investigational"] * n, object)
    return Counted(
        case_id=np.arange(n).astype(str), captured_at=when, why=why, anaemic=np.array(anaemic, bool), by=words, **made
    )
