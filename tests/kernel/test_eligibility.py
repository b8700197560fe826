"""Which labels may teach, and the reason why each of the others may not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pallor.eligibility import Evidence, withheld_reasons
from pallor.lab import read_hb
from pallor.label import label_of
from tests.support.builders import NOON, a_subject

GOOD = Evidence(
    label=label_of(read_hb("104", "g/L"), a_subject()),
    consent_to_training=True,
    taken_at=NOON,
    captured_at=(NOON,),
    values_g_per_l=("104.0",),
    same_photo_elsewhere=False,
    practice=False,
)


def test_good_evidence_is_eligible():
    assert withheld_reasons(GOOD) == ()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"consent_to_training": False}, "no-consent-to-training"),
        ({"label": label_of(read_hb("104", "g/L"), a_subject(age_months=3))}, "no-criterion"),
        ({"captured_at": ()}, "no-usable-photo"),
        ({"taken_at": NOON + timedelta(hours=48, seconds=1)}, "specimen-too-far-from-photo"),
        ({"taken_at": NOON - timedelta(hours=48, seconds=1)}, "specimen-too-far-from-photo"),
        ({"practice": True}, "practice-site"),
        ({"same_photo_elsewhere": True}, "same-photo-of-another-subject"),
        ({"values_g_per_l": ("104.0", "121.0")}, "conflicting-values"),
    ],
)
def test_each_doubt_withholds_by_name(facts, reason):
    assert withheld_reasons(replace(GOOD, **facts)) == (reason,)


def test_48_hours_are_near_enough():
    assert withheld_reasons(replace(GOOD, taken_at=NOON + timedelta(hours=48))) == ()


def test_the_same_value_twice_is_no_conflict():
    assert withheld_reasons(replace(GOOD, values_g_per_l=("104.0", "104.0"))) == ()
