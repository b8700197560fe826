"""The node's word about itself, signed, and how it reaches the server. A server that is away hears it next time."""

import base64
import logging
import platform
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pallor.clock import Clock
from pallor.digest import sha256_of_file
from pallor.errors import PallorError, shortened
from pallor.node_report import LONGEST, EngineWord, NodeReport, Stepped
from pallor.release.serving import served
from pallor.release.shelf import CHALLENGER, CURRENT, Shelf
from sync.identity import Identity, exchange_token, read_identity, token_age
from sync.journal import Journal
from sync.server import Server

log = logging.getLogger(__name__)

_MINUTE = 60
_RENEW_AFTER = timedelta(days=30)

Send = Callable[[dict[str, Any]], None]


def make_report(identity: Identity, journal: Journal, shelf: Shelf, now: datetime) -> NodeReport:
    """What is to be said now."""
    release_id = shelf.named(CURRENT)
    back = journal.stepped_back
    return NodeReport(
        device=identity.device,
        # A failing disk may have lost the last one; by the clock it is higher all the same.
        sequence=max(journal.sequence + 1, int(now.timestamp() // _MINUTE)),
        sent_at=now,
        world=identity.world,
        release_id=release_id,
        manifest=None if release_id is None else _manifest(shelf, release_id),
        rollout=journal.rollout,
        since=journal.since,
        cases=0 if release_id is None else served(shelf.root, release_id).cases,
        trial=journal.trial is not None,
        engine=_engine(journal),
        challenger=shelf.named(CHALLENGER),
        stepped_back=None if back is None else Stepped(back.release_id, back.reason, back.said, back.at),
        stale_since=journal.stale_since,
        hardware=journal.have,
        versions={
            "pallor": version("pallor"),
            "python": platform.python_version(),
            "machine": platform.machine() or "unknown",
        },
        disk_free_bytes=shutil.disk_usage(shelf.root).free,
        errors=journal.errors,
    )


def sealed(report: NodeReport, key: Ed25519PrivateKey) -> dict[str, Any]:
    """The report with the signature that shows whose word it is."""
    signature = base64.b64encode(key.sign(report.signed_bytes())).decode()
    return {"report": report.to_json(), "signature": signature}


def send_to(folder: Path, clock: Clock) -> Send:
    """Hand reports to the server, as who the folder says; what ``Server.ask`` and ``read_identity`` raise."""

    def send(body: dict[str, Any]) -> None:
        identity = _renewed(folder, clock)
        Server(identity.address).ask("POST", "/node-reports", body, token=identity.token)

    return send


def _renewed(folder: Path, clock: Clock) -> Identity:
    """Who this node is, with a new token once a month: a token lasts a year, and a node much longer."""
    identity = read_identity(folder)
    if token_age(folder, clock.now()) < _RENEW_AFTER:
        return identity
    try:
        answer = Server(identity.address).ask("POST", "/session/rotation", {}, token=identity.token)
        return exchange_token(folder, identity, str(answer["token"]))
    except (PallorError, KeyError) as error:  # the old one is good until the new one is used
        log.warning("the token is not renewed", extra={"fault": str(error)})
        return identity


def _engine(journal: Journal) -> EngineWord | None:
    facts = journal.probed
    if facts is None:
        return None
    return EngineWord(
        flavour=str(facts["flavour"]),
        version=str(facts["version"]),
        precision=str(facts["precision"]),
        model_digest=str(facts["model_digest"]),
        max_difference=float(facts["max_difference"]),
        golden=tuple(float(p) for p in facts["golden"]),
        fallback=None if facts["fallback"] is None else shortened(facts["fallback"], LONGEST),
    )


def _manifest(shelf: Shelf, release_id: str) -> str | None:
    path: Path = shelf.folder_of(release_id) / "manifest.json"
    return sha256_of_file(path) if path.exists() else None
