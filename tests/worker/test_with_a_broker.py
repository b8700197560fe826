"""A real worker process on a real Valkey server: what is sent is answered, whoever dies in between."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Producer

from benchmarks.serve.bench import processes_below
from pallor.digest import sha256_of
from pallor.ids import new_id
from pallor.image.decode import encode
from pallor.messages import PredictCase
from pallor.release.serving import served
from pallor.release.shelf import CURRENT
from tests.support.clinic import A_WHILE, VISIBILITY_SECONDS, Clinic
from tests.support.releases import plain_photo
from tests.support.valkey import Valkey


def test_photos_are_answered_and_the_worker_says_that_it_is_ready(clinic: Clinic) -> None:
    sent = [clinic.send(clinic.stored(green)) for green in range(60, 70)]
    answers = clinic.answers(sent)
    assert all(a.prediction is not None and a.release_id == "tiny-1" for a in answers.values())
    assert len({a.prediction.probability for a in answers.values() if a.prediction}) == 10
    report = clinic.report()
    assert (report.release_id, report.engine_flavour, report.fault) == ("tiny-1", "onnxruntime-cpu", None)
    assert report.max_difference is not None


def test_when_what_serves_was_taken_back_nothing_answers_until_something_else_may(clinic: Clinic) -> None:
    clinic.answers([clinic.send(clinic.stored(90))])
    clinic.shelf.let(CURRENT, None)
    clinic.wait_for_log("a process has ended")
    waiting = clinic.send(clinic.stored(91))
    assert clinic.answers([], seconds=1) == {}
    clinic.activate("tiny-2", bias=1.0)
    assert clinic.answers([waiting])[waiting].release_id == "tiny-2"


def test_a_photo_that_is_no_photo_is_refused_and_the_next_is_answered(clinic: Clinic) -> None:
    bad, good = clinic.send(clinic.stored_bytes(b"no photo")), clinic.send(clinic.stored(90))
    answers = clinic.answers([bad, good])
    assert answers[bad].refusal == "photo-format-unknown"
    assert answers[good].prediction is not None


def test_messages_that_nobody_can_read_are_put_aside(clinic: Clinic) -> None:
    clinic.send_raw(PredictCase.NAME, {"payload": {"photo_id": "x"}})
    clinic.send_raw(PredictCase.NAME, {"payload": None})
    clinic.send_raw(PredictCase.NAME, {"payload": PredictCase(*[new_id()] * 2, sha256_of(b""), "../x").to_payload()})
    clinic.send_raw(PredictCase.NAME, {"nothing": "expected"})
    clinic.send_raw("pallor.no_such_task", {})
    with Connection(clinic.valkey.url) as connection:
        producer = Producer(connection.channel())
        producer.publish(b"\x80\x04.", content_type="application/x-python-serialize", routing_key=PredictCase.QUEUE)
        producer.publish("not json", content_type="application/json", routing_key=PredictCase.QUEUE)
        for body in ([1], [1, 2, 3], {}):
            headers = {"task": PredictCase.NAME, "id": new_id(), "lang": "py"}
            producer.publish(body, serializer="json", headers=headers, routing_key=PredictCase.QUEUE)
    good = clinic.send(clinic.stored(90))
    assert clinic.answers([good])[good].prediction is not None
    time.sleep(VISIBILITY_SECONDS + 2)
    assert clinic.waiting() == 0
    assert clinic.worker.poll() is None


def test_an_object_that_arrives_late_is_scored_and_one_that_never_comes_is_never_refused(clinic: Clinic) -> None:
    late, never = clinic.message(encode(plain_photo(90))), clinic.message(b"never stored")
    clinic.send(late)
    clinic.send(never)
    clinic.wait_for_log("cannot score now", count=2)
    clinic.store.put(late.object_key, encode(plain_photo(90)))
    assert clinic.answers([late.photo_id])[late.photo_id].prediction is not None
    clinic.wait_for_log("a photo is given up here")  # given up, loudly; the sweeper sends it again
    assert clinic.answers([], seconds=0.5) == {}
    assert clinic.waiting() == 0  # as the photo of somebody who was erased


def test_photos_whose_objects_are_not_there_do_not_hold_up_the_others(clinic: Clinic) -> None:
    clinic.restart(retry_seconds=30)
    for number in range(5):  # more than a process takes at once
        clinic.send(clinic.message(b"never stored %d" % number))
    message = clinic.stored(90)
    clinic.send(message)
    assert clinic.answers([message.photo_id])[message.photo_id].prediction is not None


def test_a_store_that_is_away_for_a_moment_costs_no_photo(clinic: Clinic) -> None:
    message = clinic.stored(90)
    away = clinic.store.root.with_name("unmounted")
    clinic.store.root.rename(away)
    clinic.send(message)
    clinic.wait_for_log("store-unavailable")
    away.rename(clinic.store.root)
    assert clinic.answers([message.photo_id])[message.photo_id].prediction is not None


def test_a_release_is_swapped_under_way_and_every_answer_is_of_one_of_the_two(clinic: Clinic) -> None:
    message = clinic.stored(90)
    before = [clinic.send(message, photo_id=new_id()) for _ in range(30)]
    clinic.activate("tiny-2", bias=1.0)
    middle = [clinic.send(message, photo_id=new_id()) for _ in range(10)]
    answers = clinic.answers(before + middle)
    by_release = {a.release_id: a.prediction.probability for a in answers.values() if a.prediction}
    assert {a.release_id for a in answers.values()} <= {"tiny-1", "tiny-2"}
    assert answers[middle[-1]].release_id == "tiny-2"
    assert all(
        a.prediction is not None and a.prediction.probability == by_release[a.release_id] for a in answers.values()
    )
    assert clinic.report("tiny-2").fault is None


def test_a_release_that_is_not_admitted_leaves_the_old_one_serving_and_is_told_of(clinic: Clinic) -> None:
    clinic.report()
    clinic.activate("tiny-2", harm=True)
    report = clinic.report(fault=True)
    assert (report.release_id, report.processes) == ("tiny-1", 1)
    assert report.fault is not None
    assert report.fault.startswith("release-changed: tiny-2")
    sent = clinic.send(clinic.stored(90))
    assert clinic.answers([sent])[sent].release_id == "tiny-1"
    clinic.activate("tiny-1")
    assert clinic.report().fault is None


def test_why_a_process_cannot_begin_is_told_by_its_own_reason(clinic: Clinic) -> None:
    clinic.kill()
    shutil.rmtree(clinic.shelf.root / "serving", ignore_errors=True)
    (clinic.shelf.root / "serving").write_text("")
    clinic.start_worker()
    report = clinic.report("none", fault=True)
    assert report.fault is not None
    assert report.fault.startswith("notes-not-kept: ")


def test_a_challenger_answers_from_a_queue_of_its_own_and_says_that_it_is_one(clinic: Clinic) -> None:
    clinic.challenge("tiny-2", bias=1.0)
    report = clinic.report("tiny-2")
    assert (report.slot, report.worker.rpartition("/")[2], report.fault) == ("challenger", "challenger", None)
    message = clinic.stored(90)
    shown = clinic.send(message)
    on_trial = clinic.send(message, photo_id=new_id(), queue=PredictCase.SHADOW_QUEUE)
    answers = clinic.answers([shown, on_trial])
    assert (answers[shown].release_id, answers[shown].shadow) == ("tiny-1", False)
    assert (answers[on_trial].release_id, answers[on_trial].shadow) == ("tiny-2", True)
    clinic.challenge(None)
    clinic.wait_for_log("a process has ended")


def test_a_photo_that_processes_die_of_is_refused_and_costs_no_other(clinic: Clinic) -> None:
    """The engine never comes back from it: two processes are killed, the second with no other photo in hand."""
    clinic.activate("tiny-2", trap=77)
    clinic.restart(photo_seconds=5)
    trap = clinic.stored(77)
    sent = [clinic.send(clinic.stored(green)) for green in (60, 61, 62)]
    sent += [clinic.send(trap), *(clinic.send(clinic.stored(green)) for green in (63, 64))]
    answers = clinic.answers(sent, seconds=3 * A_WHILE)
    assert [answers[photo_id].refusal for photo_id in sent] == [None, None, None, "photo-stops-worker", None, None]
    assert clinic.log.read_text().count("sat over a photo for too long") == 2
    died = [line for line in clinic.log.read_text().splitlines() if "died with this photo" in line]
    assert sum(trap.photo_id in line and trap.case_id in line for line in died) == 2
    good = clinic.send(clinic.stored(99))
    assert clinic.answers([good])[good].prediction is not None


def test_what_is_counted_can_be_read_by_prometheus(clinic: Clinic) -> None:
    clinic.restart(metrics=True)
    sent = [clinic.send(clinic.stored(green)) for green in range(60, 66)] + [clinic.send(clinic.stored_bytes(b"no"))]
    clinic.answers(sent)
    of = {"slot": "current", "release": "tiny-1"}
    deadline = time.monotonic() + A_WHILE
    while clinic.metric("pallor_worker_photos_answered_total", of) != 6 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert clinic.metric("pallor_worker_photos_answered_total", of) == 6
    assert clinic.metric("pallor_worker_photos_refused_total", of | {"reason": "photo-format-unknown"}) == 1
    assert clinic.metric("pallor_worker_queue_seconds_count", of) == 6
    assert clinic.metric("pallor_worker_batch_photos_sum", of) == 6
    assert clinic.metric("pallor_worker_releases_taken_up_total", {"slot": "current"}) == 1


def test_a_worker_told_to_end_ends_at_once_and_cleanly(clinic: Clinic) -> None:
    clinic.report()
    clinic.worker.send_signal(signal.SIGTERM)
    assert clinic.worker.wait(timeout=A_WHILE) == 0


def test_a_worker_told_to_end_while_the_broker_is_away_does_not_look_as_if_its_release_had_crashed(
    clinic: Clinic,
) -> None:
    clinic.report()
    clinic.valkey.stop()
    clinic.worker.send_signal(signal.SIGTERM)
    assert clinic.worker.wait(timeout=A_WHILE) == 0
    found = served(clinic.shelf.root, "tiny-1")
    assert (found.alive, found.crashed) == (0, 0)


def test_a_worker_told_to_end_answers_the_photo_in_hand_first(clinic: Clinic) -> None:
    held, pipe = clinic.held_photo()
    clinic.send(held)
    feed = os.open(pipe, os.O_WRONLY)  # returns when the worker has begun to read
    clinic.worker.send_signal(signal.SIGTERM)
    os.write(feed, encode(plain_photo(90)))
    os.close(feed)
    assert clinic.worker.wait(timeout=A_WHILE) == 0
    assert clinic.answers([held.photo_id])[held.photo_id].prediction is not None


def test_a_broker_that_comes_back_empty_is_found_again_within_seconds(clinic: Clinic) -> None:
    first = clinic.send(clinic.stored(90))
    clinic.answers([first])
    for _ in range(3):
        clinic.valkey.stop()
        time.sleep(0.5)
        clinic.valkey.start()
        again = [clinic.send(clinic.stored(91)) for _ in range(5)]
        started = time.monotonic()
        assert all(a.prediction for a in clinic.answers(again).values())
        assert time.monotonic() - started < 10


def test_a_photo_in_the_hands_of_a_killed_worker_is_answered_by_the_next(clinic: Clinic) -> None:
    held, pipe = clinic.held_photo()
    others = [clinic.send(clinic.stored(91)) for _ in range(5)]
    clinic.send(held)
    others += [clinic.send(clinic.stored(92)) for _ in range(5)]
    feed = os.open(pipe, os.O_WRONLY)  # returns when the worker has begun to read
    # What is on its way from the queue into a process's hands when that is killed is lost to the broker, and the
    # backend's sweeper sends it again; here is none.
    clinic.wait_until_in_hand(1)
    clinic.kill()
    os.close(feed)
    clinic.store.put(held.object_key, encode(plain_photo(90)))
    clinic.start_worker()
    answers = clinic.answers([*others, held.photo_id])
    assert all(answer.prediction for answer in answers.values())


def test_a_process_one_thread_of_which_fails_ends_and_the_next_answers_its_photo(clinic: Clinic) -> None:
    clinic.report()
    for pid in processes_below(clinic.worker.pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))  # as if the disk were full
    sent = clinic.send(clinic.stored(60))  # one: what is just on its way to a process that dies is lost to the broker
    assert clinic.answers([sent])[sent].prediction is not None
    assert "a process died; another is started" in clinic.log.read_text()
    assert "sat over a photo for too long" not in clinic.log.read_text()


def test_an_answer_that_could_not_be_sent_is_not_taken_for_done(keeping_clinic: Clinic) -> None:
    clinic = keeping_clinic
    held, pipe = clinic.held_photo()
    clinic.send(held)
    feed = os.open(pipe, os.O_WRONLY)
    clinic.valkey.stop()
    clinic.store.put(held.object_key, encode(plain_photo(90)))  # for whoever tries again; the reader holds the pipe
    os.write(feed, encode(plain_photo(90)))
    os.close(feed)
    clinic.wait_for_log("answers could not be sent")
    clinic.valkey.start()
    assert clinic.answers([held.photo_id])[held.photo_id].prediction is not None
    assert clinic.worker.poll() is None


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with Valkey() as valkey:
        place = Clinic(tmp_path, valkey)
        place.start_worker()
        yield place
        place.close()


@pytest.fixture
def keeping_clinic(tmp_path: Path) -> Iterator[Clinic]:
    """A clinic whose broker keeps its messages over a restart."""
    (tmp_path / "valkey").mkdir()
    with Valkey(keep_in=tmp_path / "valkey") as valkey:
        place = Clinic(tmp_path, valkey)
        place.start_worker()
        yield place
        place.close()
