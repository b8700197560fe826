"""The trainer's timer asks whether a release is due, and is told why; question and answer stay on the trail."""

from datetime import timedelta

import pytest

from backend.services.audit import export_audit
from pallor.clock import utc_text
from tests.support.builders import NOON
from tests.support.drift import an_alarm
from tests.support.training import a_learnable, erase, export

# What differs between the dialects, if anything, shows in the tests of snapshots and of drift.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def ask(api, snapshot=None, begun_at=None, **numbers):
    said = {"new_cases": 2, "days": 30} | numbers
    last = {} if snapshot is None else {"snapshot": snapshot, "begun_at": utc_text(begun_at or api.clock.now())}
    response = api.call("POST", "/training/due", "trainer", json=said | last)
    assert response.status_code == 200, response.text
    return response.json


def test_the_first_release_waits_for_enough_cases_and_what_it_was_told_is_on_the_trail(api):
    a_learnable(api, "A-1")
    told = ask(api)
    assert (told["due"], told["eligible"], told["came"], told["went"], told["alarms"]) == (False, 1, 1, 0, [])
    assert told["said"] == "1 cases, and nothing was made here before; 2 are enough"
    a_learnable(api, "A-2")
    assert ask(api)["due"] is True
    rows = [row for row in export_audit(api.parts.database) if row["action"] == "training.ask"]
    assert [row["content"]["new"]["due"] for row in rows] == [False, True]
    assert rows[0]["content"]["reason"] == told["said"]
    assert {row["actor"] for row in rows} == {"test-trainer"}


def test_cases_that_came_or_went_since_the_last_run_are_counted(api):
    a_learnable(api, "A-1")
    snapshot = export(api)
    assert ask(api, snapshot)["due"] is False
    a_learnable(api, "A-2")
    told = ask(api, snapshot)
    assert (told["due"], told["came"], told["went"]) == (False, 1, 0)
    erase(api, "A-1")
    told = ask(api, snapshot)
    assert (told["due"], told["came"]) == (True, 1)


def test_time_alone_makes_nothing_due_and_with_one_new_case_it_does(api):
    a_learnable(api, "A-1")
    snapshot, begun_at = export(api), api.clock.now()
    api.clock.move(days=31)
    assert ask(api, snapshot, begun_at)["due"] is False
    a_learnable(api, "A-2")
    assert ask(api, snapshot, begun_at)["due"] is True


def test_an_alarm_of_drift_that_is_open_makes_it_due_unless_the_last_run_knew_of_it(api):
    a_learnable(api, "A-1")
    snapshot, begun_at = export(api), api.clock.now()
    a_learnable(api, "A-2")
    an_alarm(api, raised_at=begun_at - timedelta(days=1))
    assert ask(api, snapshot, begun_at)["alarms"] == []
    an_alarm(api)
    told = ask(api, snapshot, begun_at)
    assert told["due"] is True
    assert told["alarms"] == ["score site kumasi-1: the mean score went from 0.30 to 0.50"]
    assert "drift was found" in told["said"]


def test_a_snapshot_that_nobody_here_knows_is_as_none(api):
    a_learnable(api, "A-1")
    assert "nothing was made here before" in ask(api, "sha256:" + "0" * 64, NOON)["said"]
