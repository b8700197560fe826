"""Alarms that something has moved, for administrators, and for the trainer, who may learn from it."""

from typing import Any

from flask import Response
from flask_openapi import APIBlueprint
from sqlalchemy import Row

from backend.access.roles import Role
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.drift_alarms import acknowledge_drift, list_drift_alarms, show_drift_alarm, state_of
from backend.wire import cursors
from backend.wire import drift as wire


def drift_api(parts: Parts) -> APIBlueprint:
    """The routes of drift."""
    bp = APIBlueprint(
        "drift", __name__, url_prefix="/api/v1", abp_tags=[{"name": "record"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock = parts.database, parts.clock

    @bp.get("/drift", responses=answers({200: wire.DriftPage}))
    @allow(Role.ADMIN, Role.TRAINER, reach=Reach.NONE)
    def get_drift(query: wire.DriftQuery) -> Response:
        """What has moved, the newest alarm first: what photos look like, what is said of them, how far that was true"""
        after = cursors.read_moment_cursor(query.cursor)
        rows = list_drift_alarms(
            database, query.limit + 1, after, release_id=query.release_id, state=query.state, since=query.since
        )
        page, next_ = cursors.cut(rows, query.limit, lambda row: (row.raised_at, row.id))
        return shown(wire.DriftPage(items=[drift_out(row) for row in page], next=next_))

    @bp.put("/drift/<alarm_id>/acknowledgement", responses=answers({200: wire.DriftOut, 201: wire.DriftOut}, 404))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_acknowledgement(path: wire.DriftPath, body: wire.SeenIn) -> Response:
        """Say that an alarm was seen, and what came of it; whoever says so first stands, later ones are 200

        What is new is what is usual from then on: the same line is watched anew.
        """
        first = acknowledge_drift(database, clock, path.alarm_id, body.note, by=caller().actor)
        return shown(drift_out(show_drift_alarm(database, path.alarm_id)), 201 if first else 200)

    return bp


def drift_out(row: Row[Any]) -> wire.DriftOut:
    """An alarm as it goes out."""
    same = {name: getattr(row, name) for name in wire.DriftOut.model_fields if name not in ("where", "place", "state")}
    return wire.DriftOut(**same, where=row.place_kind, place=row.place or None, state=state_of(row))
