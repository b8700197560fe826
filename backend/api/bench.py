"""For the technician at the bench: whose tube this is, what a line would do, and what the day brought."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.lab import sender
from backend.api.parts import TOKEN_OR_SESSION, Parts, about, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.list_specimens import find_specimens, list_expected
from backend.services.read_lab_day import read_lab_day
from backend.services.receive_report import foresee_report
from backend.wire import bench, cursors, lab


def bench_api(parts: Parts) -> APIBlueprint:
    """The routes of the bench."""
    bp = APIBlueprint(
        "bench", __name__, url_prefix="/api/v1", abp_tags=[{"name": "lab"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock, settings = parts.database, parts.clock, parts.settings

    @bp.get("/lab-specimens", responses=answers({200: bench.SpecimenPage}))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.LIST)
    def get_specimens(query: bench.SpecimenQuery) -> Response:
        """Cases whose blood may still come, newest first; with `number` the case of a tube, also when a value is in"""
        if query.number is not None:
            found = find_specimens(database, query.number, within=caller().sites)
            return shown(bench.SpecimenPage(items=[show.specimen(one) for one in found], next=None))
        after = cursors.read_moment_cursor(query.cursor)
        within = caller().sites_with(query.site)
        found = list_expected(database, clock, query.limit + 1, after, only_tubes=query.only_tubes, within=within)
        page, cursor = cursors.cut(found, query.limit, lambda one: (one.received_at, one.case.id))
        return shown(bench.SpecimenPage(items=[show.specimen(one) for one in page], next=cursor))

    @bp.post("/lab-reports/preview", responses=answers({200: bench.LinePreviewOut}, 410))
    @allow(Role.LAB, reach=Reach.MATCH)
    def post_line_preview(body: lab.LabReportIn) -> Response:
        """See what would become of one measurement, and what its value is in g/L; nothing is written"""
        line = lab.to_reported(body, clock.now())
        with database.read() as connection:
            fate = foresee_report(connection, line, sender())
        if fate.case_id is not None:
            about(fate.case_id)
        return shown(show.line_preview(line, fate))

    @bp.get("/lab-day", responses=answers({200: bench.DayOut}))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.LIST)
    def get_day(query: bench.DayQuery) -> Response:
        """The day sheet: every value that was entered, corrected or taken back, and who did it"""
        zone = settings.lab_time_zone
        entries = read_lab_day(database, query.day, zone, within=caller().sites_with(query.site))
        return shown(bench.DayOut(day=query.day, time_zone=zone.key, entries=[show.day_entry(one) for one in entries]))

    return bp
