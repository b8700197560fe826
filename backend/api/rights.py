"""The rights of the people in the photos: consent given and withdrawn at any time, and erasure."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow, check_before_end
from backend.services.erase import erase_subject, list_erasures, show_erasure
from backend.services.record_consent import record_consent, show_statement
from backend.wire import cursors, received, rights


def rights_api(parts: Parts) -> APIBlueprint:
    """The routes of consent and erasure."""
    bp = APIBlueprint(
        "rights", __name__, url_prefix="/api/v1", abp_tags=[{"name": "rights"}], abp_security=TOKEN_OR_SESSION
    )
    table = parts.settings.label_table

    @bp.put(
        "/cases/<case_id>/consents/<consent_id>",
        responses=answers({200: rights.StatementOut, 201: rights.StatementOut}, 404, 409, 410),
    )
    @allow(Role.FIELD, Role.ADMIN, reach=Reach.PATH, delivers=True)
    def put_consent(path: rights.ConsentPath, body: rights.StatementIn) -> Response:
        """Give consent for a visit, or withdraw it for every visit of its person at this site

        Without consent to care no photo is accepted any more, and none that waits is scored; a laboratory's value is.
        Without consent to training, which withdrawing care withdraws too, no label of theirs teaches a model.
        """
        said = rights.to_consent(body, parts.clock.now())
        check_before_end(caller(), "at", said.at)
        created = record_consent(
            parts.database, parts.clock, path.case_id, path.consent_id, body.purpose, said, table,
            given=body.given, by=caller().actor,
        )  # fmt: skip
        return shown(show.statement(show_statement(parts.database, path.consent_id)), 201 if created else 200)

    @bp.put(
        "/erasures/<erasure_id>",
        responses=answers({200: rights.ErasureOut, 201: rights.ErasureOut}, 404, 409),
    )
    @allow(Role.ADMIN, reach=Reach.NONE)
    def put_erasure(path: rights.ErasurePath, body: rights.ErasureIn) -> Response:
        """Erase everything of a person at a site, for good

        Rows are gone when this answers, stored photos and traces on disk when `done_at` is set. The same again is 200:
        site and reason are compared; whom it was about is not, since nothing of that is kept.
        """
        created = erase_subject(
            parts.database, parts.clock, path.erasure_id, body.site, body.subject_code, body.reason, table,
            by=caller().actor,
        )  # fmt: skip
        return shown(show.erasure(show_erasure(parts.database, path.erasure_id)), 201 if created else 200)

    @bp.get("/erasures", responses=answers({200: rights.ErasurePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_erasures(query: received.PageQuery) -> Response:
        """What was erased, on request and by retention, newest first"""
        rows = list_erasures(parts.database, query.limit + 1, cursors.read_moment_cursor(query.cursor))
        page, after = cursors.cut(rows, query.limit, lambda row: (row.asked_at, row.id))
        return shown(rights.ErasurePage(items=[show.erasure(row) for row in page], next=after))

    return bp
