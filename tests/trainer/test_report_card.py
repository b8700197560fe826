"""The card: whatever the evidence holds or lacks, nobody can read it as validated."""

import copy
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from tests.trainer.evidence import an_evidence, figure, findings, quantization
from tests.trainer.labelled import labelled
from trainer.calibrate import Cutoffs
from trainer.data.split import fixed_sides
from trainer.evidence import side_evidence
from trainer.model import random_base
from trainer.recipe import read_recipe
from trainer.report.card import write_card
from trainer.report.page import write_page

ROOT = Path(__file__).parents[2]


def test_it_begins_with_whose_world_it_is_and_that_it_clears_no_one():
    real, drawn = write_card(findings()), write_card(findings(evidence=an_evidence(world="synthetic")))
    assert real.splitlines()[0] == "# candidate-1"
    assert drawn.splitlines()[0] == "# candidate-1: synthetic world, drawn photos, no patient"
    for card in (real, drawn):
        assert card.splitlines()[2].startswith("**Investigational. Fit to clear no one.")


def test_a_world_that_nobody_named_is_no_real_one():
    assert write_card(findings(evidence={})).startswith("# candidate-1: world not stated\n")


@pytest.mark.parametrize("refusals", [None, (), [{"reason": "a", "said": "b"}]])
def test_nothing_in_it_says_validated_but_to_deny_it(refusals):
    card = write_card(findings(evidence=an_evidence(auroc=0.99, low=0.98), refusals=refusals))
    denied = r"not been validated|validates nothing|(external|internal) validation|cross-validation"
    assert "validat" not in re.sub(denied, "", card, flags=re.IGNORECASE).lower()


def test_every_auroc_stands_under_its_protocol_beside_the_controls():
    card = write_card(findings())
    table = section(card, "Performance, beside its controls")
    for protocol, model, twin in [
        ("test side (leak-free)", "0.703 [0.612, 0.803]", "0.500 [0.400, 0.600]"),
        ("grouped by photo (leak-free)", "0.641 [0.548, 0.741]", "0.500 [0.400, 0.600]"),
        ("leaving one site out (leak-free)", "0.530 [0.440, 0.630]", "0.420 [0.320, 0.520]"),
        ("published protocol (leaks)", "0.834 [0.780, 0.934]", "0.960 [0.860, 1.000]"),
    ]:
        part = table.split(f"| {protocol} |")[1].split("\n### ")[0]
        row = next(line for line in part.splitlines() if line.startswith("| AUROC |"))
        assert [cell.strip() for cell in row.split("|")[2:4]] == [model, twin]
        who = "this model | twin look-up, no pixel seen | area of the ROI, no colour seen | constant | shuffled labels"
        assert f" {who} |" in part


def test_controls_that_nobody_measured_keep_their_place():
    bare = an_evidence(figures=[figure("model.auroc", "test_side", 0.9)])
    row = next(line for line in write_card(findings(evidence=bare)).splitlines() if line.startswith("| AUROC |"))
    assert row == "| AUROC | 0.900 [0.800, 1.000] | not measured | not measured | not measured | not measured |"


def test_a_figure_without_a_protocol_is_not_shown_and_is_counted():
    stray = [{**figure("model.auroc", "test_side", 0.987), "protocol": None}, figure("auroc", "test_side", 0.986)]
    card = write_card(findings(evidence=an_evidence(figures=[*an_evidence()["figures"], *stray])))
    assert "0.987" not in card
    assert "0.986" not in card
    assert "2 figures have no protocol" in card


def test_whatever_is_said_of_the_published_split_says_that_it_leaks():
    published = [line for line in write_card(findings()).splitlines() if "ublished" in line and "random" not in line]
    assert published
    assert all("leak" in line or "none was published" in line for line in published)
    assert "published random split, which leaks," in write_card(findings())


def test_an_auroc_whose_interval_holds_chance_is_called_unproved():
    proved, not_proved = (write_card(findings(evidence=an_evidence(low=low))) for low in (0.612, 0.5))
    assert "it has not been shown that this model sees pallor at all" in not_proved
    assert "it has not been shown" not in proved


def test_the_published_split_measures_twins_only_where_looking_them_up_does_well():
    figures = [one for one in an_evidence()["figures"] if one["protocol"] != "published_protocol"]
    figures += [
        figure("model.auroc", "published_protocol", 0.8),
        figure("twin_look_up.auroc", "published_protocol", 0.5),
    ]
    assert "that split measures twins" in write_card(findings())
    assert "that split measures twins" not in write_card(findings(evidence=an_evidence(figures=figures)))


def test_the_gate_is_told_with_every_reason_or_that_it_was_not_asked():
    two = [{"reason": "too-few-positives", "said": "40 more"}, {"reason": "calibration-off", "said": "slope 0.2"}]
    refused = write_card(findings(refusals=two))
    assert "The gate refused it, for 2 reasons." in refused
    assert "- too-few-positives: 40 more\n- calibration-off: slope 0.2" in refused
    assert "The gate refused nothing, which validates nothing." in write_card(findings(refusals=()))
    assert "The gate was not asked." in write_card(findings(refusals=None))


def test_int4_is_called_research_wherever_it_stands():
    assert "| INT4 (research) | 1640000 | 0.180 |" in write_card(findings())
    assert "INT4 is a line of research: it is in no release." in write_card(findings())


def test_the_quantized_nodes_are_listed_one_by_one():
    card = write_card(findings())
    assert "<details><summary>All 2 nodes" in card
    assert "| INT8 | features.0.0 | Conv | 8 | 8 | 0.0039 to 1.4840 |" in card


def test_what_is_not_in_the_release_is_not_told_as_if_it_were():
    card = write_card(findings(shipped=("fp16",)))
    assert "| FP16 | yes | 4610000 |" in card
    assert "| INT8 | no | 2570000 |" in card


def test_times_that_nobody_took_have_no_column():
    untimed = [{key: one[key] for key in one if not key.startswith("time")} for one in quantization()]
    card = write_card(findings(quantization=untimed))
    assert "time to FP32" not in card
    assert "How long each takes: not measured here." in card
    assert "time to FP32, 16 photos" in write_card(findings())


def test_of_fewer_than_five_people_no_figure_is_shown():
    told = an_evidence()
    told["data"]["counts"]["site"] = {"Tamale": 2, "Ejusu": 539}
    named = [one for one in told["figures"] if one["name"].endswith("@site=Ejusu Government Hospital")]
    for one in named:
        one |= {"count": 2, "value": 0.123}
    page, card = write_page(findings(evidence=told)), write_card(findings(evidence=told))
    assert "| site | Tamale | under 5 |" in card
    assert "| Ejusu Government Hospital | under 5 | under 5 | under 5 | under 5 |" in card
    assert "fewer than 5 photographs or people stand behind a figure" in card
    assert len(named) == 3
    assert "0.123" not in card + page


def test_who_is_in_which_part_of_the_data_is_told():
    card = write_card(findings())
    assert "Ages: 6 to 60 months" in card
    assert "508 of 541 rows (93.9 %)" in card
    assert "differs by 18 g/L on average, by 76 g/L at most" in card
    assert "| test | 110 | 65 of 110 rows (59.1 %) | 31 | 31 | 20 | 14 |" in card
    assert "Rows without device: 541 of 541 rows (100.0 %)" in card


def test_every_item_of_tripod_ai_is_answered_and_what_was_not_done_says_so():
    rows = [line for line in write_card(findings()).splitlines() if re.match(r"\| \d+[a-g]? \|", line)]
    answers = {}
    for line in rows:
        number, _, answer = (cell.strip() for cell in line.strip("| ").split(" | "))
        answers[number] = answer
    assert {int(re.match(r"\d+", number)[0]) for number in answers} == set(range(1, 28))
    assert all(answers.values())
    assert answers["18d"] == answers["19"] == "not done"
    assert "external validation: not done" in answers["27c"]


def test_of_nothing_at_all_a_card_can_be_written_and_says_what_is_not_measured():
    card = write_card(findings(evidence={}, quantization=(), nodes=(), parity=None, refusals=None, mistakes=None))
    assert "No leak-free figure was measured: nothing can be said of this model." in card
    assert card.count("not measured") > 15
    assert_nothing_shows_through(card)


@pytest.mark.parametrize("lost", [None, math.nan, "gone"])
def test_whatever_single_value_lacks_the_card_says_so(lost):
    whole = an_evidence()
    cards = set()
    for path in leaves(whole):
        changed = copy.deepcopy(whole)
        replace_at(changed, path, lost)
        card = write_card(findings(evidence=changed))
        assert_nothing_shows_through(card)
        cards.add(card)
    assert len(cards) > 40  # much of what is taken away was in there


def test_what_a_site_is_called_is_text_and_nothing_else():
    evil = "a|b <script>alert(1)</script> [x](javascript:1) ![y](z) `c` *d*\n# e $f$"
    sites = [figure(f"model.{measure}@site={evil}", "test_side", 0.6) for measure in ("auroc", "sensitivity")]
    card = write_card(findings(evidence=an_evidence(figures=[*an_evidence()["figures"], *sites])))
    row = next(line for line in card.splitlines() if line.startswith(r"| a\|b"))
    assert "<script" not in card
    assert not re.search(r"(?<!\\)\]\((javascript|z)", card)
    assert "\n# e" not in card
    assert len(re.split(r"(?<!\\)\|", row)) == len(re.split(r"(?<!\\)\|", "| site | n | AUROC | sens | spec |"))


def test_the_same_findings_give_the_same_bytes_in_another_process():
    script = "from tests.trainer.evidence import findings\nfrom trainer.report.card import write_card\n" \
        "from trainer.report.page import write_page\nprint(write_card(findings()), write_page(findings()))"  # fmt: skip
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1


def test_what_the_evaluation_really_gives_is_told_in_full():
    """Not of the sample above: of the evidence that ``trainer.evidence`` makes now."""
    recipe = read_recipe()
    recipe = replace(recipe, evaluation=replace(recipe.evaluation, bootstrap_draws=20, permutations=20))
    photos = labelled(groups=range(120), sites=["north", "south"] * 60)
    fold = fixed_sides(photos)
    rng = np.random.default_rng(0)
    noise, signal = rng.random(len(fold.test)), photos.anaemic[fold.test]
    scores = {"model": (noise + signal) / 2, "int8": (noise + signal) / 2.01}
    cutoffs = Cutoffs(1.0, 0.5, 0.4, 0.6)
    evidence = side_evidence(photos, fold, random_base(0), recipe, cutoffs, scores)
    told = findings(evidence=evidence)
    card, page = write_card(told), write_page(told)
    auroc = next(one for one in evidence["figures"] if one["name"] == "model.auroc")
    assert f"| AUROC | {auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}] |" in card
    for words in ("| south |", "| 24-59 |", "| 70-99 |", "AUROC with labels dealt at random: 0.", "| INT8 |"):
        assert words in card
    assert page.count("<svg") >= 3  # ROC, calibration, subgroups
    assert "ROC curve: not measured" not in page
    assert "Calibration curves: not measured" not in page
    for name in ("rows", "photographs", "subjects"):
        assert str(evidence["data"][name]) in section(card, "Data: source, dates, participants") + section(
            card, "The same photograph twice, and labels that conflict"
        )
    assert_nothing_shows_through(card)


def assert_nothing_shows_through(text):
    assert not re.search(r"\b(None|nan|NaN|inf)\b|Traceback", text)


def section(card, title):
    return card.split(f"\n## {title}\n")[1].split("\n## ")[0]


def leaves(value, path=()):
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value[:2]):  # the others are alike
            yield from leaves(inner, (*path, key))
    if path:
        yield path


def replace_at(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new
