"""For laboratories: what they report, what becomes of it, and what is taken back."""

from typing import Any

from flask import Response
from flask_openapi import APIBlueprint
from pydantic import ValidationError

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, about, answers, caller, shown
from backend.api.sent_back import keep_what_is_refused, to_sent_back
from backend.auth import Reach, allow
from backend.problems import problem_of
from backend.services.decide_report import confirm_report, dismiss_report, list_reports, show_report
from backend.services.label_sheet import label_sheet
from backend.services.read_records import show_lab_result
from backend.services.receive_report import OPEN, Laboratory, Received, Sender, receive_report
from backend.services.retract_result import take_back
from backend.services.send_back import SentBack, send_back
from backend.services.specimen_barcode import new_barcode
from backend.services.submit_case import SiteNotYours
from backend.services.submit_lab_result import submit_lab_result
from backend.wire import cursors, lab, out, received
from pallor.errors import Refused

_STATUS = {"recorded": 201, "noted": 201, "waiting": 202, "worklist": 202}


class DecisionUnclear(Refused):
    """Neither a case nor a reason, or both."""


class ReasonMissing(Refused):
    """What was entered in error says why."""


def lab_api(parts: Parts) -> APIBlueprint:
    """The routes of the laboratory."""
    bp = APIBlueprint("lab", __name__, url_prefix="/api/v1", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION)
    keep_what_is_refused(bp, parts, {"put_lab_result": "json", "post_report": "json", "post_batch": "batch"})
    database, clock, settings = parts.database, parts.clock, parts.settings
    laboratory = Laboratory(database, clock, settings.label_table)

    @bp.put(
        "/lab-results/<result_id>",
        responses=answers({200: out.LabResultOut, 201: out.LabResultOut}, 404, 409, 410),
    )
    @allow(Role.LAB, reach=Reach.BODY)
    def put_lab_result(path: received.ResultPath, body: received.LabResultIn) -> Response:
        """Post a haemoglobin of a case that is here; the unit must be named, and the same again is 200

        What comes early, or names specimen or subject instead of the case, is posted as a report.
        """
        about(body.case_id)
        result = received.to_lab_result(path.result_id, body, clock.now())
        who = caller()
        created = submit_lab_result(database, clock, result, settings.label_table, within=who.sites, by=who.actor)
        return shown(show.lab_result(show_lab_result(database, path.result_id)), 201 if created else 200)

    @bp.get("/lab-results/<result_id>", responses=answers({200: out.LabResultOut}, 404))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH)
    def get_lab_result(path: received.ResultPath) -> Response:
        """A result as it was reported, with g/L beside it"""
        row = show_lab_result(database, path.result_id)
        about(row.case_id)
        return shown(show.lab_result(row))

    @bp.put("/lab-results/<result_id>/retraction", responses=answers({200: out.LabResultOut}, 404, 409))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH)
    def put_retraction(path: received.ResultPath, body: lab.RetractionIn) -> Response:
        """Take a result back: within minutes without a word, by whoever posted it; later with a reason

        It stays on record and counts no more; the label is retracted, or what it had corrected counts again.
        """
        if body.kind == "entered-in-error" and body.reason is None:
            raise ReasonMissing("a reason is kept with it", field="reason", value=None, remedy="Say what was wrong.")
        about(show_lab_result(database, path.result_id).case_id)
        take_back(
            database, clock, path.result_id, body.kind, body.reason, settings.label_table,
            grace_minutes=settings.take_back_minutes, by=caller().actor,
        )  # fmt: skip
        return shown(show.lab_result(show_lab_result(database, path.result_id)))

    @bp.post(
        "/lab-reports",
        responses=answers({200: lab.LabReportOut, 201: lab.LabReportOut, 202: lab.LabReportOut}, 410),
    )
    @allow(Role.LAB, reach=Reach.MATCH)
    def post_report(body: lab.LabReportIn) -> Response:
        """Report one measurement: 201 when it is settled, 202 while it waits for its case or for a human

        It is matched by the specimen's barcode or the case's id; what it says of age and sex must agree with the case.
        """
        done = receive_report(laboratory, lab.to_reported(body, clock.now()), sender())
        if done.case_id is not None:
            about(done.case_id)
        return shown(show.report(done), status_of(done))

    @bp.post("/lab-reports/batch", responses=answers({200: lab.LabBatchOut}))
    @allow(Role.LAB, reach=Reach.MATCH, large=True)
    def post_batch(body: lab.LabBatchIn) -> Response:
        """Report many measurements; each has its own answer, and what is wrong with one costs no other"""
        refused: list[SentBack] = []
        items = [_item(index, item, refused) for index, item in enumerate(body.items)]
        send_back(database, clock, sender(), refused)
        return shown(lab.LabBatchOut(items=items))

    def _item(index: int, item: Any, refused: list[SentBack]) -> lab.LabBatchItem:
        body = lab.read_item(item)
        try:
            if isinstance(body, ValidationError):
                raise body
            done = receive_report(laboratory, lab.to_reported(body, clock.now()), sender())
        except (Refused, ValidationError) as error:
            problem = problem_of(error)
            named = item if isinstance(item, dict) else {}
            refused.append(to_sent_back("batch", problem, index, named.get("specimen_barcode"), named.get("case_id")))
            return lab.LabBatchItem(index=index, status=problem.status, report=None, problem=problem.model_dump())
        return lab.LabBatchItem(index=index, status=status_of(done), report=show.report(done), problem=None)

    @bp.get("/lab-reports", responses=answers({200: lab.OpenReportPage}))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.LIST)
    def get_reports(query: lab.ReportQuery) -> Response:
        """Lines that are open, newest first: those that wait for their case, and those that a human has to settle"""
        states = OPEN if query.state is None else (query.state,)
        after = cursors.read_moment_cursor(query.cursor)
        within = caller().sites_with(query.site)
        found = list_reports(database, states, query.limit + 1, after, within=within)
        page, cursor = cursors.cut(found, query.limit, lambda one: (one[0].received_at, one[0].id))
        return shown(lab.OpenReportPage(items=[show.open_report(*one) for one in page], next=cursor))

    @bp.put("/lab-reports/<report_id>/decision", responses=answers({200: lab.LabReportOut}, 404, 409, 410))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH, human=True)
    def put_decision(path: lab.ReportPath, body: lab.DecisionIn) -> Response:
        """Settle an open line, with form and tube in hand: it is this case's, or none's

        What it says of age, sex and season must still be what the case says: amend the case first where that is wrong.
        """
        if (body.case_id is None) == (body.dismiss is None):
            raise DecisionUnclear(
                "either the case, or why it is none", field="case_id", value=body.case_id,
                remedy="Send case_id or dismiss.",
            )  # fmt: skip
        who = caller()
        if body.case_id is not None:
            about(body.case_id)
            confirm_report(laboratory, path.report_id, body.case_id, within=who.sites, by=who.actor)
        else:
            dismiss_report(laboratory, path.report_id, body.dismiss or "", by=who.actor)
        row, _ = show_report(database, path.report_id, within=who.sites)
        return shown(show.report(Received(row.id, row.state, row.reason, row.case_id, row.result_id)))

    @bp.post("/specimen-labels", responses=answers({}) | {"200": _PDF})
    @allow(Role.LAB, Role.FIELD, Role.ADMIN, reach=Reach.NONE)
    def post_labels(body: lab.LabelsIn) -> Response:
        """A sheet of fresh specimen labels to print, A4, 3 by 8; print it at its own size"""
        sheet = label_sheet([new_barcode() for _ in range(body.count)])
        return Response(sheet, 200, content_type="application/pdf")

    return bp


def sender() -> Sender:
    """Who sent the request that is being answered, as a laboratory; raises ``SiteNotYours`` where it has none."""
    who = caller()
    if not who.sites:
        raise SiteNotYours(
            "you belong to no site, so no case can be the one", field="site", value=None,
            remedy="Ask an administrator to let this system, or you, into a site.",
        )  # fmt: skip
    return Sender(who.person or who.device, who.sites, who.actor)


def status_of(done: Received) -> int:
    return 200 if done.repeated else _STATUS.get(done.state, 200)


_PDF = {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
