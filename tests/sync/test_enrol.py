"""``pallor-sync enrol``: a node comes in by its link, against a server that runs."""

import json
import os
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from backend.access.roles import DeviceKind, DeviceState
from backend.db.engine import Database
from backend.db.tables import enrolment_codes, tokens
from backend.services.enrol_device import make_code
from backend.services.manage_devices import confirm_device, set_device_state, show_device
from backend.services.manage_sites import put_site
from backend.services.sessions import revoke_tokens
from pallor.clock import SystemClock
from pallor.enrolment import Link, fingerprint_of, shown_fingerprint
from pallor.ids import new_id
from sync.__main__ import main
from sync.identity import own_key, read_identity
from sync.report import send_to
from sync.server import ServerRefused
from tests.support.nodes import a_root
from tests.support.web import web_server

CLOCK = SystemClock()


@dataclass
class Place:
    """gunicorn, the database behind it, and what its nodes are to trust."""

    url: str
    database: Database
    root: str
    log: Path

    def link(self, name: str, kind: DeviceKind = DeviceKind.NODE) -> str:
        code = make_code(
            self.database, CLOCK, kind, name, frozenset({"kumasi-1"}), timedelta(hours=1), by="operator"
        )  # fmt: skip
        return str(Link(self.url, code.text, self.root if kind is DeviceKind.NODE else None))


@pytest.fixture
def node(tmp_path, monkeypatch, capsys):
    """A command of the node, with the exit status and all that it said."""
    monkeypatch.setenv("PALLOR_NODE_STATE", str(tmp_path / "state"))

    def run(*line: str) -> tuple[int, str]:
        status = main(line)
        said = capsys.readouterr()
        return status, said.out + said.err

    run.state = tmp_path / "state"
    return run


@pytest.fixture
def name():
    return f"node-{new_id()[:8]}"


def test_a_node_comes_in_and_is_let_in_once_its_fingerprint_was_compared(place, node, name):
    status, said = node("enrol", place.link(name))
    assert status == 0
    identity, device = read_identity(node.state), show_device(place.database, name)
    assert (identity.address, identity.device, identity.sites) == (place.url, name, ("kumasi-1",))
    assert (identity.world, identity.root) == ("real", place.root)
    assert shown_fingerprint(device.row.fingerprint) in said
    assert f"device-confirm {name}" in said
    status, asked = node("whoami")
    assert status == 0
    assert "No administrator has confirmed it yet" in asked
    confirm_device(place.database, CLOCK, name, identity.fingerprint, by="operator")
    assert "The server lets it in." in node("whoami")[1]


def test_a_token_is_renewed_once_a_month_so_that_a_node_outlives_it(place, node, name):
    node("enrol", place.link(name))
    confirm_device(place.database, CLOCK, name, read_identity(node.state).fingerprint, by="operator")
    send, first = send_to(node.state, CLOCK), read_identity(node.state)

    def report():  # refused for what it says, and not for who says it
        with pytest.raises(ServerRefused, match="request-not-valid"):
            send({"report": {}, "signature": ""})
        return read_identity(node.state)

    assert report() == first
    os.utime(node.state / "identity.json", (0, 0))
    renewed = report()
    assert report() == renewed
    assert replace(renewed, token=first.token) == first
    assert renewed.token != first.token
    assert "lets it in" in node("whoami")[1]
    assert oct((node.state / "identity.json").stat().st_mode & 0o777) == "0o600"
    assert sorted(path.name for path in node.state.iterdir()) == ["identity.json", "key.pem"]


def test_the_key_is_the_nodes_own_and_for_its_owner_alone(place, node, name):
    node("enrol", place.link(name))
    public = own_key(node.state).public_key().public_bytes_raw()
    assert fingerprint_of(public) == show_device(place.database, name).row.fingerprint
    assert sorted(path.name for path in node.state.iterdir()) == ["identity.json", "key.pem"]
    assert {oct(path.stat().st_mode & 0o777) for path in node.state.iterdir()} == {"0o600"}
    assert node.state.stat().st_mode & 0o777 == 0o700


def test_no_secret_is_printed_or_logged(place, node, name):
    link = place.link(name)
    said = node("enrol", link)[1] + node("whoami")[1]
    identity = json.loads((node.state / "identity.json").read_text())
    written = said + place.log.read_text()
    for secret in (identity["token"], link.split("code=")[1][:11], link.split("code=")[1][:11].replace("-", "")):
        assert secret not in written


def test_a_node_comes_in_once(place, node, name):
    assert node("enrol", place.link(name))[0] == 0
    before = (node.state / "identity.json").read_bytes()
    status, said = node("enrol", place.link(f"{name}-b"))
    assert status == 2
    assert "enrolled already" in said
    assert (node.state / "identity.json").read_bytes() == before


def test_a_code_that_was_used_is_told_in_plain_words(place, node, name, tmp_path):
    link = place.link(name)
    assert node("enrol", link, "--state", str(tmp_path / "other"))[0] == 0
    status, said = node("enrol", link)
    assert status == 2
    assert "if an earlier try broke off" in said
    assert not (node.state / "identity.json").exists()


def test_a_lost_answer_is_told_in_plain_words_and_the_key_is_kept(node):
    with a_server_that_says(b"") as url:
        status, said = node("enrol", str(Link(url, "0123456789", f"sha256:{'a' * 64}")))
    assert status == 2
    assert "It may have let this machine in all the same" in said
    assert [path.name for path in node.state.iterdir()] == ["key.pem"]


def test_a_link_for_a_phone_is_refused_before_its_code_is_used(place, node, name):
    link = place.link(name, DeviceKind.PHONE)
    status, said = node("enrol", link)
    assert status == 2
    assert "not for a node" in said
    with httpx.Client(base_url=place.url) as http:
        assert http.post("/api/v1/enrolments", json={"code": Link.read(link).code}).status_code == 201


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("http://pallor.example.org/enrol#code=00000-00000&root=sha256:" + "a" * 64, "--insecure-http"),
        ("https://pallor.example.org/enrol", "looks like https://"),
        ("https://pallor.example.org/enrol#code=00000&root=sha256:" + "a" * 64, "two groups of five"),
        ("https://pallor.example.org/enrol#code=00000-00000&root=sha256:ab", "looks like https://"),
        ("https://somebody@pallor.example.org/enrol#code=00000-00000&root=sha256:" + "a" * 64, "looks like https://"),
        ("ftp://pallor.example.org/enrol#code=00000-00000&root=sha256:" + "a" * 64, "looks like https://"),
        ("http://127.0.0.1:9/enrol#code=00000-00000&root=sha256:" + "a" * 64, "cannot be reached"),
        ("https://no-such-host.invalid/enrol#code=00000-00000&root=sha256:" + "a" * 64, "cannot be reached"),
    ],
)
def test_what_cannot_work_is_said_in_plain_words(node, link, words):
    status, said = node("enrol", link)
    assert status == 2
    assert words in said
    assert "00000-00000" not in said
    assert "Traceback" not in said


def test_plain_http_to_another_machine_is_used_when_asked_for(node):
    status, said = node("enrol", f"http://no-such-host.invalid/enrol#code=00000-00000&root=sha256:{'a' * 64}",
                        "--insecure-http")  # fmt: skip
    assert status == 2
    assert "cannot be reached" in said


@pytest.mark.parametrize(
    "head", [b"200 OK", b"404 Not Found", b"302 Found\r\nLocation: https://pallor.example.org/", b"502 Bad Gateway"]
)
def test_a_server_of_another_kind_is_told(node, head):
    with a_server_that_says(b"HTTP/1.1 " + head + b"\r\nContent-Length: 6\r\n\r\n<html>") as url:
        status, said = node("enrol", str(Link(url, "0123456789", f"sha256:{'a' * 64}")))
    assert status == 2
    assert "is not Pallor" in said


def test_a_server_that_does_not_prove_its_name_is_never_told_the_code(place, node):
    tls = place.url.replace("http://", "https://")
    status, said = node("enrol", str(Link(tls, "0123456789", f"sha256:{'a' * 64}")))
    assert status == 2
    assert "does not prove who it is" in said


def test_whoami_without_an_enrolment_asks_for_one(node):
    status, said = node("whoami")
    assert status == 2
    assert "enrol-code node" in said


def test_whoami_tells_when_the_server_knows_the_token_no_more(place, node, name):
    node("enrol", place.link(name))
    device = show_device(place.database, name).row
    with place.database.write() as tx:
        revoke_tokens(tx, CLOCK, tokens.c.device_id == device.id)
    status, said = node("whoami")
    assert status == 2
    assert "unknown or was revoked" in said


def test_whoami_tells_a_machine_that_its_time_is_over(place, node, name):
    node("enrol", place.link(name))
    for state in (DeviceState.RETIRED, DeviceState.STOLEN):
        set_device_state(place.database, CLOCK, name, state, by="operator")
        assert f"lets it in no more: it is {state}" in node("whoami")[1]


@pytest.mark.parametrize("file", ["identity.json", "key.pem"])
def test_a_damaged_state_folder_is_told(place, node, name, file):
    node.state.mkdir(mode=0o700)
    (node.state / file).write_text("{")
    status, said = node("whoami") if file == "identity.json" else node("enrol", place.link(name))
    assert status == 2
    assert file in said


def test_the_state_folder_is_asked_for(node, monkeypatch):
    monkeypatch.delenv("PALLOR_NODE_STATE")
    status, said = node("whoami")
    assert status == 2
    assert "PALLOR_NODE_STATE" in said


def test_a_folder_that_cannot_be_used_is_told_before_the_code_is_used(place, node, name):
    node.state.write_text("a file")
    status, said = node("enrol", place.link(name))
    assert status == 2
    assert "may read and write" in said
    with place.database.read() as connection:
        used = select(enrolment_codes.c.used_at).where(enrolment_codes.c.device_name == name)
        assert connection.execute(used).scalar_one() is None


@contextmanager
def a_server_that_says(words: bytes):
    """Takes a request, says these words and closes the connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(words)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def place(migrated_sqlite, tmp_path_factory):
    """One for all tests, which together enrol fewer than ten times: who comes more often is slowed."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "pallor.db").write_bytes(migrated_sqlite.read_bytes())
    root, digest = a_root(folder)
    database = Database(f"sqlite:///{folder}/pallor.db")
    put_site(database, CLOCK, "kumasi-1", practice=False, retention_days=None, by="operator")
    with web_server(folder, PALLOR_ROOT_METADATA=str(root), PALLOR_WEB_PROCESSES="1") as url:
        yield Place(url, database, digest, folder / "log")
    database.close()
