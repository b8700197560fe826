"""A node with its agent, its shelf and a repository that it trusts; the worker's probe is a stand-in that can fail."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pallor.digest import sha256_of
from pallor.enrolment import fingerprint_of
from pallor.release.serving import Note, begin_note
from pallor.release.shelf import CURRENT, Shelf
from sync.agent import Agent, Machine
from sync.fetch import Line
from sync.identity import Identity
from sync.journal import Journal, read_journal
from sync.probe import Probed, ProbeFailed, WorkerBroken
from tests.support.repository import a_small_release

ENGINE = {
    "flavour": "onnxruntime-cpu",
    "version": "1.22",
    "precision": "int8",
    "model_digest": "sha256:" + "1" * 64,
    "fallback": None,
}
FACTS = {**ENGINE, "max_difference": 0.001, "golden": [0.5]}
# What `pallor-worker describe --json` prints, as far as an agent reads it.
DESCRIBED = {
    "engine": ENGINE,
    "golden": {"photos": 1, "probabilities": [0.5], "largest_difference": 0.001},
    "needs_met": ["cpu", "linux", "x86_64"],
    "fault": None,
}


@dataclass
class Bench:
    """Probes as told: ``bad`` releases fail their golden photos, and a ``broken`` worker fails with every release."""

    have: tuple[str, ...] = ("cpu", "linux", "x86_64")
    bad: set[str] = field(default_factory=set)
    probed: list[str] = field(default_factory=list)
    broken: bool = False

    def __call__(self, folder: Path) -> Probed:
        self.probed.append(folder.name)
        if self.broken:
            raise WorkerBroken("ImportError")
        if folder.name in self.bad:
            raise ProbeFailed(f"engine-disagrees: {folder.name} differs by 0.3")
        return Probed(self.have, FACTS)


@dataclass
class Node:
    """One machine."""

    machine: Machine
    url: str
    bench: Bench
    sent: list[dict[str, Any]] = field(default_factory=list)

    def once(self, url: str | None = None) -> Journal:
        """A round of an agent that has just started."""
        line = Line(url or self.url, rest=lambda _: None)
        try:
            return Agent(self.machine, line, self.sent.append).once()
        finally:
            line.close()

    def fails(self) -> str:
        """The code of the error with which a round ends; empty when it went well."""
        before, after = read_journal(self.machine.state).errors, self.once().errors
        return "" if after == before else after[-1].split()[1].rstrip(":")

    @property
    def serves(self) -> str | None:
        return self.machine.shelf.named(CURRENT)

    def serve(self, cases: int) -> Note:
        """A worker that answers so many cases with what is on the shelf, and goes on living."""
        note = begin_note(self.machine.shelf.root, str(self.serves))
        for _ in range(cases):
            note.count()
        return note


def a_node(folder: Path, root: bytes, url: str, clock: Any, *, name: str = "node-1", first: str | None = "old-1",
           **machine: Any) -> Node:  # fmt: skip
    """A node that was enrolled with this root and serves a first release that was put there by hand."""
    key, bench = Ed25519PrivateKey.generate(), Bench()
    shelf = Shelf(folder / "shelf")
    (folder / "state").mkdir(parents=True)
    if first is not None:
        a_small_release(folder / "first", first, model=b"first " * 50)
        shelf.put(folder / "first")
        shelf.activate(first)
    identity = Identity(
        address="http://nobody.invalid",
        device=name,
        sites=("kumasi-1",),
        world="real",
        root=sha256_of(root),
        fingerprint=fingerprint_of(key.public_key().public_bytes_raw()),
        token="t",
    )
    made = Machine(identity, key, folder / "state", shelf, root, "main", clock, bench)
    return Node(replace(made, **machine), url, bench)
