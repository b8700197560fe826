"""Who is known, whom a rollout reaches, and what the nodes say of themselves; a silent one is stale, then lost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from backend.access.roles import DeviceKind, DeviceState
from backend.db.tables import device_sites, devices, node_releases, node_reports
from pallor.node_report import NodeReport
from pallor.release.channel import Channel, Cohort, bucket_of

STALE_AFTER, LOST_AFTER = timedelta(hours=24), timedelta(days=7)


@dataclass(frozen=True)
class KnownNode:
    """A node that was let in, and its last word."""

    device_id: str
    name: str
    sites: tuple[str, ...]
    report: NodeReport | None
    heard_at: datetime | None

    def voice(self, now: datetime) -> str:
        """``fresh`` | ``stale`` | ``lost``; what has never spoken is lost, too."""
        if self.heard_at is None or now - self.heard_at >= LOST_AFTER:
            return "lost"
        return "stale" if now - self.heard_at >= STALE_AFTER else "fresh"

    def reached_by(self, channel: Channel) -> bool:
        """True when a channel means this node."""
        return bucket_of(channel.rollout, self.name) < channel.share and self.belongs_to(channel.cohort)

    def belongs_to(self, cohort: Cohort) -> bool:
        """True when its sites and its hardware, as far as it has told, are those of a cohort."""
        return cohort.holds(self.sites, self.report.hardware if self.report else ())


@dataclass(frozen=True)
class Progress:
    """How far a rollout has come, in nodes.

    ``counts``: its golden photos were right, and it has answered since. ``trying``: it answers, and does not count yet.
    ``failed``: the node took it off again, for ``reasons``. ``waiting``: nothing was heard of it there.
    ``silent``: of those reached, stale or lost; they count for nothing and stop nothing.
    """

    known: int = 0
    reached: int = 0
    counts: int = 0
    trying: int = 0
    waiting: int = 0
    failed: int = 0
    silent: int = 0
    reasons: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reasons": dict(self.reasons or {})}


def known_nodes(tx: Connection) -> list[KnownNode]:
    """Every node that an administrator has let in and not retired."""
    sites: dict[str, list[str]] = {}
    for row in tx.execute(select(device_sites).order_by(device_sites.c.site)):
        sites.setdefault(row.device_id, []).append(row.site)
    query = (
        select(devices.c.id, devices.c.name, node_reports.c.report, node_reports.c.received_at)
        .outerjoin(node_reports, node_reports.c.device_id == devices.c.id)
        .where(devices.c.kind == DeviceKind.NODE.value, devices.c.state == DeviceState.ACTIVE.value)
        .where(devices.c.confirmed_at.is_not(None))
        .order_by(devices.c.name)
    )
    return [
        KnownNode(row.id, row.name, tuple(sites.get(row.id, ())),
                  None if row.report is None else NodeReport.from_json(row.report), row.received_at)
        for row in tx.execute(query)
    ]  # fmt: skip


def progress_of(tx: Connection, channel: Channel, since: datetime, now: datetime) -> Progress:
    """How far the channel's release has come, counted from when its rollout began."""
    release = node_releases.c.release_id == channel.release.release_id
    kept = {row.device_id: row for row in tx.execute(select(node_releases).where(release))}
    nodes = known_nodes(tx)
    said: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for node in nodes:
        if not node.reached_by(channel):
            continue
        row = kept.get(node.device_id)
        state = _state(row, since)
        if row is not None and state == "failed":
            reasons[row.failed_reason] = reasons.get(row.failed_reason, 0) + 1
        elif node.voice(now) != "fresh":
            state = "silent"
        said[state] = said.get(state, 0) + 1
    return Progress(len(nodes), sum(said.values()), reasons=reasons, **said)


def _state(row: Any, since: datetime) -> str:
    if row is None:
        return "waiting"
    if row.failed_at is not None and row.failed_at >= since:
        return "failed"
    return "counts" if row.counts_at is not None else "trying"
