"""What of consent stands: the latest word, in doubt the withdrawal, and no training without care."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallor.consent import Consent, Consents, Purpose, Statement, counts_from, stands
from tests.support.builders import NOON

CARE, TRAINING = Purpose.CARE, Purpose.TRAINING


def _said(*words: tuple[Purpose, bool, int]) -> list[Statement]:
    return [Statement(purpose, yes, NOON + timedelta(minutes=minute)) for purpose, yes, minute in words]


@pytest.mark.parametrize(
    ("words", "care", "training"),
    [
        ((), False, False),
        (((CARE, True, 0),), True, False),
        (((CARE, True, 0), (TRAINING, True, 0)), True, True),
        (((CARE, True, 0), (TRAINING, True, 0), (TRAINING, False, 1)), True, False),
        (((CARE, True, 0), (TRAINING, True, 0), (CARE, False, 1)), False, False),
        (((CARE, True, 1), (CARE, False, 1)), False, False),
        (((CARE, True, 2), (CARE, False, 1)), True, False),
        (((CARE, True, 0), (TRAINING, True, 0), (CARE, False, 1), (CARE, True, 2)), True, False),
        (((CARE, True, 0), (TRAINING, True, 0), (CARE, False, 1), (TRAINING, True, 2)), False, False),
        (((CARE, True, 0), (CARE, False, 1), (CARE, True, 2), (TRAINING, True, 3)), True, True),
    ],
)
def test_what_stands_in_whatever_order_it_is_heard(words, care, training):
    for heard in permutations(_said(*words)):
        assert (stands(CARE, heard), stands(TRAINING, heard)) == (care, training)


@given(
    st.lists(st.tuples(st.sampled_from(Purpose), st.booleans(), st.integers(0, 5)), max_size=6),
    st.sampled_from(Purpose),
)
def test_a_withdrawal_after_everything_else_always_wins(words, purpose):
    said = _said(*words)
    assert not stands(purpose, [*said, *_said((purpose, False, 5))])


def test_a_phones_clock_that_is_ahead_lends_a_statement_no_weight():
    assert counts_from(NOON + timedelta(days=1), NOON, given=True) == NOON


def test_a_withdrawal_by_a_clock_that_is_behind_counts_from_the_consent_on():
    assert counts_from(NOON - timedelta(days=900), NOON, given=False, first_given=NOON) == NOON
    assert counts_from(NOON - timedelta(days=900), NOON, given=True, first_given=NOON) == NOON - timedelta(days=900)


def test_consents_come_back_from_json():
    care, training = Consent(NOON, "care-en-1"), Consent(NOON + timedelta(minutes=1), "training-en-2")
    for consents in (Consents(care), Consents(care, training)):
        assert Consents.from_json(consents.to_json()) == consents
    assert list(Consents(care).given()) == [CARE]
