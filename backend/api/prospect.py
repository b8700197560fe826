"""What releases are worth: the prospective record, for administrators."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api.drift import drift_out
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, shown
from backend.auth import Reach, allow
from backend.record.report import clearance_json, csv_lines, figures_json, shares_json
from backend.services.drift_alarms import moved_cases
from backend.services.read_prospect import Prospect, draw_prospect, read_prospect
from backend.wire import prospect as wire

_DRAWING = {"description": "A drawing", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}
_TABLE = {"description": "One line a case", "content": {"text/csv": {"schema": {"type": "string"}}}}


def prospect_api(parts: Parts) -> APIBlueprint:
    """The routes of the record."""
    bp = APIBlueprint(
        "prospect", __name__, url_prefix="/api/v1", abp_tags=[{"name": "record"}], abp_security=TOKEN_OR_SESSION
    )

    @bp.get("/releases/<release_id>/record", responses=answers({200: wire.RecordOut}, 404))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_record(path: wire.ReleasePath) -> Response:
        """What a release said before anybody knew, against what the laboratory found; what it takes to clear it"""
        return shown(record_out(read_prospect(parts.database, parts.clock, path.release_id)))

    @bp.get("/releases/<release_id>/record.csv", responses=answers({}, 404) | {"200": _TABLE})
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_record_table(path: wire.ReleasePath) -> Response:
        """The cases that count, one a line"""
        found = read_prospect(parts.database, parts.clock, path.release_id)
        return Response(
            csv_lines(found.counted, moved_cases(found.counted, found.drift)), content_type="text/csv; charset=utf-8"
        )

    @bp.get("/releases/<release_id>/record.svg", responses=answers({}, 404) | {"200": _DRAWING})
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_record_plot(path: wire.ReleasePath) -> Response:
        """The record over time, by the week of the photo, with what has moved"""
        found = read_prospect(parts.database, parts.clock, path.release_id)
        return Response(draw_prospect(found), content_type="image/svg+xml")

    return bp


def record_out(found: Prospect) -> wire.RecordOut:
    """A record as it goes out."""
    return wire.RecordOut.model_validate(
        {
            "release_id": found.release_id,
            "known_since": found.known_since,
            "threshold": found.threshold,
            **figures_json(found.counted),
            "left_out": dict(found.left_out),
            "blood": shares_json(found.sent, found.never_came),
            "refused_by_hb": {band: {"photos": n, "refused": bad} for band, (n, bad) in found.refusals.items()},
            "drift": [drift_out(row) for row in found.drift],
            "clearance": clearance_json(found.counted),
        }
    )
