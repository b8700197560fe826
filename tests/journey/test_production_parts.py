"""The same processes on PostgreSQL, an S3 store over HTTP and a Redis-protocol server: nothing but settings differs."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from pallor.clock import parse_utc
from pallor.ids import new_id
from pallor.onebox.client import Client
from pallor.onebox.doors import open_doors
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import Shelf
from tests.support.stack import SITE, a_case, clean_environ, drawn_photos, wait_until
from tests.support.valkey import Valkey, free_port

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent
PARTS = {
    "serve": ("pallor-backend", "serve"),
    "consume": ("pallor-backend", "consume"),
    "sweep": ("pallor-backend", "sweep"),
    "worker": ("pallor-worker", "serve"),
}


def test_a_case_becomes_a_label_on_postgresql_s3_and_redis(production):
    environ, url, s3 = production
    with ExitStack() as opened:
        admin = opened.enter_context(Client(url, _run(environ, "device-add", f"console-{new_id()[:8]}", "console")))
        wait_until(lambda: _ready(admin), "a worker answered the golden photos")
        staff = open_doors(url, admin, [SITE])
        phone, laboratory = (opened.enter_context(Client(url, token)) for token in (staff.nurse, staff.laboratory))
        case_ids = [_submit(phone, photo, number) for number, photo in enumerate(drawn_photos(5))]
        wait_until(lambda: len(list(admin.pages("/predictions"))) == 5, "every photo has an answer")
        laboratory.put(
            f"/lab-results/{new_id()}",
            {"case_id": case_ids[0], "hb": {"value": "6.1", "unit": "mmol/L"}, "taken_at": "2026-11-01T13:00:00Z"},
        )
        wait_until(lambda: any(label["written"] for label in admin.pages("/labels")), "the label is in the bucket")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket="pallor-test", Prefix="clinic/")["Contents"]]
    assert len([key for key in keys if key.startswith("clinic/images/")]) == 5
    assert len([key for key in keys if key.startswith("clinic/labels/v1/dt=")]) == 1
    assert "none changed" in _run(environ, "audit-verify")


def _submit(phone: Client, photo: bytes, number: int) -> str:
    case_id = new_id()
    phone.put(f"/cases/{case_id}", a_case(number))
    phone.put_photo(case_id, new_id(), photo, "image/png", parse_utc("2026-11-01T12:00:00Z"))
    return case_id


def _ready(admin: Client) -> bool:
    try:
        return bool(admin.get("/health/ready")["ready"])
    except Exception:  # it is not up yet, or says 503
        return False


def _run(environ: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([BIN / "pallor-backend", *arguments], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def production(postgres_url, tmp_path, monkeypatch):
    """Every part as a process of its own; the environment, the address, and a client of the S3 server."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    shelf = Shelf(tmp_path / "shelf")
    shelf.activate(shelf.put(bootstrap_folder(), trusted_digest=BOOTSTRAP_DIGEST).release_id)
    bind = f"127.0.0.1:{free_port()}"
    bucket = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    bucket.start()
    endpoint = "http://{}:{}".format(*bucket.get_host_and_port())
    s3 = boto3.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="pallor-test")
    with Valkey() as valkey:
        environ = clean_environ() | {
            "PALLOR_DATABASE_URL": postgres_url,
            "PALLOR_STORE_URL": "s3://pallor-test/clinic",
            "PALLOR_S3_ENDPOINT": endpoint,
            "PALLOR_BROKER_URL": valkey.url,
            "PALLOR_WORLD": "real",
            "PALLOR_SHELF": str(shelf.root),
            "PALLOR_BIND": bind,
            "PALLOR_SWEEP_SECONDS": "0.3",
        }
        _run(environ, "migrate")
        with (tmp_path / "log").open("wb") as log:
            processes = [subprocess.Popen([BIN / c, verb], env=environ, stderr=log) for c, verb in PARTS.values()]
            yield environ, f"http://{bind}", s3
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(20)
    s3.close()
    bucket.stop()
