"""Every cut-off of both WHO tables, at its edges; altitude; and the cases without a criterion."""

from decimal import Decimal

import pytest

from pallor.lab import read_hb
from pallor.label import TABLES, LabelTableUnknown, Severity, label_of, table_source
from pallor.subject import Pregnancy, Sex
from tests.support.builders import a_subject

CHILD, PREGNANT = {"sex": Sex.FEMALE}, {"age_months": 300, "sex": Sex.FEMALE, "pregnancy": Pregnancy.YES}

# (table, subject, first value that is not anaemic, first that is not moderate, first that is not severe), g/L
CUT_OFFS = [
    ("who-2024", {"age_months": 6}, 105, 95, 70),
    ("who-2024", {"age_months": 23}, 105, 95, 70),
    ("who-2024", {"age_months": 24}, 110, 100, 70),
    ("who-2024", {"age_months": 59}, 110, 100, 70),
    ("who-2024", {"age_months": 60}, 115, 110, 80),
    ("who-2024", {"age_months": 143}, 115, 110, 80),
    ("who-2024", {"age_months": 144}, 120, 110, 80),
    ("who-2024", {"age_months": 179, "sex": Sex.MALE}, 120, 110, 80),
    ("who-2024", {"age_months": 180, "sex": Sex.FEMALE}, 120, 110, 80),
    ("who-2024", {"age_months": 180, "sex": Sex.MALE}, 130, 110, 80),
    ("who-2024", {**PREGNANT, "trimester": 1}, 110, 100, 70),
    ("who-2024", {**PREGNANT, "trimester": 2}, 105, 95, 70),
    ("who-2024", {**PREGNANT, "trimester": 3}, 110, 100, 70),
    ("who-2011", {"age_months": 6}, 110, 100, 70),
    ("who-2011", {"age_months": 59}, 110, 100, 70),
    ("who-2011", {"age_months": 60}, 115, 110, 80),
    ("who-2011", {"age_months": 144}, 120, 110, 80),
    ("who-2011", {"age_months": 180, "sex": Sex.FEMALE}, 120, 110, 80),
    ("who-2011", {"age_months": 180, "sex": Sex.MALE}, 130, 110, 80),
    ("who-2011", {**PREGNANT, "trimester": 2}, 110, 100, 70),
]


@pytest.mark.parametrize(("table", "facts", "none", "mild", "moderate"), CUT_OFFS)
def test_each_cut_off_at_its_edges(table, facts, none, mild, moderate):
    subject = a_subject(**facts, altitude_m=0)
    tenth = Decimal("0.1")
    expected = {
        Decimal(none): Severity.NONE, none - tenth: Severity.MILD, Decimal(mild): Severity.MILD,
        mild - tenth: Severity.MODERATE, Decimal(moderate): Severity.MODERATE, moderate - tenth: Severity.SEVERE,
    }  # fmt: skip
    found = {value: label_of(read_hb(value, "g/L"), subject, table).severity for value in expected}
    assert found == expected


# Metres and g/L at both ends of each printed step.
STEPS_2024 = [
    (0, 0), (499, 0), (500, 4), (999, 4), (1000, 8), (1499, 8), (1500, 11), (1999, 11), (2000, 14), (2499, 14),
    (2500, 18), (2999, 18), (3000, 21), (3499, 21), (3500, 25), (3999, 25), (4000, 29), (4499, 29), (4500, 33),
    (4999, 33),
]  # fmt: skip
STEPS_2011 = [
    (0, 0), (999, 0), (1000, 2), (1499, 2), (1500, 5), (2000, 8), (2500, 13), (3000, 19), (3500, 27), (4000, 35),
    (4499, 35), (4500, 45), (5200, 45),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "metres", "less"), [("who-2024", *s) for s in STEPS_2024] + [("who-2011", *s) for s in STEPS_2011]
)
def test_each_altitude_step_is_subtracted(table, metres, less):
    label = label_of(read_hb("120", "g/L"), a_subject(altitude_m=metres), table)
    assert label.adjusted_g_per_l == 120 - less
    assert label.altitude_adjusted


@pytest.mark.parametrize(("metres", "less"), [(m, s) for m, s in STEPS_2024 if m % 500 == 0 and m])
def test_the_2024_steps_follow_the_guidelines_continuous_formula(metres, less):
    middle = metres + 250
    assert abs(0.0056384 * middle + 0.0000003 * middle**2 - less) < 0.75


def test_a_woman_at_4373_m_with_138_is_moderately_anaemic():
    label = label_of(read_hb("13.8", "g/dL"), a_subject(age_months=360, altitude_m=4373), "who-2024")
    assert (label.adjusted_g_per_l, label.severity) == (109, Severity.MODERATE)


def test_below_sea_level_nothing_is_subtracted():
    assert label_of(read_hb("104", "g/L"), a_subject(altitude_m=-400)).adjusted_g_per_l == 104


def test_an_unknown_altitude_is_told_as_not_adjusted():
    label = label_of(read_hb("104", "g/L"), a_subject(altitude_m=None))
    assert (label.adjusted_g_per_l, label.altitude_adjusted) == (104, False)


def test_beyond_the_2024_tables_end_there_is_no_criterion():
    label = label_of(read_hb("150", "g/L"), a_subject(altitude_m=5000), "who-2024")
    assert label.anaemic is None
    assert not label.altitude_adjusted


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("value", ["40", "130"])
def test_below_six_months_there_is_no_criterion(table, value):
    label = label_of(read_hb(value, "g/L"), a_subject(age_months=5), table)
    assert (label.severity, label.anaemic) == (None, None)
    assert "6 months" in label.no_criterion


@pytest.mark.parametrize("table", TABLES)
def test_pregnancy_without_trimester_has_no_criterion(table):
    label = label_of(read_hb("70", "g/L"), a_subject(**PREGNANT, altitude_m=0), table)
    assert (label.severity, label.no_criterion) == (None, "pregnant, trimester not given")


@pytest.mark.parametrize("table", TABLES)
def test_pregnancy_without_trimester_below_70_is_severe_all_the_same(table):
    label = label_of(read_hb("69.9", "g/L"), a_subject(**PREGNANT, altitude_m=0), table)
    assert label.severity is Severity.SEVERE


@pytest.mark.parametrize("facts", [{"sex": Sex.UNKNOWN}, {"pregnancy": Pregnancy.UNKNOWN}])
def test_a_grown_up_without_sex_or_without_an_answer_on_pregnancy_has_no_criterion(facts):
    assert label_of(read_hb("115", "g/L"), a_subject(age_months=300, **facts)).anaemic is None


def test_a_table_that_is_not_held_is_refused():
    with pytest.raises(LabelTableUnknown):
        label_of(read_hb("115", "g/L"), a_subject(), "who-1968")


@pytest.mark.parametrize("table", TABLES)
def test_each_table_names_its_source(table):
    assert "WHO" in table_source(table)
