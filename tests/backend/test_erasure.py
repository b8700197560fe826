"""A person is erased: nothing of them is left but that something was erased, and others keep what is theirs."""

import io
import os
import random
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import redis
from PIL import Image
from sqlalchemy import delete, func, select, text, update

from backend.__main__ import main
from backend.db.tables import (
    audit_values,
    cases,
    consents,
    metadata,
    object_claims,
    photos,
    snapshots,
)
from backend.queue import nothing_queued
from backend.services.audit import export_audit, verify_audit
from backend.services.erase import finish_erasures
from backend.services.receive_photo import receive_piece
from backend.services.record_prediction import record_prediction
from backend.services.register_release import register_release
from backend.services.register_snapshot import register_snapshot
from backend.services.submit_case import submit_case
from backend.services.take_away import take_away_objects
from backend.services.take_in_photo import Declaration, Intake
from backend.sweeper import resend_waiting, sweep, write_labels
from pallor.broker import celery_app
from pallor.digest import sha256_of
from pallor.ids import new_id
from pallor.image.decode import Limits
from pallor.messages import RecordPrediction
from pallor.release.shelf import Release
from pallor.store.port import StoreUnavailable
from tests.support.api import the_fault
from tests.support.builders import NOON, a_case, a_manifest, a_prediction
from tests.support.photos import crescent, tissue
from tests.support.synthetic import a_good_png
from tests.support.valkey import Valkey

SUBJECT = "MARK-4711"


def _erase(api, *, erasure_id=None, subject_code=SUBJECT, site="kumasi-1", reason="request", role="admin"):
    body = {"site": site, "subject_code": subject_code, "reason": reason}
    return api.call("PUT", f"/erasures/{erasure_id or new_id()}", role, json=body)


def _sweep(api, times=2):
    for _ in range(times):
        sweep(api.parts.database, api.parts.store, api.clock, api.parts.send, 60)


def _full(api, subject_code=SUBJECT, data=None):
    """A case with a row in every table that can hold one: case id, photo id, result id."""
    case_id, photo_id, result_id = api.put_case(subject_code=subject_code), new_id(), new_id()
    data = data or a_good_png()
    assert api.put_photo(case_id, data, photo_id).status_code == 201
    record_prediction(
        api.parts.database, api.clock,
        RecordPrediction(photo_id, "toy-1", replace(a_prediction(0.8), photo_id=photo_id)), "who-2024",
    )  # fmt: skip
    wrong = api.put_result(case_id, hb={"value": "77.7", "unit": "g/L"}, method="MARK-method").json["result_id"]
    assert api.put_result(case_id, result_id, hb={"value": "98.7", "unit": "g/L"}, supersedes=wrong).status_code == 201
    change = {"changes": {"sore_eye": True}, "reason": "MARK-reason"}
    assert api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change).status_code == 201
    api.put_photo(case_id, data[:100], headers={"Upload-Length": str(len(data))})
    write_labels(api.parts.database, api.parts.store, api.clock)
    return case_id, photo_id, result_id


def _objects(api):
    return list(api.parts.store.keys())


def _everything(api):
    """All that the database can be asked for, as text."""
    with api.parts.database.read() as connection:
        return "\n".join(str(row) for table in metadata.sorted_tables for row in connection.execute(select(table)))


def test_after_an_erasure_no_table_and_no_object_holds_anything_of_the_person(api):
    case_id, _, _ = _full(api)
    assert {key.split("/")[0] for key in _objects(api)} == {"images", "labels"}
    assert all(mark in _everything(api) for mark in (SUBJECT, "98.7", "MARK-reason", "MARK-method"))
    response = _erase(api)
    assert response.status_code == 201
    assert (response.json["cases"], response.json["photos"], response.json["reason"]) == (1, 2, "request")
    left = _everything(api)
    assert not any(mark in left for mark in (SUBJECT, "98.7", "77.7", "MARK-reason", "MARK-method"))
    _sweep(api)
    assert _objects(api) == []
    assert case_id in left  # a tombstone
    verify_audit(api.parts.database)


def test_an_erasure_is_done_when_its_objects_have_gone(api):
    _full(api)
    assert _erase(api).json["done_at"] is None
    _sweep(api)
    (erasure,) = api.get("/erasures")["items"]
    assert erasure["done_at"] is not None


def test_the_same_erasure_again_is_200_whatever_is_said_and_keeps_no_code(api):
    _full(api)
    erasure_id = new_id()
    first = _erase(api, erasure_id=erasure_id)
    again = _erase(api, erasure_id=erasure_id, subject_code="B-2")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    elsewhere = _erase(api, erasure_id=erasure_id, site="school")
    assert the_fault(elsewhere)[:2] == (409, "id-taken")
    rows = [row for row in export_audit(api.parts.database) if row["action"] == "subject.erase"]
    assert len(rows) == 1
    assert SUBJECT not in str(rows)


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"subject_code": "B-2"}, 404, "subject-unknown"),
        ({"site": "tamale-1"}, 404, "subject-unknown"),
        ({"site": "nowhere"}, 422, "site-unknown"),
        ({"reason": "Amina asked for it"}, 422, "request-not-valid"),
        ({"role": "field"}, 403, "role-not-allowed"),
        ({"role": "lab"}, 403, "role-not-allowed"),
    ],
)
def test_an_erasure_that_cannot_be_erases_nothing_and_repeats_no_code(api, said, status, code):
    case_id = api.put_case(subject_code=SUBJECT)
    response = _erase(api, **said)
    assert the_fault(response)[:2] == (status, code)
    assert said.get("subject_code", SUBJECT) not in response.text
    assert api.get(f"/cases/{case_id}")["subject_code"] == SUBJECT


def test_erasures_are_listed_newest_first_page_by_page(api):
    asked = []
    for number in range(3):
        api.put_case(subject_code=f"E-{number}")
        asked.append(_erase(api, subject_code=f"E-{number}").json["erasure_id"])
    page = api.get("/erasures?limit=2")
    rest = api.get(f"/erasures?limit=2&cursor={page['next']}")
    assert [e["erasure_id"] for e in (*page["items"], *rest["items"])] == asked[::-1]
    assert rest["next"] is None


def test_what_comes_late_for_an_erased_case_is_410(api):
    case_id, photo_id, result_id = _full(api)
    said = {"purpose": "care", "given": False, "at": "2026-11-01T13:00:00Z", "wording": "w"}
    change = {"changes": {"sore_eye": True}, "reason": "again"}
    _erase(api)
    late = [
        api.call("GET", f"/cases/{case_id}"),
        api.put_photo(case_id, a_good_png(), photo_id),
        api.put_result(case_id),
        api.call("PUT", f"/cases/{case_id}/consents/{new_id()}", json=said),
        api.call("PUT", f"/cases/{case_id}/amendments/{new_id()}", json=change),
    ]
    assert [the_fault(response)[:2] for response in late] == [(410, "case-erased")] * 5
    with pytest.raises(AssertionError, match="case-erased"):
        api.put_case(case_id, subject_code=SUBJECT)
    assert api.call("GET", f"/lab-results/{result_id}", "admin").status_code == 404


def test_a_late_answer_for_an_erased_photo_is_let_go_and_it_is_not_sent_again(api):
    case_id, photo_id = api.put_case(subject_code=SUBJECT), new_id()
    api.put_photo(case_id, a_good_png(), photo_id)
    _erase(api)
    api.clock.move(seconds=100)
    assert resend_waiting(api.parts.database, api.clock, api.parts.send, 60) == 0
    message = RecordPrediction(photo_id, "toy-1", replace(a_prediction(0.8), photo_id=photo_id))
    assert record_prediction(api.parts.database, api.clock, message, "who-2024") is False


def test_phones_hear_of_it_in_the_feed_of_their_site(api):
    case_id = api.put_case(subject_code=SUBJECT)
    cursor = api.get("/changes")["next"]
    _erase(api)
    (news,) = api.get(f"/changes?cursor={cursor}", "field")["items"]
    assert (news["kind"], news["id"], news["case_id"]) == ("erased", case_id, case_id)
    assert [item["kind"] for item in api.get("/changes")["items"]] == ["erased"]


def test_every_visit_of_the_person_goes_and_nobody_elses(api):
    first, second = api.put_case(subject_code=SUBJECT), api.put_case(subject_code=SUBJECT)
    other, elsewhere = api.put_case(subject_code="B-2"), api.put_case(subject_code=SUBJECT, site="school")
    assert _erase(api).json["cases"] == 2
    statuses = {c: api.call("GET", f"/cases/{c}").status_code for c in (first, second, other, elsewhere)}
    assert statuses == {first: 410, second: 410, other: 200, elsewhere: 200}


def test_a_twin_keeps_its_object_and_loses_the_warning(api):
    data = a_good_png()
    _full(api, data=data)
    twin, photo_id = api.put_case(subject_code="B-2"), new_id()
    assert api.put_photo(twin, data, photo_id).status_code == 201
    api.put_result(twin)
    assert api.get(f"/cases/{twin}")["label"]["withheld"] == ["same-photo-of-another-subject"]
    cursor = api.get("/changes")["next"]
    _erase(api)
    _sweep(api)
    case = api.get(f"/cases/{twin}")
    assert (case["warnings"], case["label"]["withheld"]) == ([], [])
    assert ("photo", photo_id) in [(item["kind"], item["id"]) for item in api.get(f"/changes?cursor={cursor}")["items"]]
    (image,) = api.parts.store.keys("images/")
    assert case["photos"][0]["stored_sha256"].removeprefix("sha256:") in image
    _erase(api, subject_code="B-2")
    _sweep(api)
    assert _objects(api) == []


def _register(api, digest, case_ids):
    with api.parts.database.write() as tx:
        return register_snapshot(api.parts.database, tx, api.clock, digest, case_ids, len(case_ids), by="operator")


def test_snapshots_that_held_a_case_are_incomplete_and_what_learned_from_them_is_named(api):
    case_id, other = api.put_case(subject_code=SUBJECT), api.put_case(subject_code="B-2")
    held, free = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    assert _register(api, held, [case_id, other, other])
    assert _register(api, free, [other])
    assert not _register(api, free, [other])
    for number, digest in enumerate((held, free)):
        manifest = a_manifest(release_id=f"learned-{number}", snapshot_digest=digest)
        register_release(api.parts.database, api.clock, Release(None, manifest, f"sha256:{number}" + "1" * 63), "real")
    answer = _erase(api).json
    assert (answer["snapshots"], answer["releases"]) == ([held], ["learned-0"])
    with api.parts.database.read() as connection:
        marked = {row.digest: row.incomplete_since is not None for row in connection.execute(select(snapshots))}
    assert marked == {held: True, free: False}


def test_a_snapshot_of_a_case_erased_meanwhile_is_incomplete_from_the_start(api):
    case_id = api.put_case(subject_code=SUBJECT)
    _erase(api)
    _register(api, "sha256:" + "a" * 64, [case_id])
    with api.parts.database.read() as connection:
        assert connection.execute(select(snapshots.c.incomplete_since)).scalar() is not None


class _Away:
    """A store that does not answer."""

    def has(self, key):
        raise StoreUnavailable("away")

    def put(self, key, data):
        raise StoreUnavailable("away")


def test_objects_wait_for_a_store_that_is_away(api):
    _full(api)
    _erase(api)
    with pytest.raises(StoreUnavailable):
        take_away_objects(api.parts.database, _Away(), api.clock)
    assert finish_erasures(api.parts.database, api.clock, lambda: True) == 0
    assert _objects(api) != []
    assert take_away_objects(api.parts.database, api.parts.store, api.clock) > 0
    assert finish_erasures(api.parts.database, api.clock, lambda: True) == 1
    assert _objects(api) == []


class _Meanwhile:
    """A store that lets something happen when an object was put, before whoever put it goes on."""

    def __init__(self, store, then):
        self.store, self.then = store, then

    def put(self, key, data):
        self.store.put(key, data)
        self.then(key)


def _take_in(api, store, case_id, data, photo_id=None):
    intake = Intake(api.parts.database, store, api.clock, api.parts.send, Limits(), "who-2024")
    photo = Declaration(case_id, photo_id or new_id(), sha256_of(data), len(data), "image/png", NOON, None)
    return receive_piece(intake, photo, 0, data, by="nurse@test-field")


def test_a_photo_erased_while_it_was_being_stored_leaves_no_object(api):
    case_id = api.put_case(subject_code=SUBJECT)

    def erased_and_swept(key):
        assert _erase(api).status_code == 201
        _sweep(api)
        api.parts.store.put(key, b"as if the first put had ended only now")

    assert _take_in(api, _Meanwhile(api.parts.store, erased_and_swept), case_id, a_good_png()) is False
    assert len(_objects(api)) == 1
    _sweep(api)
    assert _objects(api) == []


def _done_at(api):
    return api.get("/erasures")["items"][0]["done_at"]


def test_a_photo_stored_after_its_erasure_by_a_process_that_then_ends_goes_before_the_erasure_is_done(api):
    case_id = api.put_case(subject_code=SUBJECT)

    def erased_swept_and_ended(key):
        assert _erase(api).status_code == 201
        api.parts.store.delete(key)  # as if the put were still to come
        _sweep(api)
        assert _done_at(api) is None
        api.parts.store.put(key, b"the put ends only now")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _take_in(api, _Meanwhile(api.parts.store, erased_swept_and_ended), case_id, a_good_png())
    _sweep(api)
    assert (_done_at(api), len(_objects(api))) == (None, 1)
    api.clock.move(minutes=16)
    _sweep(api)
    assert _done_at(api) is not None
    assert _objects(api) == []


def test_an_upload_given_up_for_lost_is_taken_in_when_it_is_sent_again(api):
    case_id, data, photo_id = api.put_case(), a_good_png(), new_id()

    def ends(_key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _take_in(api, _Meanwhile(api.parts.store, ends), case_id, data, photo_id)
    api.clock.move(minutes=16)
    _sweep(api)
    assert len(_objects(api)) == 1  # the photo's row says that it will refer to it
    assert _take_in(api, api.parts.store, case_id, data, photo_id) is True
    _sweep(api)
    assert len(_objects(api)) == 1
    with api.parts.database.read() as connection:
        assert connection.execute(select(object_claims)).all() == []


def test_an_erasure_is_not_done_while_the_store_holds_something_half_written(api):
    _full(api)
    half_written = api.parts.store.root / ".incoming" / new_id()
    half_written.write_bytes(b"a photo, cut off")
    _erase(api)
    _sweep(api)
    assert _done_at(api) is None
    an_hour_ago = time.time() - 3600
    os.utime(half_written, (an_hour_ago, an_hour_ago))
    _sweep(api)
    assert _done_at(api) is not None
    assert not half_written.exists()


def test_an_erasure_is_not_done_while_a_queue_holds_messages_or_the_broker_is_away(api):
    _full(api)
    _erase(api)
    parts, server, trial = api.parts, Valkey(), True

    def done():
        sweep(parts.database, parts.store, api.clock, parts.send, 60, lambda: nothing_queued(app, on_trial=trial))
        return _done_at(api) is not None

    with closing(celery_app("erasing", server.url, 60)) as app:
        assert done() is False
        server.start()
        try:
            broker = redis.Redis.from_url(server.url)
            for queue in ("predict", "shadow", "record"):
                app.send_task("x", queue=queue)
                assert done() is False
                broker.delete(queue)
            broker.hset("unacked", "tag", "in somebody's hands")
            assert done() is False
            broker.delete("unacked")
            app.send_task("x", queue="shadow")  # and the trial is over: nobody works it off any more
            trial = False
            assert done() is True
            assert broker.llen("shadow") == 0
            broker.close()
        finally:
            server.stop()


def test_a_warning_tells_each_site_of_its_own_photo_alone_also_when_the_other_is_erased(api):
    first, elsewhere = api.put_case(), a_case(site="tamale-1", subject_code=SUBJECT)
    submit_case(api.parts.database, api.clock, elsewhere, within=None, by="operator")
    own, foreign, data = new_id(), new_id(), a_good_png()
    for case_id, photo_id in ((first, own), (elsewhere.id, foreign)):
        assert _take_in(api, api.parts.store, case_id, data, photo_id) is True
    news = api.get("/changes?limit=200", "field")["items"]
    assert [item["id"] for item in news if item["kind"] == "photo"] == [own, own]
    assert _erase(api, site="tamale-1").status_code == 201
    assert foreign not in str(api.get("/changes?limit=200"))


def test_a_process_that_ends_after_storing_a_photo_leaves_nothing_that_an_erasure_does_not_find(api):
    case_id = api.put_case(subject_code=SUBJECT)

    def ends(_key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _take_in(api, _Meanwhile(api.parts.store, ends), case_id, a_good_png())
    assert len(_objects(api)) == 1
    _erase(api)
    api.clock.move(minutes=16)
    _sweep(api)
    assert _objects(api) == []


def test_a_photo_that_another_sends_while_it_is_taken_away_keeps_its_object(api):
    data = a_good_png()
    _full(api, data=data)
    _erase(api)
    other = api.put_case(subject_code="B-2")
    assert _take_in(api, _Meanwhile(api.parts.store, lambda _key: _sweep(api)), other, data) is True
    assert len(list(api.parts.store.keys("images/"))) == 1


def test_a_label_erased_while_it_was_being_written_leaves_no_object(api):
    api.put_result(api.put_case(subject_code=SUBJECT))

    def erased_and_swept(key):
        assert _erase(api).status_code == 201
        take_away_objects(api.parts.database, api.parts.store, api.clock)
        api.parts.store.put(key, b"as if the first put had ended only now")

    write_labels(api.parts.database, _Meanwhile(api.parts.store, erased_and_swept), api.clock)
    assert len(_objects(api)) == 1
    _sweep(api)
    assert _objects(api) == []


def _upload_with_exif(marker: bytes) -> bytes:
    """A photo whose file carries words beside the picture."""
    exif = Image.Exif()
    exif[0x010E] = marker.decode()
    pixels = tissue(seed=5)
    picture = Image.fromarray(pixels).convert("RGBA")
    picture.putalpha(Image.fromarray((crescent() * 255).astype("uint8")))
    out = io.BytesIO()
    picture.save(out, "PNG", exif=exif)
    return out.getvalue()


def test_sqlites_own_files_hold_nothing_of_the_person_when_the_erasure_is_done(api, database):
    if not database.is_sqlite:
        pytest.skip("a server looks after its files itself (docs/adr/0007)")
    marks = [SUBJECT.encode(), b"MARK-reason", b"MARK-method", b"MARK-exif"]
    _full(api, data=_upload_with_exif(b"MARK-exif"))
    files = _files(database)
    assert all(any(mark in file.read_bytes() for file in files) for mark in marks)
    _erase(api)
    _sweep(api)
    assert not [mark for mark in marks for file in files if mark in file.read_bytes()]
    assert api.get("/erasures")["items"][0]["done_at"] is not None


def test_copies_that_sqlite_left_where_it_moved_rows_are_gone_too(database):
    if not database.is_sqlite:
        pytest.skip("a server looks after its files itself (docs/adr/0007)")
    chance, rows = random.Random(3), []
    with database.write() as tx:
        for number in range(1500):  # so many, of so many lengths, in such disorder that pages split
            id_, code = str(UUID(int=chance.getrandbits(128))), f"MARK{number:05}"
            said = {"site": "kumasi-1", "subject_code": code, "submitted_digest": "x", "received_by": "x"}
            facts = {"code": code, "x": "y" * chance.randint(10, 600)}
            tx.execute(cases.insert().values(id=id_, facts=facts, received_at=NOON, **said))
            rows.append((id_, code))
            if chance.random() < 0.2:
                id_, code = chance.choice(rows)
                facts = {"code": code, "x": "q" * chance.randint(10, 900)}
                tx.execute(update(cases).where(cases.c.id == id_).values(facts=facts))
    gone = chance.sample(rows, 300)
    with database.write() as tx:
        tx.execute(delete(cases).where(cases.c.id.in_([id_ for id_, _ in gone])))
    assert database.scrub()
    left = b"".join(file.read_bytes() for file in _files(database))
    assert [code for _, code in gone if code.encode() in left] == []


def _files(database):
    """SQLite's own, and its log of changes."""
    return [Path(database.engine.url.database + suffix) for suffix in ("", "-wal")]


def test_a_reader_puts_the_end_of_an_erasure_off_and_does_not_stop_it(api, database):
    if not database.is_sqlite:
        pytest.skip("a server looks after its files itself (docs/adr/0007)")
    api.put_case(subject_code=SUBJECT)
    with database.read() as reader:
        reader.execute(select(func.count()).select_from(photos)).all()
        _erase(api)
        _sweep(api, 1)
        assert api.get("/erasures")["items"][0]["done_at"] is None
        api.put_case()  # nobody waits for it
    _sweep(api, 1)
    assert api.get("/erasures")["items"][0]["done_at"] is not None


def test_every_connection_to_sqlite_overwrites_what_it_deletes(database):
    if not database.is_sqlite:
        pytest.skip("SQLite's own setting")
    with database.write() as tx:
        assert tx.execute(text("PRAGMA secure_delete")).scalar() == 1


def test_only_values_of_the_person_leave_the_trail(api):
    case_id = api.put_case(subject_code=SUBJECT)
    api.put_case(subject_code="B-2")
    before = {row["seq"]: row for row in export_audit(api.parts.database)}
    _erase(api)
    with api.parts.database.read() as connection:
        kept = set(connection.execute(select(audit_values.c.seq)).scalars())
    assert set(before) - kept == {seq for seq, row in before.items() if row["case_id"] == case_id}
    assert SUBJECT not in str(list(export_audit(api.parts.database)))


def test_a_withdrawal_at_the_visit_erased_is_gone_with_the_person(api):
    case_id = api.put_case(subject_code=SUBJECT)
    said = {"purpose": "care", "given": False, "at": "2026-11-01T13:00:00Z", "wording": "w"}
    api.call("PUT", f"/cases/{case_id}/consents/{new_id()}", json=said)
    _erase(api)
    with api.parts.database.read() as connection:
        assert connection.execute(select(consents)).all() == []


def test_at_the_shell_a_person_is_erased_and_an_old_note_of_the_trail_still_holds(api, database, monkeypatch, capsys):
    if not database.is_sqlite:
        pytest.skip("a command leaves its connections to the end of its process")
    monkeypatch.setenv("PALLOR_DATABASE_URL", str(database.engine.url))
    case_id = api.put_case(subject_code=SUBJECT)
    assert main(["audit-verify"]) == 0
    said = capsys.readouterr().out.split()
    rows, digest = said[0], said[-1]
    assert main(["subject-erase", "kumasi-1", SUBJECT, "--reason", "request"]) == 0
    assert "1 cases and 0 photos erased" in capsys.readouterr().out
    assert api.call("GET", f"/cases/{case_id}").status_code == 410
    assert main(["subject-erase", "kumasi-1", SUBJECT, "--reason", "request"]) == 2
    assert SUBJECT not in capsys.readouterr().err
    assert main(["audit-verify", "--noted", rows, digest]) == 0
    assert main(["audit-verify", "--noted", rows, "sha256:" + "0" * 64]) == 1
    assert f"row {rows} is not the one that was noted" in capsys.readouterr().err
    assert main(["audit-verify", "--noted", "many", digest]) == 2
