"""Rollouts: administrators move channels, nodes say what answers on them."""

from typing import Any

from flask import Response
from flask_openapi import APIBlueprint
from sqlalchemy import Row

from backend.access.roles import Role
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.move_rollout import Plan, advance_rollout, halt_rollout, roll_back, start_rollout
from backend.services.read_rollouts import list_fleet, list_words, show_rollout
from backend.services.receive_node_report import receive_node_report
from backend.wire import cursors, received, rollouts
from pallor.release.channel import Channel


def rollouts_api(parts: Parts) -> APIBlueprint:
    """The routes of rollouts."""
    bp = APIBlueprint(
        "rollouts", __name__, url_prefix="/api/v1", abp_tags=[{"name": "rollouts"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock = parts.database, parts.clock

    def told(channel: str, status: int = 200) -> Response:
        return shown(_rollout(*show_rollout(database, clock, channel)), status)

    @bp.get("/rollouts/<channel>", responses=answers({200: rollouts.RolloutOut}, 404))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_rollout(path: rollouts.ChannelPath) -> Response:
        """How far a channel's rollout has come, and what speaks against it"""
        return told(path.channel)

    @bp.get("/rollouts/<channel>/history", responses=answers({200: rollouts.HistoryPage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_history(path: rollouts.ChannelPath, query: received.PageQuery) -> Response:
        """What was in production when, by whom and on what evidence, oldest first"""
        after = cursors.read_number_cursor(query.cursor)
        rows = list_words(database, path.channel, query.limit + 1, after)
        page, more = cursors.cut(rows, query.limit, lambda row: (row.seq,))
        return shown(rollouts.HistoryPage(items=[_word(row) for row in page], next=more))

    @bp.post("/rollouts/<channel>/start", responses=answers({201: rollouts.RolloutOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def post_start(path: rollouts.ChannelPath, body: rollouts.StartIn) -> Response:
        """Let a release that people have signed reach the first nodes"""
        plan = Plan(body.release_id, body.percent, rollouts.to_cohort(body), body.challenger_id, body.note)
        start_rollout(database, clock, parts.repository, path.channel, plan, by=caller().actor)
        return told(path.channel, 201)

    @bp.post("/rollouts/<channel>/advance", responses=answers({201: rollouts.RolloutOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def post_advance(path: rollouts.ChannelPath, body: rollouts.AdvanceIn) -> Response:
        """Let it reach more nodes"""
        advance_rollout(database, clock, path.channel, body.percent, body.note, by=caller().actor)
        return told(path.channel, 201)

    @bp.post("/rollouts/<channel>/halt", responses=answers({201: rollouts.RolloutOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def post_halt(path: rollouts.ChannelPath, body: rollouts.ReasonIn) -> Response:
        """Let no more nodes take it; those that have it keep it"""
        halt_rollout(database, clock, path.channel, body.reason, by=caller().actor)
        return told(path.channel, 201)

    @bp.post("/rollouts/<channel>/rollback", responses=answers({201: rollouts.RolloutOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def post_rollback(path: rollouts.ChannelPath, body: rollouts.ReasonIn) -> Response:
        """Let every node of the channel run the previous release again"""
        roll_back(database, clock, path.channel, body.reason, by=caller().actor)
        return told(path.channel, 201)

    @bp.get("/nodes", responses=answers({200: rollouts.NodePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_nodes() -> Response:
        """Every node that was let in, and its newest word"""
        return shown(rollouts.NodePage(items=[_node(*one) for one in list_fleet(database, clock)]))

    @bp.post("/node-reports", responses=answers({200: rollouts.NodeReportOut, 201: rollouts.NodeReportOut}, 409))
    @allow(Role.NODE, reach=Reach.NONE)
    def post_node_report(body: rollouts.NodeReportIn) -> Response:
        """Say what answers on this node, signed with its own key; the same again is 200"""
        report = rollouts.to_node_report(body.report)
        device_id = str(caller().device_id)
        new = receive_node_report(database, clock, device_id, report, body.signature, parts.settings.world)
        return shown(rollouts.NodeReportOut(sequence=report.sequence), 201 if new else 200)

    return bp


def _rollout(row: Row[Any], running: bool, progress: Any, against: str | None) -> rollouts.RolloutOut:
    said = rollouts.ProgressOut(**progress.to_json())
    return rollouts.RolloutOut(word=_word(row), running=running, progress=said, against=against)


def _word(row: Row[Any]) -> rollouts.WordOut:
    said = Channel.from_json(row.content)
    kept = {name: row._mapping[name] for name in rollouts.WordOut.model_fields if name in row._mapping}
    return rollouts.WordOut(
        **kept,
        share=said.share,
        sites=list(said.cohort.sites),
        hardware=list(said.cohort.hardware),
        challenger_id=None if said.challenger is None else said.challenger.release_id,
        note=said.note,
    )


def _node(node: Any, voice: Any) -> rollouts.NodeOut:
    report = node.report and node.report.to_json()
    return rollouts.NodeOut(name=node.name, sites=list(node.sites), voice=voice, heard_at=node.heard_at, report=report)
