"""For administrators: the answers behind the advice, the labels, the releases."""

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, shown
from backend.auth import Reach, allow
from backend.services.read_records import list_labels, list_predictions, list_releases
from backend.services.withheld_labels import count_withheld, list_withheld
from backend.wire import cursors, out, received


def admin_api(parts: Parts) -> APIBlueprint:
    """The routes of administration."""
    bp = APIBlueprint(
        "admin", __name__, url_prefix="/api/v1", abp_tags=[{"name": "admin"}], abp_security=TOKEN_OR_SESSION
    )

    @bp.get("/predictions", responses=answers({200: out.PredictionPage}))
    @allow(Role.ADMIN, reach=Reach.LIST)
    def get_predictions(query: received.PageQuery) -> Response:
        """Every release's answer for every photo, and which one is shown"""
        cursor = cursors.read_cursor(query.cursor, 2)
        rows = list_predictions(parts.database, query.limit + 1, (cursor[0], cursor[1]) if cursor else None)
        page, after = cursors.cut(rows, query.limit, lambda row: (row.photo_id, row.release_id))
        return shown(out.PredictionPage(items=[show.prediction(row) for row in page], next=after))

    @bp.get("/labels", responses=answers({200: out.LabelPage}))
    @allow(Role.ADMIN, reach=Reach.LIST)
    def get_labels(query: received.PageQuery) -> Response:
        """Labels, oldest first; one that supersedes another names it"""
        rows = list_labels(parts.database, query.limit + 1, cursors.read_moment_cursor(query.cursor))
        page, after = cursors.cut(rows, query.limit, lambda row: (row.derived_at, row.id))
        return shown(out.LabelPage(items=[show.label(row) for row in page], next=after))

    @bp.get("/eligibility", responses=answers({200: out.EligibilityOut}))
    @allow(Role.ADMIN, Role.TRAINER, reach=Reach.NONE)
    def get_eligibility(query: out.SiteQuery) -> Response:
        """How many labels may teach a model, and why the others may not"""
        found = count_withheld(parts.database, site=query.site)
        return shown(out.EligibilityOut(eligible=found.eligible, withheld=found.withheld))

    @bp.get("/eligibility/<reason>", responses=answers({200: out.WithheldPage}))
    @allow(Role.ADMIN, reach=Reach.LIST)
    def get_withheld(path: out.ReasonPath, query: out.WithheldQuery) -> Response:
        """The cases behind a count, the one that has waited longest first"""
        after = cursors.read_moment_cursor(query.cursor)
        rows = list_withheld(parts.database, path.reason, query.limit + 1, after, site=query.site)
        page, next_ = cursors.cut(rows, query.limit, lambda row: (row.derived_at, row.id))
        return shown(out.WithheldPage(items=[show.withheld(row) for row in page], next=next_))

    @bp.get("/releases", responses=answers({200: out.ReleasePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_releases() -> Response:
        """The releases this server knows, with the protocol of each figure"""
        return shown(out.ReleasePage(items=[show.release(*found) for found in list_releases(parts.database)]))

    return bp
