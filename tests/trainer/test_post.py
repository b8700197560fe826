"""The trainer in front of the real web server: what it is told, and what it is told when that cannot be."""

import http.server
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from backend.db.engine import Database
from pallor.candidate import Gate, GateRefusal
from pallor.clock import SystemClock
from pallor.due import Due
from pallor.ids import new_id
from pallor.snapshot import read_snapshot
from pallor.store.folder import FolderStore
from tests.support.api import OWN, an_api
from tests.support.builders import a_candidate
from tests.support.requests import EXAMPLES, Place
from tests.support.valkey import free_port
from tests.support.web import web_server
from trainer.post import Api, RequestRefused, ServerAway, TokenUnfit

SECRET = "a-token-that-nobody-may-read"


@pytest.fixture(scope="module")
def served(migrated_sqlite, tmp_path_factory):
    """A web server with a case that may be learned from; its address, its folder, the trainer's token."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "pallor.db").write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{folder}/pallor.db")
    with web_server(folder) as url:
        api = an_api(database, folder / "store")
        api.clock.move(days=(SystemClock().now() - api.clock.now()).days)
        EXAMPLES["training.post_snapshot"](api, Place(OWN, *(new_id() for _ in range(5))))
        yield url, folder / "store", api
    database.close()


def test_a_snapshot_is_asked_for_and_lies_in_the_store(served):
    url, store, api = served
    digest = Api(f"{url}/", f" {api.tokens['trainer']}\n").export_snapshot()
    assert len(read_snapshot(FolderStore(store), digest)) == 1
    assert Api(url, api.tokens["trainer"]).export_snapshot() == digest


def test_whether_a_release_is_due_is_asked_with_what_was_made_last_and_without(served):
    url, _, api = served
    trainer = Api(url, api.tokens["trainer"])
    assert trainer.ask_due(None, new_cases=1, days=30) == Due(
        True, "1 cases, and nothing was made here before; 1 are enough"
    )
    last = (trainer.export_snapshot(), SystemClock().now())
    assert trainer.ask_due(last, new_cases=1, days=30).due is False


def test_groups_are_handed_back_without_those_that_say_nothing(served):
    url, store, api = served
    trainer = Api(url, api.tokens["trainer"])
    digest = trainer.export_snapshot()
    (line,) = read_snapshot(FolderStore(store), digest)
    other = "sha256:" + "f" * 64
    assert trainer.hand_back_groups(digest, {line.photo: "1", other: "2"}, method="none") == 0
    assert trainer.hand_back_groups(digest, {line.photo: "1", other: "1"}, method="eyes") == 0


def test_a_candidate_is_posted_once_whatever_the_gate_says(served):
    url, _, api = served
    report = a_candidate(release_id="posted-1", gate=Gate((GateRefusal("worse-than-champion", "by 0.02"),)))
    trainer = Api(url, api.tokens["trainer"])
    trainer.post_candidate(report)
    trainer.post_candidate(report)
    with pytest.raises(RequestRefused) as refused:
        trainer.post_candidate(replace(report, gate=Gate()))
    assert refused.value.problem == "release-id-taken"
    assert "on record" in refused.value.reason
    assert refused.value.field == "release_id"


def test_what_the_server_refuses_is_refused_in_its_own_words(served):
    url, _, api = served
    with pytest.raises(RequestRefused, match="no snapshot with this id") as refused:
        Api(url, api.tokens["trainer"]).hand_back_groups("sha256:" + "0" * 64, {}, method="eyes")
    assert refused.value.problem == "not-found"


@pytest.mark.parametrize("token", ["admin", None])
def test_another_token_is_refused_and_never_shown(served, token):
    url, _, api = served
    secret = api.tokens[token] if token else SECRET
    with pytest.raises(RequestRefused) as refused:
        Api(url, secret).export_snapshot()
    assert refused.value.problem in ("role-not-allowed", "token-unknown")
    assert secret not in str(refused.value)


@pytest.mark.parametrize("token", ["", " ", "two\nlines", "né"])
def test_what_cannot_be_a_token_is_refused_at_once_and_not_repeated(token):
    with pytest.raises(TokenUnfit) as refused:
        Api("http://127.0.0.1:1", token)
    assert "lines" not in str(refused.value)


def test_a_server_that_is_away_is_named_and_the_token_is_not():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerAway) as away:
        Api(url.replace("//", "//me:hidden@"), SECRET).export_snapshot()
    assert url in str(away.value)
    assert SECRET not in str(away.value)
    assert "hidden" not in str(away.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, b"<html>Sign in to the network</html>", ServerAway, "does not answer as Pallor's API does"),
        (200, b"[]", ServerAway, "does not answer as Pallor's API does"),
        (200, b'{"digest": "../../etc"}', ServerAway, "does not answer as Pallor's API does"),
        (200, b'{"digest": null}', ServerAway, "does not answer as Pallor's API does"),
        (200, b"[" * 100_000, ServerAway, "does not answer as Pallor's API does"),
        (200, b"\xff\xfe", ServerAway, "does not answer as Pallor's API does"),
        (422, b'{"code": "x", "title": "x", "detail": "x", "faults": ["x"]}', RequestRefused, "no answer of Pallor's"),
        (422, b"[" * 100_000, RequestRefused, "no answer of Pallor's"),
        (302, b"", RequestRefused, "no answer of Pallor's"),
        (404, b"<html>", RequestRefused, "no answer of Pallor's"),
        (404, b"null", RequestRefused, "no answer of Pallor's"),
        (502, b"<html>", ServerAway, "502"),
        (503, b'{"code": "store-unavailable", "title": "x", "detail": "the disk is full", "faults": []}', ServerAway,
         "store-unavailable: the disk is full"),
    ],
)  # fmt: skip
def test_another_servers_answer_is_never_taken_for_ours(status, body, kind, words):
    with answering(status, body) as url, pytest.raises(kind, match=words) as error:
        Api(url, SECRET).export_snapshot()
    assert SECRET not in str(error.value)


@contextmanager
def answering(status: int, body: bytes):
    """A server that gives every request the same answer; its address."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
