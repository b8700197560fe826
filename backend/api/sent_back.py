"""What was sent back to a laboratory, from every way in: kept here, listed here, looked after here."""

from collections.abc import Mapping
from typing import Any

from flask import Response, g, request
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow
from backend.problems import Problem
from backend.services.receive_report import Sender
from backend.services.send_back import SentBack, case_in, list_sent_back, look_after, send_back, tube_in
from backend.wire import cursors, office, sent_back
from backend.wire.sent_back import Way
from pallor.errors import shortened

_REFUSALS = (404, 409, 410, 422)
_NOT_HERE = ("case-erased", "not-found")  # what is not at the sender's sites is not named on its list either
_LONGEST = 300


def sent_back_api(parts: Parts) -> APIBlueprint:
    """The routes of what was sent back."""
    bp = APIBlueprint(
        "sent_back", __name__, url_prefix="/api/v1", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock = parts.database, parts.clock

    @bp.get("/lab-sent-back", responses=answers({200: sent_back.SentBackPage}))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.LIST)
    def get_sent_back(query: sent_back.SentBackQuery) -> Response:
        """Lines that were refused, by every way in, newest first; nothing of what they said but tube and case"""
        after = cursors.read_moment_cursor(query.cursor)
        rows = list_sent_back(database, query.limit + 1, after, looked_after=query.looked_after, within=caller().sites)
        page, cursor = cursors.cut(rows, query.limit, lambda row: (row.last_at, row.id))
        return shown(sent_back.SentBackPage(items=[show.sent_back(row) for row in page], next=cursor))

    @bp.put("/lab-sent-back/<sent_back_id>/looked-after", responses=answers({200: sent_back.SentBackOut}, 404))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH, human=True)
    def put_looked_after(path: sent_back.SentBackPath, body: office.NothingIn) -> Response:  # noqa: ARG001  read from here
        """Say that a line was looked after: sent again, or put right where it came from"""
        return shown(show.sent_back(look_after(database, clock, path.sent_back_id, by=caller().actor)))

    return bp


def to_sent_back(
    way: Way, problem: Problem, number: int | None = None, barcode: object = None, case_id: object = None
) -> SentBack:
    """As much of a refusal as may be kept: our words, never the sender's.

    Args:
        barcode, case_id: what the line said of them, whatever that is.
    """
    fault = problem.faults[0] if problem.faults else None
    nowhere = problem.code in _NOT_HERE
    return SentBack(
        way=way,
        number=number,
        code=problem.code,
        field=_field(problem.code, fault.field, fault.reason) if fault else "body",
        reason=shortened(fault.reason if fault else problem.title, _LONGEST),
        remedy=shortened(fault.remedy, _LONGEST) if fault else "",
        barcode=None if nowhere else tube_in(barcode),
        case_id=None if nowhere else case_in(case_id),
    )


def keep_what_is_refused(bp: APIBlueprint, parts: Parts, ways: Mapping[str, Way]) -> None:
    """Let whatever a whole request is refused for go onto the laboratory's list.

    Args:
        ways: by the routes of ``bp``, the way in that each is.
    """

    @bp.after_request
    def _keep(response: Response) -> Response:
        way = ways.get((request.endpoint or "").partition(".")[2])
        refused = response.status_code in _REFUSALS and response.mimetype == "application/problem+json"
        if way and refused and "caller" in g and (who := caller()).role is Role.LAB and who.sites:
            problem = Problem.model_validate_json(response.get_data())
            line = to_sent_back(way, problem, None, *g.get("line_names", _named_in_body()))
            sender = Sender(who.person or who.device, who.sites, who.actor)
            send_back(parts.database, parts.clock, sender, [line])
        return response


def line_names(barcode: object, case_id: object) -> None:
    """Tell of which tube or case the line is that is being looked at, should it be refused."""
    g.line_names = (barcode, case_id)


def _named_in_body() -> tuple[Any, Any]:
    try:
        body = request.get_json(silent=True) if request.is_json else None
    except RecursionError:  # nested deeper than anything that is read here, and refused for that
        body = None
    return (body.get("specimen_barcode"), body.get("case_id")) if isinstance(body, dict) else (None, None)


def _field(code: str, field: str, reason: str) -> str:
    """Where the fault stands; a name that we do not know is the sender's, and may be anybody's."""
    theirs = code == "text-unfit" or reason.startswith("Extra inputs")
    return "body" if theirs else shortened(field)
