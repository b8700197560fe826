"""Is it up, and can it score?"""

from dataclasses import asdict

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, shown
from backend.auth import Reach, allow
from backend.services.report_worker import readiness
from backend.wire import out
from pallor.release.shelf import Shelf, ShelfEmpty


def health_api(parts: Parts) -> APIBlueprint:
    """The routes of health."""
    bp = APIBlueprint(
        "health", __name__, url_prefix="/api/v1/health", abp_tags=[{"name": "health"}], abp_security=TOKEN_OR_SESSION
    )

    @bp.get("/live", responses=answers({200: out.LiveOut}))
    @allow(*Role, reach=Reach.NONE, unfinished=True)
    def live() -> Response:
        """This process answers"""
        return shown(out.LiveOut(live=True, world=parts.settings.world))

    @bp.get("/ready", responses=answers({200: out.ReadyOut, 503: out.ReadyOut}))
    @allow(*Role, reach=Reach.NONE, unfinished=True)
    def ready() -> Response:
        """A worker answered the golden photos with the active release, lately"""
        active = _active_release(parts)
        found = readiness(parts.database, parts.clock, active, parts.settings.ready_seconds)
        body = out.ReadyOut(
            ready=not found.faults,
            release_id=active,
            faults=list(found.faults),
            warnings=list(found.warnings),
            workers=[out.WorkerOut(**asdict(worker)) for worker in found.workers],
        )
        return shown(body, 503 if found.faults else 200)

    return bp


def _active_release(parts: Parts) -> str | None:
    if parts.settings.shelf is None:
        return None
    try:
        return Shelf(parts.settings.shelf).current_id()
    except ShelfEmpty:
        return None
