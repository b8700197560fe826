"""Nodes as the server knows them: enrolled with a key, and saying of themselves what a test wants."""

import base64
from dataclasses import replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from backend.access.roles import DeviceKind
from backend.db.engine import Database
from backend.db.tables import channel_files
from backend.services.manage_devices import make_device
from backend.services.receive_node_report import receive_node_report
from pallor.enrolment import fingerprint_of
from pallor.ids import new_id
from pallor.node_report import EngineWord, NodeReport, Stepped
from pallor.release.channel import EVERYBODY, Named
from tests.support.repository import a_channel

ENGINE = EngineWord("onnxruntime-cpu", "1.22", "int8", "sha256:" + "1" * 64, 0.001, (0.5,))


def a_fleet(database: Database, clock: Any, count: int, site: str = "kumasi-1") -> "list[FleetNode]":
    """So many nodes of a site."""
    with database.write() as tx:
        return [FleetNode(database, clock, tx, f"node-{site}-{number:02}", site) for number in range(count)]


class FleetNode:
    """A node that was let in, and its key."""

    def __init__(self, database: Database, clock: Any, tx: Connection, name: str, site: str = "kumasi-1") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.name, self._database, self._clock, self._sequence = name, database, clock, 0
        facts = {**key_facts(self.key), "confirmed_at": clock.now()}
        self.device_id = make_device(tx, clock, name, DeviceKind.NODE, frozenset({site}), by="operator", **facts)

    def says(self, release_id: str | None = "eye-1", **facts: Any) -> NodeReport:
        """Hand in a report; the report."""
        self._sequence += 1
        now = self._clock.now().replace(microsecond=0)
        report = a_report(self.name, now, release_id=release_id, sequence=self._sequence, **facts)
        receive_node_report(self._database, self._clock, self.device_id, report, sign(report, self.key), "real")
        return report

    def steps_back(self, release_id: str, reason: str = "golden-failure", to: str = "old-1") -> NodeReport:
        back = Stepped(release_id, reason, "it did harm", self._clock.now().replace(microsecond=0))
        return self.says(to, stepped_back=back, engine=None)


def a_report(device: str, now: datetime, **facts: Any) -> NodeReport:
    report = NodeReport(
        device=device, sequence=1, sent_at=now, world="real", release_id="eye-1", manifest="sha256:" + "2" * 64,
        rollout="rollout-1", since=now, cases=0, trial=True, engine=ENGINE, challenger=None, stepped_back=None,
        stale_since=None, hardware=("cpu",), versions={"pallor": "0.1.0"}, disk_free_bytes=10**9, errors=(),
    )  # fmt: skip
    return replace(report, **facts)


def sign(report: NodeReport, key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.sign(report.signed_bytes())).decode()


def key_facts(key: Ed25519PrivateKey) -> dict[str, str]:
    """What a device's row holds of its key."""
    public = key.public_key().public_bytes_raw()
    return {"public_key": base64.b64encode(public).decode(), "fingerprint": fingerprint_of(public)}


def a_running_rollout(database: Database, clock: Any, channel: str) -> None:
    """A channel on which a second release reaches everybody of its cohort, and one node counts."""
    first, second = (Named(f"eye-{number}", "sha256:" + f"{number}" * 64) for number in (1, 2))
    said = a_channel(second, first, clock, name=channel, rollout=new_id(), share=EVERYBODY)
    with database.write() as tx:
        tx.execute(channel_files.insert().values(
            channel=channel, rollout_id=said.rollout, kind="start", release_id="eye-2", previous_id="eye-1", percent=10,
            content=said.to_json(), evidence={}, made_at=clock.now(), made_by="operator",
        ))  # fmt: skip
        node = FleetNode(database, clock, tx, f"node-{new_id()[:8]}")
    node.says("eye-2", cases=5)
