"""A year of a district, in miniature: everything that was sent is there once, and what was learned is taken on."""

import json
from collections import Counter
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from safetensors.torch import save_file

from benchmarks.district import __main__ as district
from benchmarks.district.knows_nothing import KNOWS_NOTHING
from benchmarks.district.laboratory import can_be_told_apart, last_words, letters_of
from benchmarks.district.plan import MINIATURE, WHOLE
from benchmarks.district.world import people_of, photo_of
from pallor.errors import Refused
from pallor.lab import read_hb
from trainer.model import random_base


@pytest.mark.slow
def test_a_year_in_miniature_loses_nothing_doubles_nothing_and_takes_on_what_it_learned(tmp_path, capsys):
    save_file({name: one.contiguous() for name, one in random_base(0).weights.items()}, tmp_path / "init.safetensors")
    command = ["--miniature", "--run", str(tmp_path / "year"), "--init", str(tmp_path / "init.safetensors")]
    district.main([*command, "--plot", str(tmp_path / "record.svg")])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    nothing = ("lost", "doubled", "wrong_units_accepted", "labels_not_last_value", "swapped_labelled")
    assert {name: figures[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert figures["wrong_units_sent"] > 0
    assert figures["swapped_caught"] == figures["swapped_catchable"] > 0
    early, due = figures["trainings"]
    assert (early["release"], due["signed_by"]) == (None, "development-trainer")
    assert "nothing was made here before; 60 are enough" in early["said"]
    assert list(figures["releases"]) == [KNOWS_NOTHING, due["release"]]
    assert figures["last_quarter_release"] == due["release"]
    assert figures["last_quarter_auroc"] > 0.5
    assert figures["oracle"][KNOWS_NOTHING] == 0.5
    assert "</svg>" in (tmp_path / "record.svg").read_text()


def test_the_same_year_is_drawn_again():
    people = people_of(MINIATURE)
    assert people == people_of(MINIATURE)
    assert letters_of(MINIATURE, people).all == letters_of(MINIATURE, people).all
    assert photo_of(people[3], 0) == photo_of(people[3], 0)
    assert photo_of(people[3], 0) != photo_of(people[3], 1)


def test_laboratories_do_all_that_the_year_is_about(year):
    people, letters = year
    kinds = Counter(letter.kind for letter in letters.all)
    bled = sum(visit.bleeds for visit in people)
    assert kinds["corrected"] == pytest.approx(0.02 * bled, rel=0.25)
    assert len(letters.swaps) == 60
    assert kinds["again"] > 600
    assert {letter.hb[1] for letter in letters.all if letter.kind != "wrong-unit"} == {"g/L", "g/dL", "mmol/L"}
    arrived = {letter.blood: letter.day for letter in reversed(letters.all)}
    assert sum(arrived[visit.number] < visit.sends_on for visit in people if visit.bleeds) > 50


def test_every_right_letter_says_what_was_measured_and_no_wrong_one_can_be_read(year):
    people, letters = year
    for letter in letters.all:
        value, unit = letter.body["hb"]["value"], letter.body["hb"]["unit"]
        if letter.kind == "wrong-unit":
            with pytest.raises(Refused):
                read_hb(value, unit, letter.body["loinc"])
        elif letter.kind == "corrected":
            assert abs(float(letter.g_per_l) - people[letter.blood].hb_g_per_l) <= 0.5
    words = last_words(people, letters)
    right = [one for number, one in words.items() if number not in letters.swaps]
    assert all(abs(float(one.g_per_l) - people[one.tube].hb_g_per_l) <= 0.5 for one in right)


def test_tubes_that_were_swapped_are_noticed_by_age_or_sex_alone(year):
    people, letters = year
    child = people[0]
    assert not can_be_told_apart(child, replace(child, age_months=child.age_months + 1))
    assert can_be_told_apart(child, replace(child, age_months=child.age_months + 2))
    noticed = [one for one, other in letters.swaps.items() if can_be_told_apart(people[one], people[other])]
    words = last_words(people, letters)
    assert {words[number].kind for number in noticed} == {"relabelled"}
    unnoticed = set(letters.swaps) - set(noticed)
    assert all(words[number].blood == letters.swaps[number] for number in unnoticed)


@pytest.fixture(scope="module")
def year():
    people = people_of(WHOLE)
    return people, letters_of(WHOLE, people)
