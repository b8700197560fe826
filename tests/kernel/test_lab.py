"""Haemoglobin: the unit named, the value kept as reported, look-alikes refused by name."""

from decimal import Decimal

import pytest

from pallor.errors import Refused
from pallor.lab import (
    HbImplausible,
    HbNotANumber,
    HbOnlyABound,
    HbUnitMissing,
    HbUnitUnknown,
    LoincUnitMismatch,
    NotHaemoglobin,
    Performer,
    Specimen,
    SpecimenContradicted,
    counts_for_clearance,
    read_hb,
    read_specimen,
)
from pallor.lab_codes import GRAMS_PER_LITRE, LOINC_CLASS, LOOK_ALIKES, SYNONYMS


@pytest.mark.parametrize(
    ("value", "unit", "g_per_l"),
    [
        ("104", "g/L", "104.0"),
        ("10.4", "g/dL", "104.0"),
        ("6.5", "mmol/L", "104.74"),
        (10.4, "g/dL", "104.0"),
        (130, "g/L", "130.0"),
    ],
)
def test_a_value_becomes_grams_per_litre(value, unit, g_per_l):
    assert read_hb(value, unit).g_per_l == Decimal(g_per_l)


def test_the_value_is_kept_as_it_was_written():
    hb = read_hb("10.40", "g/dL")
    assert (hb.value, hb.unit) == ("10.40", "g/dL")


def test_the_size_never_decides_the_unit():
    """The same digits in another unit are another value or a refusal, never a correction."""
    assert read_hb("20", "g/dL").g_per_l == 200
    assert read_hb("20", "g/L").g_per_l == 20


@pytest.mark.parametrize(
    ("value", "unit", "loinc", "error", "field", "shown"),
    [
        ("12.1", None, None, HbUnitMissing, "hb.unit", "nothing"),
        ("12.1", " ", None, HbUnitMissing, "hb.unit", " "),
        ("12.1", "mg/dL", None, HbUnitUnknown, "hb.unit", "mg/dL"),
        ("12.1", "G/L", None, HbUnitUnknown, "hb.unit", "G/L"),
        ("12.1", "gm/DL", None, HbUnitUnknown, "hb.unit", "gm/DL"),
        ("12.1", " g/dL", None, HbUnitUnknown, "hb.unit", " g/dL"),
        ("130", "g/dL", None, HbImplausible, "hb.value", "130 g/dL"),
        ("1.2", "g/dL", None, HbImplausible, "hb.value", "1.2 g/dL"),
        ("NaN", "g/dL", None, HbNotANumber, "hb.value", "NaN"),
        ("Infinity", "g/dL", None, HbNotANumber, "hb.value", "Infinity"),
        ("<7", "g/dL", None, HbOnlyABound, "hb.value", "<7"),
        (">= 20", "g/dL", None, HbOnlyABound, "hb.value", ">= 20"),
        ("1.1", "mmol/L", None, HbImplausible, "hb.value", "1.1 mmol/L"),
        ("1e1", "g/dL", None, HbNotANumber, "hb.value", "1e1"),
        ("-10", "g/dL", None, HbNotANumber, "hb.value", "-10"),
        ("10,4", "g/dL", None, HbNotANumber, "hb.value", "10,4"),
        ("\u0661\u0662", "g/dL", None, HbNotANumber, "hb.value", "\u0661\u0662"),
        ("6.1", "g/dL", "4548-4", NotHaemoglobin, "loinc", "4548-4"),
        ("6.1", "g/dL", "1234-5", NotHaemoglobin, "loinc", "1234-5"),
        ("6.1", "mmol/L", "718-7", LoincUnitMismatch, "loinc", "718-7"),
        ("12.1", "g/dL", "59260-0", LoincUnitMismatch, "loinc", "59260-0"),
    ],
)
def test_what_is_not_a_haemoglobin_is_refused_with_field_value_and_remedy(value, unit, loinc, error, field, shown):
    with pytest.raises(error) as refusal:
        read_hb(value, unit, loinc)
    assert isinstance(refusal.value, Refused)
    assert (refusal.value.field, refusal.value.value) == (field, shown)
    assert refusal.value.remedy


def test_hba1c_is_refused_by_name():
    with pytest.raises(NotHaemoglobin, match="HbA1c"):
        read_hb("6.1", "g/dL", "4548-4")


def test_a_value_in_the_wrong_unit_is_told_which_unit_would_fit():
    with pytest.raises(HbImplausible) as refusal:
        read_hb("130", "g/dL")
    assert "g/L" in refusal.value.remedy


@pytest.mark.parametrize("unit", SYNONYMS)
def test_a_spelling_that_is_listed_is_read_and_kept_as_it_was_written(unit):
    code = SYNONYMS[unit]
    value = {"g/L": "104", "g/dL": "10.4", "mmol/L": "6.45"}[code]
    hb = read_hb(value, unit)
    assert (hb.unit, hb.g_per_l) == (unit, read_hb(value, code).g_per_l)


def test_what_another_unit_could_be_meant_by_is_not_in_the_table():
    """Giga per litre counts cells; nothing is read by folding its case."""
    assert not {"G/L", "G/l", "mg/dL", "g", "%", "mmol", "mM"} & (SYNONYMS.keys() | GRAMS_PER_LITRE.keys())


def test_no_look_alike_is_also_haemoglobin():
    assert not LOOK_ALIKES.keys() & LOINC_CLASS.keys()


@pytest.mark.parametrize("loinc", LOOK_ALIKES)
def test_each_look_alike_is_refused_by_its_name(loinc):
    with pytest.raises(NotHaemoglobin, match=LOOK_ALIKES[loinc].split(",")[0]):
        read_hb("12.1", "g/dL", loinc)


@pytest.mark.parametrize(("g_per_l", "seldom"), [("39.9", True), ("40", False), ("200", False), ("200.1", True)])
def test_what_few_people_have_is_marked(g_per_l, seldom):
    assert read_hb(g_per_l, "g/L").seldom is seldom


def test_a_code_names_the_blood_where_nobody_else_does():
    assert read_specimen(Specimen.UNKNOWN, "30352-9") is Specimen.CAPILLARY
    assert read_specimen(Specimen.UNKNOWN, "30350-3") is Specimen.VENOUS
    assert read_specimen(Specimen.CAPILLARY, "718-7") is Specimen.CAPILLARY
    with pytest.raises(SpecimenContradicted):
        read_specimen(Specimen.VENOUS, "30352-9")


def test_only_venous_blood_on_an_analyser_helps_to_clear_a_release():
    clears = [(s, p) for s in Specimen for p in Performer if counts_for_clearance(s, p)]
    assert clears == [(Specimen.VENOUS, Performer.LABORATORY)]
