"""What a laboratory's line says: nothing is matched by guess, and of several words about one value the last stands."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from pallor.ids import new_id
from pallor.lab import read_hb
from pallor.reported import (
    DrawnWhenMissing,
    Fate,
    NothingToMatchBy,
    NumberTaken,
    ReportedHb,
    ReportStatus,
    ValueMissing,
    Word,
    disagreements,
    fate_of,
)
from pallor.subject import Sex
from tests.support.builders import NOON, a_case, a_subject


def a_line(**facts):
    hb = read_hb("10.4", "g/dL")
    line = ReportedHb("L-1", ReportStatus.FINAL, hb, NOON + timedelta(hours=1), barcode="K7Q2M4X9T")
    return replace(line, **facts)


def test_a_line_comes_back_as_it_went():
    for line in (
        a_line(age_months=(24, 35), sex=Sex.MALE, resulted_at=NOON, subject_code="A-017", visited_on=date(2026, 11, 1)),
        ReportedHb("L-1", ReportStatus.CANCELLED),
    ):
        assert replace(ReportedHb.from_json(line.to_json()), business_id="L-1") == line
        assert ReportedHb.from_json(line.to_json()).digest() == line.digest()


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"barcode": None}, NothingToMatchBy),
        ({"barcode": None, "subject_code": "A-017"}, NothingToMatchBy),
        ({"hb": None}, ValueMissing),
        ({"taken_at": None}, DrawnWhenMissing),
        ({"status": ReportStatus.SPECIMEN_REJECTED, "hb": None, "taken_at": None, "barcode": None}, NothingToMatchBy),
    ],
)
def test_a_line_that_says_too_little_is_refused(facts, refusal):
    with pytest.raises(refusal):
        a_line(**facts)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, ()),
        ({"sex": Sex.FEMALE, "age_months": (24, 35), "subject_code": "A-017"}, ()),
        ({"sex": Sex.UNKNOWN}, ()),
        ({"sex": Sex.MALE}, ("sex-disagrees",)),
        ({"age_months": (31, 31)}, ()),
        ({"age_months": (36, 47)}, ("age-disagrees",)),
        ({"age_months": (12, 23)}, ("age-disagrees",)),
        ({"subject_code": "A-018"}, ("subject-code-disagrees",)),
        ({"case_id": new_id()}, ("case-id-disagrees",)),
        ({"taken_at": NOON + timedelta(days=91)}, ("specimen-of-another-visit",)),
    ],
)
def test_what_a_line_says_of_the_person_must_be_what_the_case_says(said, found):
    assert disagreements(a_line(**said), a_case(subject=a_subject(age_months=30, sex=Sex.FEMALE))) == found


def test_a_case_that_does_not_know_the_sex_contradicts_nobody():
    assert disagreements(a_line(sex=Sex.MALE), a_case(subject=a_subject(sex=Sex.UNKNOWN))) == ()


F, C, E, X = ReportStatus.FINAL, ReportStatus.CORRECTED, ReportStatus.ENTERED_IN_ERROR, ReportStatus.CANCELLED
EARLY, LATE = NOON + timedelta(hours=2), NOON + timedelta(hours=3)


@pytest.mark.parametrize(
    ("standing", "new", "fate"),
    [
        ((F, None), (C, None), Fate.REPLACES),
        ((C, None), (F, None), Fate.OVERTAKEN),
        ((F, None), (F, None), Fate.DISPUTED),
        ((C, None), (C, None), Fate.REPLACES),
        ((F, None), (E, None), Fate.REPLACES),
        ((E, None), (F, None), Fate.OVERTAKEN),
        ((E, None), (C, None), Fate.OVERTAKEN),
        ((E, None), (X, None), Fate.OVERTAKEN),
        ((C, LATE), (C, EARLY), Fate.OVERTAKEN),
        ((C, EARLY), (C, LATE), Fate.REPLACES),
        ((E, EARLY), (C, LATE), Fate.REPLACES),
        ((C, EARLY), (F, LATE), Fate.DISPUTED),
        ((F, LATE), (C, EARLY), Fate.OVERTAKEN),
        ((F, EARLY), (C, EARLY), Fate.REPLACES),
    ],
)
def test_of_two_words_about_one_value_the_last_stands_in_whatever_order_they_come(standing, new, fate):
    first, second = (Word(status, at, value) for (status, at), value in ((standing, "104"), (new, "98")))
    assert fate_of(second, first) is fate


def test_the_same_value_called_final_once_more_is_nothing_new():
    assert fate_of(Word(F, LATE, "104"), Word(F, EARLY, "104")) is Fate.OVERTAKEN


@pytest.mark.parametrize("resulted_at", [EARLY, LATE, None])
def test_a_number_that_is_used_again_for_another_tube_is_refused_even_with_the_same_value(resulted_at):
    standing = Word(F, EARLY, "104", "TUBE-1")
    with pytest.raises(NumberTaken):
        fate_of(Word(F, resulted_at, "104", "TUBE-2"), standing)
    assert fate_of(Word(F, resulted_at, "104", "TUBE-1"), standing) is Fate.OVERTAKEN
    assert fate_of(Word(F, resulted_at, "104", None, "case-1"), standing) is Fate.OVERTAKEN
    assert fate_of(Word(C, LATE, "98", "TUBE-2"), standing) is Fate.REPLACES  # says itself that it corrects


def test_a_business_id_leaves_only_its_digest():
    line = a_line(business_id="Amina Mensah")
    assert "Amina" not in str(line.to_json()) + line.key_of("lab-1")
    assert line.key_of("lab-1") != line.key_of("lab-2")
