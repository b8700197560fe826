"""Looks are spread over time, rarer while nothing works; files come at their hours."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.rhythm import allows, hours, pause_after

POLL = timedelta(minutes=30)


def test_pauses_grow_with_failures_up_to_six_hours_and_differ_between_nodes():
    assert [pause_after(POLL, failures, 0.5) / POLL for failures in (0, 1, 2, 3, 4, 50)] == [1, 2, 4, 8, 12, 12]
    assert pause_after(POLL, 0, 0.0) == timedelta(minutes=22.5)
    assert pause_after(POLL, 0, 1.0) == timedelta(minutes=37.5)
    assert pause_after(timedelta(days=1), 9, 0.5) == timedelta(days=1)


def test_hours_may_reach_over_midnight():
    at = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in range(24)]
    assert [moment.hour for moment in at if allows(hours("22-5"), moment)] == [0, 1, 2, 3, 4, 22, 23]
    assert [moment.hour for moment in at if allows(hours("9-11"), moment)] == [9, 10]
    assert all(allows(hours("0-24"), moment) for moment in at)


@pytest.mark.parametrize("raw", ["", "5", "5-5", "24-3", "3-25", "a-b", "-", "-3"])
def test_what_are_no_hours_is_told(raw):
    with pytest.raises(ValueError, match="such as 22-5"):
        hours(raw)
