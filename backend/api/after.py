"""After the visit: whom to call back, and critical values that somebody must acknowledge."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.acknowledge_alert import acknowledge_alert
from backend.services.alerts import list_alerts, show_alert
from backend.services.list_follow_ups import list_follow_ups, show_follow_up
from backend.services.record_follow_up import record_follow_up
from backend.wire import cursors, follow_up, received


def after_api(parts: Parts) -> APIBlueprint:
    """The routes of what comes after a visit."""
    bp = APIBlueprint(
        "after", __name__, url_prefix="/api/v1", abp_tags=[{"name": "after"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock = parts.database, parts.clock

    @bp.put(
        "/cases/<case_id>/follow-ups/<follow_up_id>",
        responses=answers({200: follow_up.FollowUpOut, 201: follow_up.FollowUpOut}, 404, 409, 410),
    )
    @allow(Role.FIELD, reach=Reach.PATH)
    def put_follow_up(path: follow_up.FollowUpPath, body: follow_up.FollowUpIn) -> Response:
        """Say how it stands with a case; the newest word stands"""
        received.check_not_ahead("at", body.at, clock.now())
        with database.write() as tx:
            created = record_follow_up(
                database, tx, clock, path.case_id, path.follow_up_id, body.state, body.at, body.note, by=caller().actor
            )
        row = show_follow_up(database, path.case_id, path.follow_up_id)
        return shown(show.follow_up(row), 201 if created else 200)

    @bp.get("/follow-ups", responses=answers({200: follow_up.FollowUpPage}))
    @allow(Role.FIELD, Role.ADMIN, reach=Reach.LIST)
    def get_follow_ups(query: follow_up.FollowUpQuery) -> Response:
        """Cases to follow up, the newest visit first"""
        after = cursors.read_moment_cursor(query.cursor)
        found = list_follow_ups(
            database, query.limit + 1, after, within=caller().sites, site=query.site, state=query.state
        )
        page, next_ = cursors.cut(found, query.limit, lambda one: (one.row.received_at, one.row.id))
        return shown(follow_up.FollowUpPage(items=[show.followed(one) for one in page], next=next_))

    @bp.get("/alerts", responses=answers({200: follow_up.AlertPage}))
    @allow(Role.FIELD, Role.ADMIN, reach=Reach.LIST)
    def get_alerts(query: follow_up.AlertQuery) -> Response:
        """Values below 70 g/L that stand, the newest first"""
        after = cursors.read_moment_cursor(query.cursor)
        rows = list_alerts(database, query.limit + 1, after, within=caller().sites, state=query.state)
        page, next_ = cursors.cut(rows, query.limit, lambda row: (row.since, row.result_id))
        return shown(follow_up.AlertPage(items=[show.alert_item(row) for row in page], next=next_))

    @bp.put(
        "/cases/<case_id>/alerts/<result_id>/acknowledgement",
        responses=answers({200: follow_up.AlertOut, 201: follow_up.AlertOut}, 404, 410),
    )
    @allow(Role.FIELD, reach=Reach.PATH)
    def put_acknowledgement(path: follow_up.AlertPath, body: follow_up.AcknowledgementIn) -> Response:
        """Say that a critical value was seen; whoever says so first stands, later ones are 200"""
        received.check_not_ahead("at", body.at, clock.now())
        with database.write() as tx:
            first = acknowledge_alert(tx, clock, path.case_id, path.result_id, body.at, by=caller().actor)
        return shown(show.alert(show_alert(database, path.result_id)), 201 if first else 200)

    return bp
