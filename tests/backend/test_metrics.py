"""What Prometheus is told: read over HTTP and by Prometheus' own parser, from either database."""

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import event, select, update

from backend.db.engine import Database
from backend.db.tables import alerts, photos
from backend.metrics import BackendMetrics, MetricsNotServed, serving_metrics
from backend.services.record_prediction import record_prediction
from backend.services.report_worker import report_worker
from backend.services.take_stock import take_stock
from backend.settings import Settings
from backend.sweeper import write_labels
from pallor.ids import new_id
from pallor.messages import RecordPrediction
from pallor.prediction import Engine
from pallor.settings import SettingsRefused, load
from tests.support.builders import a_prediction, a_report
from tests.support.clock import HandClock
from tests.support.explain import score
from tests.support.sealing import put_aside_at
from tests.support.stack import clean_environ, wait_until
from tests.support.synthetic import a_good_png
from tests.support.valkey import free_port

ENOUGH = {
    "PALLOR_DATABASE_URL": "sqlite:////tmp/x.db",
    "PALLOR_STORE_URL": "file:///tmp/x",
    "PALLOR_BROKER_URL": "redis://127.0.0.1/0",
    "PALLOR_WORLD": "real",
}


def test_what_waits_and_what_came_of_what_came_is_told_over_http(api):
    one, two, refused, dark = (a_photo_here(api, number) for number in range(4))
    api.clock.move(seconds=40)
    a_photo_here(api, 4)
    score(api, two)
    score(api, two, release_id="toy-2", engine=Engine("tensorrt", "10", "int8", "sha256:" + "0" * 64))
    score(api, two, release_id="toy-3", engine=replace(a_prediction().engine, fallback="no driver"))
    refusal = RecordPrediction(refused, "toy-1", refusal="region-too-small")
    record_prediction(api.parts.database, api.clock, refusal, "who-2024")
    judged = {"state": "refused", "refusal": "photo-quality", "quality": {"reasons": ["too-dark", "blurred"]}}
    with api.parts.database.write() as tx:
        tx.execute(update(photos).where(photos.c.id == dark).values(judged))
    report(api, "w-1")
    report(api, "w-2", fault="golden photo 3 is 0.2 off")
    told, page = scraped(api)
    assert told["pallor_database_up"] == {(): 1}
    assert told["pallor_waiting_photos"] == {(): 2}
    assert told["pallor_oldest_waiting_photo_age_seconds"][()] == pytest.approx(40, abs=1)
    assert told["pallor_photos"] == {("waiting",): 2, ("scored",): 1, ("refused",): 2}
    assert told["pallor_predictions"] == {("toy-1", "yes"): 1, ("toy-2", "no"): 1, ("toy-3", "no"): 1}
    assert told["pallor_recent_answers"] == {
        ("no", "onnxruntime-cpu", "fp16"): 1,
        ("yes", "onnxruntime-cpu", "fp16"): 1,
        ("no", "tensorrt", "int8"): 1,
    }
    assert told["pallor_recent_refused_photos"] == {("region-too-small",): 1, ("too-dark",): 1, ("blurred",): 1}
    engine = ("onnxruntime-cpu", "toy-1")
    assert told["pallor_workers"] == {(*engine, "ready"): 1, (*engine, "faulty"): 1}
    assert not any(word in page for word in (one, "kumasi", "A-017", "w-1", "no driver", "golden"))


def test_critical_values_are_told_by_who_has_seen_them_and_how_much_was_put_aside(api):
    results = [api.put_result(api.put_case(), hb={"value": "6.1", "unit": "g/dL"}).json for _ in range(4)]
    with api.parts.database.write() as tx:
        seen, late = (alerts.c.result_id == result["result_id"] for result in results[:2])
        tx.execute(update(alerts).where(seen).values(acknowledged_at=api.clock.now()))
        tx.execute(update(alerts).where(late).values(escalated_at=api.clock.now()))
    api.put_result(results[3]["case_id"], supersedes=results[3]["result_id"])
    put_aside_at(api, "kumasi-1")
    told, _ = scraped(api)
    assert told["pallor_alerts"] == {("acknowledged",): 1, ("escalated",): 1, ("open",): 1}
    assert told["pallor_put_aside"] == {(): 1}


def test_labels_are_told_by_what_keeps_them_from_training_and_what_is_unsent_by_kind(api):
    a_photo_here(api, 0)
    with api.parts.database.read() as connection:
        (case_id,) = connection.execute(select(photos.c.case_id)).scalars()
    api.put_result(case_id)
    api.put_result(api.put_case(subject_code="A-2"))
    write_labels(api.parts.database, api.parts.store, api.clock)
    api.put_result(case_id, hb={"value": "131", "unit": "g/L"})
    told, _ = scraped(api)
    assert told["pallor_labels"] == {("conflicting-values",): 1, ("no-usable-photo",): 1}
    assert told["pallor_unsent"] == {("label-record",): 1, ("object-deletion",): 0, ("erasure",): 0}


def test_what_is_over_an_hour_old_is_no_longer_recent_and_a_worker_gone_for_a_day_is_gone(api):
    score(api, a_photo_here(api, 0))
    report(api, "w-1")
    api.clock.move(minutes=61)
    told, _ = scraped(api)
    assert told["pallor_recent_answers"] == {}
    assert told["pallor_predictions"] == {("toy-1", "yes"): 1}
    assert told["pallor_workers"] == {("onnxruntime-cpu", "toy-1", "silent"): 1}
    api.clock.move(hours=24)
    assert scraped(api)[0]["pallor_workers"] == {}


def test_whoever_withdrew_consent_waits_for_nothing(api):
    a_photo_here(api, 0)
    with api.parts.database.read() as connection:
        case_id = connection.execute(select(photos.c.case_id)).scalar_one()
    said = {"purpose": "care", "given": False, "at": "2026-11-01T12:45:00Z", "wording": "withdraw-en-1"}
    assert api.call("PUT", f"/cases/{case_id}/consents/{new_id()}", json=said).status_code == 201
    stock = take_stock(api.parts.database, api.clock, 90)
    assert (stock.waiting, stock.oldest_waiting_seconds, stock.photos) == (0, 0.0, {("waiting",): 1})


def test_counting_every_answer_and_every_photo_reads_an_index_alone(sqlite_url):
    """A look every few seconds must not read the answers themselves, of which there are millions after some years."""
    database, asked = Database(sqlite_url), []
    event.listen(database.engine, "before_cursor_execute", lambda *seen: asked.append((seen[2], seen[3])))
    take_stock(database, HandClock(), 90)
    with database.read() as connection:
        plans = [
            " ".join(step.detail for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
            for query, values in asked
            if query.startswith("SELECT")
        ]
    database.close()
    assert not [plan for plan in plans if "SCAN predictions" in plan and "COVERING INDEX" not in plan]
    assert not [plan for plan in plans if "SCAN photos" in plan and "COVERING INDEX" not in plan]
    assert any("SEARCH predictions USING INDEX ix_predictions_recorded_at" in plan for plan in plans)
    assert any("SEARCH photos USING INDEX ix_photos_state_received_at" in plan for plan in plans)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_labels_are_not_counted_at_every_look(api):
    metrics = BackendMetrics(api.parts.database, api.clock, 90)
    api.put_result(api.put_case())
    for minutes, told in ((0, 1), (2, 1), (2, 1), (2, 2)):
        api.clock.move(minutes=minutes)
        (family,) = [one for one in metrics.collect() if one.name == "pallor_labels"]
        assert sum(sample.value for sample in family.samples) == told
        if minutes == 0:
            api.put_result(api.put_case(subject_code="A-2"))


def test_while_the_database_is_away_the_metrics_say_so_and_nothing_else():
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    assert scraped_from(BackendMetrics(database, HandClock(), 90))[0] == {"pallor_database_up": {(): 0}}


def test_the_sweeper_serves_them_where_it_is_told_to_and_ends_when_it_is_told_to(sqlite_url, tmp_path):
    port = free_port()
    environ = clean_environ() | ENOUGH | {"PALLOR_DATABASE_URL": sqlite_url, "PALLOR_STORE_URL": f"file://{tmp_path}"}
    command = [Path(sys.executable).with_name("pallor-backend"), "sweep"]
    with subprocess.Popen(command, env=environ | {"PALLOR_METRICS_BIND": f"127.0.0.1:{port}"}) as sweeper:
        wait_until(lambda: answers(port), "the sweeper answers")
        assert b"pallor_database_up 1.0" in urlopen(f"http://127.0.0.1:{port}/metrics").read()
        sweeper.terminate()
        assert sweeper.wait(20) == 0


def test_an_address_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(MetricsNotServed, match=f"127.0.0.1:{port}"),
            serving_metrics(("127.0.0.1", port), Nothing()),
        ):
            pass


@pytest.mark.parametrize("bind", [None, "127.0.0.1:9464", "[::1]:9464", "metrics.internal:1"])
def test_metrics_are_off_unless_an_address_is_set(bind):
    found = load(Settings, ENOUGH | ({"PALLOR_METRICS_BIND": bind} if bind else {})).metrics_bind
    expected = {"127.0.0.1:9464": ("127.0.0.1", 9464), "[::1]:9464": ("::1", 9464), None: None}
    assert found == expected.get(bind, ("metrics.internal", 1))


NONSENSE = (
    "9464 :9464 127.0.0.1 127.0.0.1: 127.0.0.1:0 h:65536 h:-1 ::1:9464 http://127.0.0.1:9464 []:9464 [::1:9464 me@h:1"
)


@pytest.mark.parametrize("bind", NONSENSE.split())
def test_nonsense_as_an_address_is_refused_at_the_start(bind):
    with pytest.raises(SettingsRefused, match="PALLOR_METRICS_BIND: not a host and a port"):
        load(Settings, ENOUGH | {"PALLOR_METRICS_BIND": bind})


class Nothing(Collector):
    def collect(self):
        return iter(())


def a_photo_here(api, number):
    """A good photo of a person of its own, waiting to be scored; its id."""
    case_id, photo_id = api.put_case(subject_code=f"A-{number + 100}"), new_id()
    assert api.put_photo(case_id, PHOTOS[number], photo_id).status_code == 201
    return photo_id


def report(api, worker, fault=None):
    said = a_report(worker=worker, fault=fault)
    report_worker(api.parts.database, api.clock, said)


def scraped(api):
    return scraped_from(BackendMetrics(api.parts.database, api.clock, 90))


def scraped_from(metrics):
    """Every metric by name, its values by the values of its labels in the order of their names; and the page."""
    with serving_metrics(("127.0.0.1", 0), metrics) as port:
        page = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    families = list(text_string_to_metric_families(page))
    assert all(family.type == "gauge" and family.documentation for family in families)
    told = {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples} for family in families
    }
    return told, page


def answers(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


PHOTOS = [a_good_png(seed=300 + number) for number in range(5)]
