"""FHIR R4 for laboratories: an Observation, a DiagnosticReport, or a bundle of them."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Response, request
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api.lab import sender, status_of
from backend.api.parts import TOKEN_OR_SESSION, Parts
from backend.api.sent_back import keep_what_is_refused, line_names, to_sent_back
from backend.auth import Reach, allow
from backend.problems import problem_of
from backend.services.receive_report import Laboratory, Received, receive_in, receive_report
from backend.services.send_back import SentBack, send_back
from backend.wire.fhir import Entry, parse, read_entries, read_results
from backend.wire.fhir_observation import Around
from backend.wire.fhir_out import (
    MEDIA_TYPE,
    bundle_answer,
    capability_statement,
    entry_answer,
    outcome_of_problem,
    outcome_of_report,
)
from backend.wire.lab_line import to_line
from pallor.errors import PallorError, Refused
from pallor.reported import ReportedHb

_TAKES = (MEDIA_TYPE, "application/json")
_ANY = {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
_ANSWERS: Any = dict.fromkeys(("200", "201", "202", "401", "403", "409", "410", "413", "422", "503"), _ANY)


class TransactionRefused(Refused):
    """One entry cannot be, so none is."""


def fhir_api(parts: Parts) -> APIBlueprint:
    """The routes of FHIR; their errors leave as OperationOutcome."""
    bp = APIBlueprint(
        "fhir", __name__, url_prefix="/api/v1/fhir", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION
    )
    keep_what_is_refused(
        bp, parts, {"post_observation": "fhir", "post_diagnostic_report": "fhir", "post_bundle": "fhir"}
    )
    clock, settings = parts.clock, parts.settings
    laboratory = Laboratory(parts.database, clock, settings.label_table)
    zone = settings.lab_time_zone

    @bp.get("/metadata", responses=dict.fromkeys(("200", "401", "403", "422", "503"), _ANY))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.NONE)
    def get_metadata() -> Response:
        """The CapabilityStatement"""
        return _shown(capability_statement(version("pallor"), f"{settings.address}/api/v1/fhir", clock.now()))

    @bp.post("/Observation", request_body=_ANY, responses=_ANSWERS)
    @allow(Role.LAB, reach=Reach.MATCH, takes=_TAKES)
    def post_observation() -> Response:
        """Take in one haemoglobin; its identifier makes it once"""
        return _take("Observation")

    @bp.post("/DiagnosticReport", request_body=_ANY, responses=_ANSWERS)
    @allow(Role.LAB, reach=Reach.MATCH, takes=_TAKES)
    def post_diagnostic_report() -> Response:
        """Take in the haemoglobins that a report contains"""
        return _take("DiagnosticReport")

    @bp.post("", request_body=_ANY, responses=_ANSWERS)
    @allow(Role.LAB, reach=Reach.MATCH, takes=_TAKES, large=True)
    def post_bundle() -> Response:
        """Take in a bundle: in a batch each entry is by itself, in a transaction all are taken or none"""
        bundle = parse(request.get_data(), "Bundle")
        entries = read_entries(bundle, zone)
        answers = _batch(entries) if bundle["type"] == "batch" else _transaction(entries)
        return _shown(bundle_answer(bundle["type"], answers))

    def _take(kind: str) -> Response:
        resource = parse(request.get_data(), kind)
        given = read_results(resource, zone, request.headers.get("If-None-Exist"), Around())
        line_names(*((given[0].barcode, given[0].case_id) if len(given) == 1 else (None, None)))
        lines = [to_line(one, clock.now()) for one in given]
        with parts.database.write() as tx:
            done = [receive_in(laboratory, tx, line, sender()) for line in lines]
        first = done[0]
        response = _shown(outcome_of_report(first.state, first.reason), max(status_of(one) for one in done))
        response.headers["Location"] = f"{settings.address}/api/v1/fhir/{kind}/{first.report_id}"
        return response

    def _batch(entries: list[Entry]) -> list[dict[str, Any]]:
        refused: list[SentBack] = []
        answers = [_alone(number, entry, refused) for number, entry in enumerate(entries)]
        send_back(parts.database, clock, sender(), refused)
        return answers

    def _alone(number: int, entry: Entry, refused: list[SentBack]) -> dict[str, Any]:
        try:
            done = [receive_report(laboratory, line, sender()) for line in _lines(entry)]
        except Refused as refusal:
            named = [(one.barcode, one.case_id) for one in entry.results if len(entry.results) == 1]
            refused.append(to_sent_back("fhir", problem_of(refusal), number, *(named[0] if named else ())))
            return _refused(refusal)
        return _done(done)

    def _transaction(entries: list[Entry]) -> list[dict[str, Any]]:
        answers = []
        with parts.database.write() as tx:
            for number, entry in enumerate(entries):
                try:
                    answers.append(_done([receive_in(laboratory, tx, line, sender()) for line in _lines(entry)]))
                except Refused as refusal:
                    raise TransactionRefused(
                        f"entry {number}: {refusal.reason}; nothing was recorded", field=f"Bundle.entry[{number}]",
                        value=refusal.code(), remedy=refusal.remedy,
                    ) from refusal  # fmt: skip
        return answers

    def _lines(entry: Entry) -> list[ReportedHb]:
        if entry.refusal is not None:
            raise entry.refusal
        return [to_line(one, clock.now()) for one in entry.results]

    def _done(done: list[Received]) -> dict[str, Any]:
        if not done:
            return entry_answer("200 OK", outcome_of_report("not kept", None), clock.now())
        status = HTTPStatus(max(status_of(one) for one in done))
        outcome = outcome_of_report(done[0].state, done[0].reason)
        return entry_answer(f"{status.value} {status.phrase}", outcome, clock.now(), f"Observation/{done[0].report_id}")

    def _refused(refusal: PallorError) -> dict[str, Any]:
        problem = problem_of(refusal)
        outcome = outcome_of_problem(problem.model_dump())
        return entry_answer(f"{problem.status} {problem.title}", outcome, clock.now())

    return bp


def as_outcome(response: Response) -> Response:
    """A problem in the words of FHIR."""
    if response.mimetype == "application/problem+json":
        response.set_data(json.dumps(outcome_of_problem(response.get_json(force=True))))
        response.content_type = MEDIA_TYPE
    return response


def _shown(resource: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(resource), status, content_type=MEDIA_TYPE)
