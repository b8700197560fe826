"""The facts of a visit: what cannot be, what was amended, what differs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallor.case import (
    AmendmentEmpty,
    Case,
    Status,
    SubjectCodeUnfit,
    amended,
    check_subject_code,
    differences,
    status_of,
)
from pallor.subject import (
    AltitudeSource,
    BirthInFuture,
    Pregnancy,
    Sex,
    Smoking,
    Subject,
    SubjectImplausible,
    age_from_birth_month,
    trimester_at,
)
from tests.support.builders import NOON, a_case, a_subject


def test_a_case_survives_the_trip_through_json():
    case = a_case(sore_eye=True)
    assert Case.from_json(case.to_json()) == case


def test_the_digest_depends_on_the_facts_alone():
    case = a_case()
    assert Case.from_json(case.to_json()).digest() == case.digest()
    assert a_case(id=case.id, sore_eye=True).digest() != case.digest()


def test_differences_are_named_down_to_the_fact():
    case = a_case()
    other = amended(case, {"subject": {"altitude_m": 900}, "sore_eye": True})
    assert differences(case.to_json(), other.to_json()) == ["sore_eye", "subject.altitude_m"]


def test_an_amendment_that_changes_nothing_is_refused():
    case = a_case()
    with pytest.raises(AmendmentEmpty):
        amended(case, {"subject": {"age_months": case.subject.age_months}})


def test_an_amendment_cannot_make_a_case_impossible():
    with pytest.raises(SubjectImplausible):
        amended(a_case(), {"subject": {"pregnancy": "yes"}})


@pytest.mark.parametrize("code", ["Amina Mensah", "Amina", "", "a" * 40 + "1", "A/1", "-1"])
def test_what_could_be_a_name_is_no_subject_code_and_is_not_repeated(code):
    with pytest.raises(SubjectCodeUnfit) as refusal:
        check_subject_code(code)
    assert code == "" or code not in str(refusal.value)


@pytest.mark.parametrize("code", ["A-017", "1", "kumasi.0042", "GH_12-3"])
def test_codes_from_cards_pass_in_upper_case(code):
    """``a-017`` and ``A-017`` are one card: otherwise half of a person could be erased, and half stay."""
    assert check_subject_code(code) == code.upper()


def test_age_counts_completed_months():
    assert age_from_birth_month("2024-05", NOON) == 30
    assert age_from_birth_month("2026-11", NOON) == 0


def test_a_birth_after_the_visit_is_refused():
    with pytest.raises(BirthInFuture) as refusal:
        age_from_birth_month("2026-12", NOON)
    assert (refusal.value.field, refusal.value.value) == ("subject.birth_month", "2026-12")


@pytest.mark.parametrize("month", ["2024-13", "2024", "24-05", "2024-5", "May 2024"])
def test_what_is_not_a_month_is_refused(month):
    with pytest.raises(SubjectImplausible):
        age_from_birth_month(month, NOON)


@pytest.mark.parametrize(
    "facts",
    [
        {"age_months": -1}, {"age_months": 1441}, {"trimester": 2}, {"altitude_m": 6000}, {"altitude_m": -600},
        {"pregnancy": Pregnancy.YES}, {"age_months": 300, "sex": Sex.MALE, "pregnancy": Pregnancy.YES},
        {"age_months": 300, "pregnancy": Pregnancy.YES, "trimester": 4},
        {"age_months": 300, "pregnancy": Pregnancy.YES, "trimester": 1, "pregnancy_weeks": 14},
        {"age_months": 300, "pregnancy": Pregnancy.YES, "pregnancy_weeks": 20}, {"pregnancy_weeks": 20},
        {"age_months": 300, "pregnancy": Pregnancy.YES, "trimester": 3, "pregnancy_weeks": 45},
        {"age_months": 179, "smoking": Smoking.NO}, {"altitude_source": AltitudeSource.RESIDENCE},
    ],
)  # fmt: skip
def test_facts_that_cannot_all_be_true_are_refused(facts):
    with pytest.raises(SubjectImplausible):
        Subject(**{"age_months": 30, "sex": Sex.FEMALE, **facts})


@pytest.mark.parametrize(("weeks", "trimester"), [(0, 1), (13, 1), (14, 2), (27, 2), (28, 3), (42, 3)])
def test_the_trimester_follows_from_the_weeks(weeks, trimester):
    assert trimester_at(weeks) == trimester
    Subject(300, Sex.FEMALE, Pregnancy.YES, trimester, pregnancy_weeks=weeks)


def test_what_came_to_be_asked_later_changes_no_digest_of_a_case_that_does_not_say_it():
    case = a_case()
    assert not {"smoking", "pregnancy_weeks", "altitude_source"} & case.to_json()["subject"].keys()
    assert "specimen_barcode" not in case.to_json()
    said = replace(
        case, specimen_barcode="T-1", subject=a_subject(altitude_m=200, altitude_source=AltitudeSource.RESIDENCE)
    )
    assert said.digest() != case.digest()
    assert Case.from_json(said.to_json()) == said


def test_an_altitude_that_is_forgotten_takes_its_source_along():
    case = a_case(subject=a_subject(altitude_m=200, altitude_source=AltitudeSource.LIVES_AT_SITE))
    assert amended(case, {"subject": {"altitude_m": None}}).subject.altitude_source is None


@given(st.booleans(), st.booleans(), st.integers(0, 4), st.integers(0, 2))
def test_a_laboratory_value_confirms_whatever_happened_before(confirmed, scored, refused, waiting):
    status = status_of(confirmed=confirmed, scored=scored, refused_photos=refused, waiting_photos=waiting)
    assert (status is Status.CONFIRMED) == confirmed
