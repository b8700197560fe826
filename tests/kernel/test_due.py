"""A timer makes a release when enough came in, and after a while for less."""

from datetime import UTC, datetime, timedelta

from pallor.due import is_due

MADE = datetime(2026, 11, 1, tzinfo=UTC)
OLD = {f"case-{i}" for i in range(50)}


def test_the_first_waits_for_enough_as_every_other_does():
    assert not is_due(OLD, None, None, MADE, new_cases=51, days=0).due
    assert is_due(OLD, None, None, MADE, new_cases=50, days=30).due


def test_enough_new_cases_make_it_due_at_once():
    assert not told(OLD | {"a", "b"}).due
    assert told(OLD | {"a", "b", "c"}).due


def test_cases_that_were_taken_away_count_as_well():
    assert told(set(list(OLD)[:-3])).due


def test_after_the_days_one_changed_case_is_enough_and_none_is_not():
    assert told(OLD | {"a"}, days_later=30).due
    assert not told(OLD | {"a"}, days_later=29).due
    assert not told(OLD, days_later=300).due


def test_it_says_how_much_is_missing():
    assert told(OLD | {"a"}).said == (
        "1 cases came or went since 2026-11-01; due at 3, or at one after 30 days or with an alarm of drift"
    )


def test_an_alarm_of_drift_makes_it_due_at_once_where_there_is_anything_new_to_learn_from():
    found = told(OLD | {"a"}, alarms=["site-8: scores moved"])
    assert found.due
    assert found.said == "1 cases came or went since 2026-11-01, and drift was found: site-8: scores moved"
    assert not told(OLD, alarms=["site-8: scores moved"]).due


def told(cases, days_later=1, alarms=()):
    return is_due(cases, OLD, MADE, MADE + timedelta(days=days_later), new_cases=3, days=30, alarms=alarms)
