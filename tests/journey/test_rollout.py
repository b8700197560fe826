"""A release on its way: trained, offered, signed by people, rolled out to two nodes with real workers, taken back."""

import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from backend.access.roles import DeviceKind
from backend.db.engine import Database
from backend.services.channel_words import newest_word
from backend.services.enrol_device import make_code
from backend.services.manage_devices import confirm_device
from backend.services.manage_sites import put_site
from backend.services.move_rollout import Plan, advance_rollout, roll_back, start_rollout
from backend.services.read_rollouts import show_rollout
from backend.services.sign_channels import Signing, sign_newest
from backend.sweeper import move_rollouts
from pallor.clock import SystemClock
from pallor.digest import sha256_of
from pallor.enrolment import Link
from pallor.release.channel import Channel, bucket_of
from pallor.release.repository import contents
from sync.__main__ import main
from sync.identity import read_identity
from tests.support.clinic import Clinic
from tests.support.cycle import made_once
from tests.support.releases import a_release
from tests.support.repository import a_repository
from tests.support.valkey import Valkey
from tests.support.web import web_server

pytestmark = pytest.mark.slow
CLOCK = SystemClock()


def test_a_release_goes_its_way_and_comes_back(office, nodes, trained, tmp_path):
    a_release(tmp_path / "toy-1", "toy-1", world="real")
    publish(office, tmp_path / "toy-1")
    start_rollout(office.database, CLOCK, office.signed.repository, "main", Plan("toy-1", 100.0), by="admin-1")
    office.sweep()
    for node in nodes:
        node.once()
        node.answer(5)
        node.once()
    assert [node.release for node in nodes] == ["toy-1", "toy-1"]
    assert office.progress()["counts"] == 2

    learned = publish(office, trained)
    start_rollout(office.database, CLOCK, office.signed.repository, "main", Plan(learned, 1.0), by="admin-1")
    office.sweep()
    for node in nodes:
        node.once()
    (reached,) = [node for node in nodes if node.release == learned]
    (other,) = [node for node in nodes if node is not reached]
    assert office.meant(reached.name)
    assert reached.answer(5) != other.answer(1)  # they answer by different models
    reached.once()
    advance_rollout(office.database, CLOCK, "main", 100.0, "", by="admin-1")
    office.sweep()
    other.once()
    assert [node.release for node in nodes] == [learned, learned]

    roll_back(office.database, CLOCK, "main", "a nurse called", by="admin-1")
    office.sweep()
    for node in nodes:
        node.once()
    assert [node.release for node in nodes] == ["toy-1", "toy-1"]
    assert reached.answer(1) == other.answer(1)
    assert office.progress()["failed"] == 0


def publish(office, folder):
    release_id = contents.offer(office.signed.repository, folder, office.signed.keys["trainer"])
    contents.publish(office.signed.repository, release_id, office.signed.keys["dora"])
    return release_id


@dataclass
class Office:
    """The server: its database, its repository, its keys."""

    url: str
    database: Database
    signed: object

    def sweep(self) -> None:
        keys = {role: self.signed.keys[f"server-{role}"] for role in ("channels", "snapshot", "timestamp")}
        signing = Signing(self.signed.repository, keys)
        move_rollouts(self.database, CLOCK, signing)
        sign_newest(signing)

    def progress(self) -> dict[str, object]:
        return show_rollout(self.database, CLOCK, "main")[2].to_json()

    def meant(self, name: str) -> bool:
        with self.database.read() as connection:
            said = Channel.from_json(newest_word(connection, "main").content)
        return bucket_of(said.rollout, name) < said.share

    def enrol(self, name: str, folder: Path) -> None:
        code = make_code(
            self.database, CLOCK, DeviceKind.NODE, name, frozenset({"kumasi-1"}), timedelta(hours=1), by="x"
        )
        link = Link(self.url, code.text, sha256_of(self.signed.root_bytes))
        assert main(["enrol", str(link), "--state", str(folder)]) == 0
        confirm_device(self.database, CLOCK, name, read_identity(folder).fingerprint, by="x")


class Node:
    """A machine with its agent and its worker, which follows the shelf by itself."""

    def __init__(self, name, folder, monkeypatch, valkey):
        self.name, self.folder, self._monkeypatch = name, folder, monkeypatch
        self._clinic = Clinic(folder, valkey, None)
        self._clinic.start_worker()

    @property
    def release(self):
        return self._clinic.shelf.current_id()

    def once(self):
        self._monkeypatch.setenv("PALLOR_NODE_STATE", str(self.folder / "state"))
        self._monkeypatch.setenv("PALLOR_SHELF", str(self.folder / "shelf"))
        assert main(["once"]) == 0

    def answer(self, cases):
        """Send so many photos once the worker has taken up the shelf's release; what is said of the last one."""
        self._clinic.report(self.release, since=CLOCK.now())  # an older one may be of a time before it went back
        sent = [self._clinic.send(self._clinic.stored(90)) for _ in range(cases)]
        answers = self._clinic.answers(sent)
        assert {answer.release_id for answer in answers.values()} == {self.release}
        return answers[sent[-1]].prediction.probability

    def close(self):
        self._clinic.close()


@pytest.fixture
def trained(tmp_path_factory):
    """The folder of a candidate that the trainer has made."""
    return made_once(tmp_path_factory).candidate


@pytest.fixture
def office(migrated_sqlite, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "pallor.db").write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{folder}/pallor.db")
    put_site(database, CLOCK, "kumasi-1", practice=False, retention_days=None, by="operator")
    with web_server(folder, PALLOR_WEB_PROCESSES="1") as url:
        yield Office(url, database, a_repository(folder / "store", CLOCK))
    database.close()


@pytest.fixture
def nodes(office, tmp_path, monkeypatch):
    monkeypatch.setenv("PALLOR_WORKER_COMMAND", f"{sys.executable} -m worker")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with Valkey() as one, Valkey() as other:
        found = []
        for name, valkey in (("node-a", one), ("node-b", other)):
            office.enrol(name, tmp_path / name / "state")
            found.append(Node(name, tmp_path / name, monkeypatch, valkey))
        assert json.loads((tmp_path / "node-a" / "state" / "identity.json").read_text())["device"] == "node-a"
        yield found
        for node in found:
            node.close()
