"""What may teach a model is frozen for the trainer, and nothing of it outlives an erasure."""

import gzip
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from backend.app import create_app
from backend.db.tables import audit, deployment, labels, object_claims, photos, snapshot_cases, snapshots
from backend.services import export_snapshot as exporting
from backend.services.export_snapshot import SnapshotOvertaken, export_snapshot
from backend.sweeper import sweep
from pallor.ids import new_id
from pallor.snapshot import LabelledPhoto, SnapshotMissing, read_snapshot, snapshot_key
from pallor.store.port import StoreUnavailable
from tests.support.api import the_fault
from tests.support.builders import a_consent_body
from tests.support.synthetic import a_good_png
from tests.support.training import a_learnable, erase, export, lines_of


def test_a_line_says_what_the_newest_label_says_and_whose_it_is_in_no_word(api):
    case = a_learnable(api, "MARK-4711")
    digest = export(api)
    (line,) = read_snapshot(api.parts.store, digest)
    label = api.get(f"/cases/{case.case_id}")["label"]
    assert line == LabelledPhoto(
        photo=case.photo,
        case_id=case.case_id,
        label_id=label["label_id"],
        subject=line.subject,
        site="kumasi-1",
        device="test-field",
        captured_at="2026-11-01T12:00:00.000Z",
        age_months=30,
        sex="female",
        hb_g_per_l="104.0",
        severity="mild",
        anaemic=True,
        label_table="who-2024",
        world="real",
        source="pallor",
    )
    assert b"MARK-4711" not in gzip.decompress(api.parts.store.get(snapshot_key(digest)))


def test_a_pseudonym_is_equal_for_one_person_alone_and_another_in_another_deployment(api):
    first, again = a_learnable(api, "A-1"), a_learnable(api, "a-1")
    other = a_learnable(api, "A-2")
    lines = lines_of(api, export(api))
    subjects = [lines[case.case_id].subject for case in (first, again, other)]
    assert subjects[0] == subjects[1] != subjects[2]
    with api.parts.database.write() as tx:
        tx.execute(update(deployment).values(pseudonym_key="0" * 64))
    assert lines_of(api, export(api))[first.case_id].subject != subjects[0]


def test_a_haemoglobin_that_the_altitude_takes_away_whole_teaches_nobody(api):
    learnable = a_learnable(api, "A-1")
    dying = a_learnable(api, "A-2", subject={"age_months": 30, "sex": "female", "altitude_m": 4700}, hb="2.5")
    assert api.get(f"/cases/{dying.case_id}")["label"]["severity"] == "severe"
    assert lines_of(api, export(api)).keys() == {learnable.case_id}


def test_the_same_labels_are_the_same_snapshot_and_the_second_time_200(api):
    a_learnable(api, "A-1")
    first = api.call("POST", "/snapshots", "trainer", json={})
    again = api.call("POST", "/snapshots", "trainer", json={})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert (first.json["photos"], first.json["cases"], first.json["world"]) == (1, 1, "real")
    assert (first.json["made_by"], first.json["incomplete_since"]) == ("test-trainer", None)
    with api.parts.database.read() as connection:
        told = select(func.count()).where(audit.c.action == "snapshot.export")
        assert connection.execute(told).scalar() == 1


def test_what_is_withheld_is_in_no_snapshot(api):
    good = a_learnable(api, "A-1")
    a_learnable(api, "A-2", consent=a_consent_body(training=False))
    a_learnable(api, "A-3", site="school")
    conflicting = a_learnable(api, "A-4")
    api.put_result(conflicting.case_id, hb={"value": "8.0", "unit": "g/dL"})
    api.put_photo(api.put_case(subject_code="A-5"), a_good_png(seed=77))
    assert set(lines_of(api, export(api))) == {good.case_id}


def test_every_photo_near_the_specimen_is_a_line_and_none_far_from_it(api):
    case = a_learnable(api, "A-1")
    second = api.put_photo(case.case_id, a_good_png(seed=1), query={"captured_at": "2026-11-01T13:30:00Z"}).json
    far = {"captured_at": "2026-10-20T12:00:00Z"}
    assert api.put_photo(case.case_id, a_good_png(seed=2), query=far).status_code == 201
    lines = read_snapshot(api.parts.store, export(api))
    assert {line.photo for line in lines} == {case.photo, second["stored_sha256"]}


def test_a_photo_that_was_sent_twice_for_a_case_is_one_line(api):
    data = a_good_png(seed=3)
    case = a_learnable(api, "A-1", data=data)
    assert api.put_photo(case.case_id, data).status_code == 201
    assert len(read_snapshot(api.parts.store, export(api))) == 1


def test_a_browser_is_no_device(api):
    a_learnable(api, "A-1")
    with api.parts.database.write() as tx:
        tx.execute(update(photos).values(declared_by="nurse@browser-3f2a90c1"))
    (line,) = read_snapshot(api.parts.store, export(api))
    assert line.device == ""


def test_a_corrected_value_makes_another_snapshot_with_the_newest_label(api):
    case = a_learnable(api, "A-1")
    before = export(api)
    with api.parts.database.read() as connection:
        (old,) = connection.execute(select(labels.c.record)).scalars()
    correction = {"hb": {"value": "13.1", "unit": "g/dL"}, "supersedes": old["lab_result_id"]}
    assert api.put_result(case.case_id, **correction).status_code == 201
    after = export(api)
    assert after != before
    line = lines_of(api, after)[case.case_id]
    assert (line.hb_g_per_l, line.anaemic, line.label_id != old["id"]) == ("131.0", False, True)


def test_the_haemoglobin_is_the_one_that_the_label_follows_from(api):
    case = a_learnable(api, "A-1", subject={"age_months": 30, "sex": "female", "altitude_m": 2600})
    line = lines_of(api, export(api))[case.case_id]
    assert (line.hb_g_per_l, line.severity) == ("86.0", "moderate")  # 104.0 g/L as it was measured


def test_withdrawn_consent_keeps_a_case_out_of_the_next_snapshot(api):
    case, stays = a_learnable(api, "A-1"), a_learnable(api, "A-2")
    export(api)
    said = {"purpose": "training", "given": False, "at": "2026-11-01T13:00:00Z", "wording": "training-en-1"}
    assert api.call("PUT", f"/cases/{case.case_id}/consents/{new_id()}", json=said).status_code == 201
    assert set(lines_of(api, export(api))) == {stays.case_id}


def test_labels_follow_the_table_that_is_used_now(api):
    a_learnable(api, "A-1")
    other = _with(api, label_table="who-2011")
    (line,) = read_snapshot(api.parts.store, export(other))
    assert line.label_table == "who-2011"
    assert export(other, 200)


def test_a_synthetic_deployment_says_so_in_each_line(api):
    with api.parts.database.write() as tx:
        tx.execute(update(deployment).values(world="synthetic"))
    a_learnable(api, "A-1")
    (line,) = read_snapshot(api.parts.store, export(api))
    assert (line.world, line.source) == ("synthetic", "pallor")


def test_nothing_to_learn_from_is_told_and_leaves_nothing(api):
    assert the_fault(api.call("POST", "/snapshots", "trainer", json={}))[:2] == (409, "nothing-eligible")
    assert api.get("/snapshots")["items"] == []
    assert list(api.parts.store.keys("snapshots/")) == []


def test_snapshots_are_listed_newest_first_page_by_page(api):
    made = []
    for number in range(3):
        a_learnable(api, f"A-{number}")
        made.append(export(api))
    page = api.get("/snapshots?limit=2", "trainer")
    rest = api.get(f"/snapshots?limit=2&cursor={page['next']}")
    assert [item["digest"] for item in (*page["items"], *rest["items"])] == made[::-1]
    assert rest["next"] is None


def test_an_erasure_takes_a_snapshot_away_and_the_next_one_lacks_the_person(api):
    gone, stays = a_learnable(api, "MARK-1"), a_learnable(api, "A-2")
    held = export(api)
    assert erase(api, "MARK-1")["snapshots"] == [held]
    _sweep(api)
    with pytest.raises(SnapshotMissing, match="somebody in it was erased"):
        read_snapshot(api.parts.store, held)
    (item,) = api.get("/snapshots")["items"]
    assert item["incomplete_since"] is not None
    assert _done(api)
    fresh = export(api)
    assert set(lines_of(api, fresh)) == {stays.case_id} != {gone.case_id}
    _sweep(api)
    assert read_snapshot(api.parts.store, fresh)


def test_a_snapshot_without_the_person_is_not_touched(api):
    a_learnable(api, "A-1")
    before = export(api)
    a_learnable(api, "MARK-1")
    held = export(api)
    erase(api, "MARK-1")
    _sweep(api)
    assert [key.split("/")[1] for key in api.parts.store.keys("snapshots/")] == [before.removeprefix("sha256:")]
    assert export(api, 200) == before != held


class _Meanwhile:
    """A store that lets something happen when an object was put, before whoever put it goes on."""

    def __init__(self, store, then):
        self.store, self.then = store, then

    def put(self, key, data):
        self.store.put(key, data)
        self.then(key)


def _export(api, store):
    return export_snapshot(api.parts.database, store, api.clock, "who-2024", by="test-trainer")


def test_somebody_erased_while_the_snapshot_was_being_stored_leaves_no_object(api):
    a_learnable(api, "MARK-1")
    a_learnable(api, "A-2")

    def erased_and_swept(key):
        erase(api, "MARK-1")
        _sweep(api)
        assert not _done(api)
        api.parts.store.put(key, b"as if the first put had ended only now")

    with pytest.raises(SnapshotOvertaken):
        _export(api, _Meanwhile(api.parts.store, erased_and_swept))
    _sweep(api)
    assert _snapshots_in_store(api) == []
    assert _done(api)
    export(api)


def test_somebody_erased_while_the_lines_were_read_leaves_nothing_on_record(api, monkeypatch):
    a_learnable(api, "MARK-1")
    a_learnable(api, "A-2")
    digest_of, called = exporting.digest_of_snapshot, []

    def erased_first(lines):
        if not called:
            called.append(erase(api, "MARK-1"))
        return digest_of(lines)

    monkeypatch.setattr(exporting, "digest_of_snapshot", erased_first)
    response = api.call("POST", "/snapshots", "trainer", json={})
    assert (response.status_code, response.json["code"]) == (503, "snapshot-overtaken")
    with api.parts.database.read() as connection:
        for table in (snapshots, snapshot_cases, object_claims):
            assert connection.execute(select(table)).all() == []
    assert _snapshots_in_store(api) == []
    assert export(api)


def test_a_process_that_ends_while_it_stores_leaves_nothing_that_an_erasure_does_not_find(api):
    a_learnable(api, "MARK-1")

    def ends(_key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _export(api, _Meanwhile(api.parts.store, ends))
    erase(api, "MARK-1")
    _sweep(api)
    assert not _done(api)  # the object may be yet to come
    api.clock.move(minutes=16)
    _sweep(api)
    assert (_snapshots_in_store(api), _done(api)) == ([], True)


def test_an_export_that_never_stored_its_snapshot_is_made_good_by_the_next(api):
    a_learnable(api, "A-1")

    class Away:
        def put(self, _key, _data):
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        _export(api, Away())
    api.clock.move(minutes=16)
    _sweep(api)
    assert read_snapshot(api.parts.store, export(api, 200))
    _sweep(api)
    assert len(_snapshots_in_store(api)) == 1


def _with(api, **settings):
    """The same deployment, started anew with other settings."""
    parts = replace(api.parts, settings=replace(api.parts.settings, **settings))
    return replace(api, app=create_app(parts), parts=parts)


def _sweep(api):
    for _ in range(2):
        sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)


def _done(api):
    return api.get("/erasures")["items"][0]["done_at"] is not None


def _snapshots_in_store(api):
    return list(api.parts.store.keys("snapshots/"))
