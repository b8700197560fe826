"""For laboratories: a confirmed haemoglobin for a case."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, about, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.read_records import show_lab_result
from backend.services.submit_lab_result import submit_lab_result
from backend.wire import out, received


def lab_api(parts: Parts) -> APIBlueprint:
    """The routes of the laboratory."""
    bp = APIBlueprint("lab", __name__, url_prefix="/api/v1", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION)

    @bp.put(
        "/lab-results/<result_id>",
        responses=answers({200: out.LabResultOut, 201: out.LabResultOut}, 404, 409, 410),
    )
    @allow(Role.LAB, reach=Reach.BODY)
    def put_lab_result(path: received.ResultPath, body: received.LabResultIn) -> Response:
        """Post a haemoglobin; the unit must be named, and the same again is 200 and changes nothing"""
        about(body.case_id)
        result = received.to_lab_result(path.result_id, body, parts.clock.now())
        table = parts.settings.label_table
        who = caller()
        created = submit_lab_result(parts.database, parts.clock, result, table, within=who.sites, by=who.actor)
        return shown(show.lab_result(show_lab_result(parts.database, path.result_id)), 201 if created else 200)

    @bp.get("/lab-results/<result_id>", responses=answers({200: out.LabResultOut}, 404))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH)
    def get_lab_result(path: received.ResultPath) -> Response:
        """A result as it was reported, with g/L beside it"""
        row = show_lab_result(parts.database, path.result_id)
        about(row.case_id)
        return shown(show.lab_result(row))

    return bp
