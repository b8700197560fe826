"""What does a bad release do before it is taken back?

    python -m benchmarks.bad_release [--nodes 200] [--out FILE]

Real agents of so many nodes, the server's own rules and database, a signed repository; simulated time. A second release
reaches the first step (1 %, at least one node) and is bad in one of three ways: its golden photos fail, its worker
crashes after 20 predictions, or its probabilities lie 0.1 too high. Each node answers 30 cases an hour; agents glance
at their worker every 5 minutes here (30 s in ``pallor-sync watch``) and look at the repository every 30. Figures are
the cases that the bad release answered, in all. The last line is one JSON object.
"""

import argparse
import base64
import os
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.access.roles import DeviceKind
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.tables import metadata
from backend.services.channel_words import newest_of_all
from backend.services.manage_devices import make_device
from backend.services.manage_sites import put_site
from backend.services.move_rollout import Plan, start_rollout
from backend.services.receive_node_report import receive_node_report
from backend.services.set_world import set_world
from backend.services.sign_channels import Signing, sign_newest
from backend.sweeper import move_rollouts
from benchmarks.fleet import POLL, Simulated
from benchmarks.report import finish, silent
from benchmarks.signed import Signed, a_signed_repository
from pallor.digest import sha256_of
from pallor.enrolment import fingerprint_of
from pallor.ids import new_id
from pallor.node_report import NodeReport
from pallor.release.serving import Note, begin_note
from pallor.release.shelf import CURRENT, Shelf
from sync.agent import Agent, Machine
from sync.fetch import Line
from sync.identity import Identity
from sync.probe import Probed, ProbeFailed

KINDS = ("golden", "crash", "shift")
STEP = timedelta(minutes=5)
_CASES_A_STEP = 2.5
_CRASH_AFTER, _SHIFT = 20, 0.1
_LONGEST = timedelta(hours=24)
_SITE, _GOOD, _BAD = "site-1", "good-1", "bad-1"
_FACTS: dict[str, Any] = {
    "flavour": "onnxruntime-cpu", "version": "0", "precision": "int8", "model_digest": sha256_of(b""),
    "fallback": None, "max_difference": 0.0, "golden": [],
}  # fmt: skip


@dataclass
class Clinic:
    """One node: its agent, and the worker that answers with whatever is on its shelf."""

    machine: Machine
    agent: Agent
    note: Note | None = None
    answers: str | None = None
    cases: int = 0

    def answer(self, *, crashes: bool) -> str:
        """One more case; the release that answered it."""
        current = str(self.machine.shelf.named(CURRENT))
        if self.note is None or current != self.answers:
            if self.note is not None:
                self.note.end()
            self.note, self.answers, self.cases = begin_note(self.machine.shelf.root, current), current, 0
        self.note.count()
        self.cases += 1
        if crashes and current == _BAD and self.cases >= _CRASH_AFTER:
            os.close(self.note._descriptor)  # nobody writes that it ended
            self.note = None
        return current


@dataclass
class World:
    """Everything that a simulation has."""

    clock: Simulated
    database: Database
    signed: Signed
    signing: Signing
    clinics: list[Clinic] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    memory = Path("/dev/shm")  # noqa: S108  a simulated disk has nothing to lose
    figures: dict[str, Any] = {"nodes": options.nodes}
    for kind in KINDS:
        with silent(), tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            figures |= {f"{kind}_{name}": value for name, value in simulate(Path(folder), kind, options.nodes).items()}
    finish("bad_release", figures, options.out)


def simulate(folder: Path, kind: str, count: int) -> dict[str, Any]:
    """Roll one bad release out; how many cases it answered, how far it came, and whether all came back from it."""
    chance, world = random.Random(7), _world(folder, kind, count)
    began, exposed, scores = world.clock.at, 0, []
    taken_back: datetime | None = None
    looks = [world.clock.at + POLL * chance.random() for _ in world.clinics]
    while world.clock.at - began < _LONGEST:
        world.clock.at += STEP
        for number, clinic in enumerate(world.clinics):
            for _ in range(int(_CASES_A_STEP + chance.random())):
                release = clinic.answer(crashes=kind == "crash")
                exposed += release == _BAD
                if release == _BAD:
                    scores.append(chance.gauss(0.45 + (_SHIFT if kind == "shift" else 0), 0.2))
            if world.clock.at >= looks[number]:
                clinic.agent.once()
                looks[number] = world.clock.at + POLL * (0.75 + 0.5 * chance.random())
            elif clinic.answers == _BAD:
                clinic.agent.glance()
        _record(world, _BAD, scores)
        scores = []
        if move_rollouts(world.database, world.clock, world.signing).signed:
            sign_newest(world.signing)
        with world.database.read() as connection:
            (word,) = newest_of_all(connection)
        taken_back = taken_back or (world.clock.at if word.kind == "rollback" else None)
        if taken_back and world.clock.at - taken_back >= 2 * POLL:  # everybody has looked again
            break
    return {
        "cases": exposed,
        "percent": 1.0 if word.kind == "rollback" else word.percent,
        "minutes_until_taken_back": None if taken_back is None else (taken_back - began) / timedelta(minutes=1),
        "all_back": all(clinic.machine.shelf.named(CURRENT) == _GOOD for clinic in world.clinics),
        "reason": word.reason,
    }


def _world(folder: Path, kind: str, count: int) -> World:
    """Nodes that have run a good release for long, and a bad one that has just reached the first of them."""
    clock = Simulated(datetime.fromisoformat("2026-11-01T12:00:00+00:00"))
    database = Database(f"sqlite:///{folder}/pallor.db")
    migrate(database)
    set_world(database, "real")
    put_site(database, clock, _SITE, practice=False, retention_days=None, by="operator")
    signed = a_signed_repository(folder / "store", clock)
    world = World(clock, database, signed, Signing(signed.repository, signed.keys))
    for number, name in enumerate((_GOOD, _BAD)):
        signed.release(name, folder / name, model=bytes([number]) * 1000)
    sign_newest(world.signing)
    _let_reach(world, _GOOD, 100)
    world.clinics = _clinics(folder, world, kind, count)
    _record(world, _GOOD, [random.Random(3).gauss(0.45, 0.2) for _ in range(500)])
    clock.at += timedelta(days=2)
    _let_reach(world, _BAD, 1)
    return world


def _let_reach(world: World, release: str, percent: float) -> None:
    start_rollout(world.database, world.clock, world.signed.repository, "main", Plan(release, percent), by="operator")
    move_rollouts(world.database, world.clock, world.signing)
    sign_newest(world.signing)


def _clinics(folder: Path, world: World, kind: str, count: int) -> list[Clinic]:
    first = _clinic(folder / "node-0", world, kind, "node-0")
    first.agent.once()
    for _ in range(120):
        first.answer(crashes=False)
    first.agent.once()
    assert first.machine.shelf.named(CURRENT) == _GOOD
    found = [first]
    for number in range(1, count):
        copy = folder / f"node-{number}"
        shutil.copytree(folder / "node-0", copy, symlinks=True)
        found.append(_clinic(copy, world, kind, f"node-{number}"))
    return found


def _clinic(folder: Path, world: World, kind: str, name: str) -> Clinic:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    facts = {"public_key": base64.b64encode(public).decode(), "fingerprint": fingerprint_of(public)}
    with world.database.write() as tx:
        device_id = make_device(tx, world.clock, name, DeviceKind.NODE, frozenset({_SITE}), by="operator",
                                confirmed_at=world.clock.now(), **facts)  # fmt: skip

    def send(body: dict[str, Any]) -> None:
        report = NodeReport.from_json(body["report"])
        receive_node_report(world.database, world.clock, device_id, report, body["signature"], "real")

    def probe(folder: Path) -> Probed:
        if kind == "golden" and folder.name == _BAD:
            raise ProbeFailed("engine-disagrees: the golden photos differ by 0.3")
        return Probed(("cpu",), _FACTS)

    (folder / "state").mkdir(parents=True, exist_ok=True)
    identity = Identity("", name, (_SITE,), "real", sha256_of(world.signed.root_bytes), facts["fingerprint"], "")
    machine = Machine(
        identity, key, folder / "state", Shelf(folder / "shelf"), world.signed.root_bytes, "main", world.clock, probe
    )
    return Clinic(machine, Agent(machine, Line(f"file://{world.signed.folder}/tuf"), send))


def _record(world: World, release: str, scores: Sequence[float]) -> None:
    """What the consumer would have written of these answers."""
    rows: dict[str, list[dict[str, Any]]] = {"cases": [], "photos": [], "predictions": []}
    for score in scores:
        case_id, photo_id, now = new_id(), new_id(), world.clock.now()
        rows["cases"].append(
            {"id": case_id, "site": _SITE, "received_at": now, "facts": {}}
            | dict.fromkeys(("subject_code", "submitted_digest", "received_by"), "")
        )
        rows["photos"].append(
            {"id": photo_id, "case_id": case_id, "bytes": 1, "captured_at": now, "declared_at": now}
            | dict.fromkeys(("uploaded_sha256", "state", "media_type", "declared_by"), "")
        )
        answer = {"probability": min(1.0, max(0.0, score)), "answer": {}, "shown": True, "recorded_at": now}
        rows["predictions"].append({"photo_id": photo_id, "release_id": release, **answer})
    with world.database.write() as tx:
        for table, values in rows.items():
            if values:
                tx.execute(metadata.tables[table].insert(), values)


if __name__ == "__main__":
    main()
