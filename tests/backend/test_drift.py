"""Alarms on record: raised once, by site, told to administrators and the trainer, closed by a person or a snapshot."""

from datetime import timedelta

import numpy as np
import pytest

from backend.services.audit import verify_audit
from backend.services.drift_alarms import list_drift_alarms
from backend.services.read_trail import list_trail
from backend.services.register_snapshot import register_snapshot
from backend.services.watch_drift import watch_drift
from pallor.clock import utc_text
from pallor.ids import new_id
from tests.support.api import OWN, the_fault
from tests.support.builders import NOON
from tests.support.drift import an_alarm, lay_out
from tests.support.prospect import a_known_release

# What differs between the dialects, if anything, shows in the tests without this.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SNAPSHOT = "sha256:" + "5" * 64


@on_sqlite
def test_a_site_whose_camera_changes_is_an_alarm_once_until_somebody_has_seen_it(api):
    moved_at_own(api)
    assert watch(api) == 1
    (alarm,) = api.get("/drift", "admin")["items"]
    named = (alarm["what"], alarm["where"], alarm["place"], alarm["state"])
    assert named == ("embedding", "site", OWN, "open")
    assert alarm["since"] == utc_text(NOON + timedelta(hours=60))
    assert alarm["cases"] == 40
    assert "photos look unlike those before" in alarm["said"]
    assert watch(api) == 0  # nothing new
    lay_out(api.parts.database, *drawn(50, move=1.5), first=NOON + timedelta(hours=100))
    assert watch(api) == 0  # it is open
    assert acknowledge(api, alarm["id"], "a new phone").status_code == 201
    lay_out(api.parts.database, *drawn(30, move=1.5), first=NOON + timedelta(hours=150))
    assert watch(api) == 0  # what was new is usual now
    verify_audit(api.parts.database)


def test_a_calibration_alarm_holds_what_was_said_against_what_was_found(api):
    known(api)
    probability, embedding = drawn(120)
    anaemic = np.arange(120) % 10 < 8
    lay_out(api.parts.database, probability * 0.4, embedding, anaemic=anaemic)
    assert watch(api) == 1
    (alarm,) = api.get("/drift?state=open", "trainer")["items"]
    assert alarm["what"] == "calibration"
    assert alarm["said"].startswith("said 0.")
    assert ", observed 0.8" in alarm["said"]


@on_sqlite
def test_an_alarm_is_acknowledged_once_with_a_note_that_the_trail_keeps(api):
    alarm_id = an_alarm(api)
    assert acknowledge(api, alarm_id, "white balance put right").status_code == 201
    again = acknowledge(api, alarm_id, "me, too")
    assert (again.status_code, again.json["note"]) == (200, "white balance put right")
    assert again.json["state"] == "acknowledged"
    assert api.get("/drift?state=open", "admin")["items"] == []
    trail = list_trail(api.parts.database, 1000, 0)
    seen = [(row.entity_id, row.content["reason"]) for row in trail if row.action == "drift.acknowledge"]
    assert seen == [(alarm_id, "white balance put right")]
    assert the_fault(acknowledge(api, new_id(), "nothing"))[:2] == (404, "not-found")


def test_a_snapshot_that_holds_what_is_new_closes_the_alarm(api):
    known(api)
    ids = lay_out(api.parts.database, *drawn(3))
    elsewhere, here = an_alarm(api, place="tamale-1", since=NOON), an_alarm(api, since=NOON + timedelta(hours=2))
    learn(api, SNAPSHOT, ids[:2])
    assert {row.id for row in list_drift_alarms(api.parts.database, 9) if row.learned_in} == set()
    learn(api, SNAPSHOT.replace("5", "6"), ids)
    states = {item["id"]: item["state"] for item in api.get("/drift", "trainer")["items"]}
    assert states == {elsewhere: "open", here: "learned"}


@on_sqlite
def test_open_alarms_since_a_moment_are_asked_for_page_by_page(api):
    first = an_alarm(api)
    api.clock.move(days=1)
    then, others = utc_text(api.clock.now()), {an_alarm(api, release_id="toy-2"), an_alarm(api)}
    page = api.get(f"/drift?state=open&since={then}&limit=1", "trainer")
    rest = api.get(f"/drift?state=open&since={then}&limit=1&cursor={page['next']}", "trainer")
    assert {page["items"][0]["id"], rest["items"][0]["id"]} == others
    assert rest["next"] is None
    assert [item["id"] for item in api.get("/drift?release_id=toy-1", "admin")["items"]][-1] == first


@on_sqlite
def test_practice_and_few_cases_raise_nothing(api):
    known(api)
    lay_out(api.parts.database, *drawn(60), site="school")
    lay_out(api.parts.database, *drawn(60, move=3.0), site="school", first=NOON + timedelta(hours=60))
    lay_out(api.parts.database, *drawn(20))
    assert watch(api) == 0


def moved_at_own(api):
    known(api)
    probability, embedding = drawn(100, seed=1)
    embedding[60:] += 1.5 * np.r_[np.ones(8), np.zeros(8)]
    lay_out(api.parts.database, probability, embedding)
    lay_out(api.parts.database, *drawn(100, seed=2), site="tamale-1")


def drawn(n, *, seed=7, move=0.0):
    """Scores and embeddings of which nothing depends on anything."""
    rng = np.random.default_rng(seed)
    return rng.beta(2, 3, n), rng.normal(size=(n, 16)) + move * np.r_[np.ones(8), np.zeros(8)]


def known(api):
    a_known_release(api)


def watch(api):
    return watch_drift(api.parts.database, api.clock)


def acknowledge(api, alarm_id, note):
    return api.call("PUT", f"/drift/{alarm_id}/acknowledgement", "admin", json={"note": note})


def learn(api, digest, case_ids):
    with api.parts.database.write() as tx:
        register_snapshot(api.parts.database, tx, api.clock, digest, case_ids, 1, by="trainer")
