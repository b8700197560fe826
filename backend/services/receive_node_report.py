"""A node says what answers on it, signed with its own key; what it says of a release is kept."""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select, update

from backend.db.engine import Database
from backend.db.tables import devices, node_releases, node_reports
from pallor.clock import Clock
from pallor.errors import Refused
from pallor.node_report import NodeReport

# Installed is not running: a node counts once its golden photos were right, and it has answered for a while.
COUNT_CASES, COUNT_AFTER = 5, timedelta(hours=24)


class ReportOfAnother(Refused):
    """The report speaks of another device, or another world, than the one that sends it."""


class ReportNotSigned(Refused):
    """The signature was not made by the key with which this device came in."""


class ReportOld(Refused):
    """A newer report of this node is on record."""


def receive_node_report(database: Database, clock: Clock, device_id: str, report: NodeReport, signature: str,
                        world: str) -> bool:  # fmt: skip
    """Keep a node's word; True when it is new, False for the same again.

    Raises:
        ReportOfAnother, ReportNotSigned, ReportOld
    """
    with database.write() as tx:
        device = tx.execute(select(devices.c.name, devices.c.public_key).where(devices.c.id == device_id)).one()
        _check_whose(report, device.name, world)
        _check_signature(report, device.public_key, signature)
        there = tx.execute(select(node_reports).where(node_reports.c.device_id == device_id)).first()
        if there is not None and there.report == report.to_json():
            return False
        if there is not None and report.sequence <= there.sequence:
            raise ReportOld(
                f"report {there.sequence} of this node is on record", field="sequence", value=report.sequence,
                remedy="A node counts its reports; if its folder was put back from a copy, enrol it anew.",
            )  # fmt: skip
        now = clock.now()
        said = {"sequence": report.sequence, "report": report.to_json(), "received_at": now}
        if there is None:
            tx.execute(node_reports.insert().values(device_id=device_id, **said))
        else:
            tx.execute(update(node_reports).where(node_reports.c.device_id == device_id).values(**said))
        _keep_release(database, tx, device_id, report, now)
        _keep_failure(database, tx, device_id, report, now)
        return True


def counts(report: NodeReport) -> bool:
    """True when a node may be counted as one that runs its release."""
    if report.engine is None or report.release_id is None or report.since is None:
        return False
    return report.cases >= COUNT_CASES or report.sent_at - report.since >= COUNT_AFTER


def _keep_release(database: Database, tx: Connection, device_id: str, report: NodeReport, now: datetime) -> None:
    if report.release_id is None:
        return
    row = _row(database, tx, device_id, report.release_id)
    tx.execute(update(node_releases).where(row).values(since=report.since, cases=report.cases))
    if counts(report):
        tx.execute(update(node_releases).where(row, node_releases.c.counts_at.is_(None)).values(counts_at=now))


def _keep_failure(database: Database, tx: Connection, device_id: str, report: NodeReport, now: datetime) -> None:
    """A node says again and again which release it took off last: that is one failure, heard when it was new."""
    back = report.stepped_back
    if back is None:
        return
    row, there_at = _row(database, tx, device_id, back.release_id), node_releases.c.failed_there_at
    said = {"failed_at": now, "failed_there_at": back.at, "failed_reason": back.reason, "failed_said": back.said}
    heard = tx.execute(select(there_at).where(row)).scalar_one()
    if heard != back.at:
        tx.execute(update(node_releases).where(row).values(**said, counts_at=None))


def _row(database: Database, tx: Connection, device_id: str, release_id: str) -> Any:
    database.insert_once(tx, node_releases, {"device_id": device_id, "release_id": release_id, "cases": 0})
    return (node_releases.c.device_id == device_id) & (node_releases.c.release_id == release_id)


def _check_whose(report: NodeReport, name: str, world: str) -> None:
    for field, said, meant in (("device", report.device, name), ("world", report.world, world)):
        if said != meant:
            raise ReportOfAnother(
                f"this report is not of {meant}", field=field, value=said,
                remedy="Each node reports of itself alone, with the identity that enrolling gave it.",
            )  # fmt: skip


def _check_signature(report: NodeReport, public_key: str | None, signature: str) -> None:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key or ""))
        key.verify(base64.b64decode(signature, validate=True), report.signed_bytes())
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise ReportNotSigned(
            "this report was not signed by the key with which this device came in", field="signature",
            value="(hidden)", remedy="If the node's folder was exchanged, enrol it anew under another name.",
        ) from error  # fmt: skip
