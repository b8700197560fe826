"""What of consent stands: the latest word, in doubt the withdrawal, and no training without care."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallor.consent import Consent, Consents, Purpose, Statement, given_from, stands, withdrawn_from
from tests.support.builders import NOON

DAY = timedelta(days=1)
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
    assert given_from(NOON + DAY, NOON, withdrawn=None) == NOON
    assert withdrawn_from(NOON + DAY, NOON, given=NOON - DAY) == NOON


def test_a_yes_by_a_clock_that_is_ahead_answers_no_withdrawal_on_record():
    assert given_from(NOON + DAY, NOON, withdrawn=NOON - DAY) == NOON - DAY
    assert given_from(NOON + timedelta(minutes=5), NOON, withdrawn=NOON - DAY) == NOON  # no two clocks agree
    assert given_from(NOON - 2 * DAY, NOON, withdrawn=NOON - DAY) == NOON - 2 * DAY


def test_a_withdrawal_older_than_what_it_withdraws_counts_from_its_receipt():
    assert withdrawn_from(NOON - 900 * DAY, NOON, given=NOON - DAY) == NOON
    assert withdrawn_from(NOON - DAY, NOON, given=NOON - DAY) == NOON - DAY


def test_consents_come_back_from_json():
    care, training = Consent(NOON, "care-en-1"), Consent(NOON + timedelta(minutes=1), "training-en-2")
    for consents in (Consents(care), Consents(care, training)):
        assert Consents.from_json(consents.to_json()) == consents
    assert list(Consents(care).given()) == [CARE]
