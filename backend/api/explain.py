"""Why a photo got its answer: where the release looked, and which confirmed cases it holds to be alike.

For administrators; for laboratories once a value of the case stands. The field sees neither.
"""

from dataclasses import asdict

from flask import Response
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.auth import Reach, allow
from backend.services.draw_heat_map import OPACITY, Drawing, Explanation, draw_heat_map, explain, legend
from backend.services.find_nearest_cases import find_nearest_cases
from backend.wire import explain as wire
from backend.wire import received

_PICTURE = {
    "description": "The photo at its stored size with the map over its region",
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
}
_MEANING = (
    "Where this release saw anaemia, in logits: above 0 for it, below 0 against it. The mean of the whole map is the "
    "logit of the probability; what lies around the region counts, too, and is not drawn. It tells what the model went "
    "by, not where disease is."
)


def explain_api(parts: Parts) -> APIBlueprint:
    """The routes of explanations."""
    bp = APIBlueprint(
        "explain", __name__, url_prefix="/api/v1", abp_tags=[{"name": "explain"}], abp_security=TOKEN_OR_SESSION
    )
    drawing = Drawing(parts.database, parts.store)
    photo = "/cases/<case_id>/photos/<photo_id>"

    @bp.get(f"{photo}/explanation", responses=answers({200: wire.ExplanationOut}, 404, 409, 410))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH)
    def get_explanation(path: received.PhotoPath, query: wire.ExplainedQuery) -> Response:
        """Which release answered and what, and how to read its heat map"""
        found = _explained(path, query)
        return shown(
            wire.ExplanationOut(
                **path.model_dump(),
                release_id=found.answer.release_id,
                shown=found.answer.shown,
                probability=found.answer.probability,
                cam=found.cam.tolist(),
                legend=_legend(found.limit),
            )
        )

    @bp.get(f"{photo}/heat-map", responses=answers({}, 404, 409, 410, 502) | {"200": _PICTURE})
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH)
    def get_heat_map(path: received.PhotoPath, query: wire.ExplainedQuery) -> Response:
        """Where the release saw anaemia, over the photo; `explanation` holds the legend"""
        return Response(draw_heat_map(drawing, _explained(path, query)), content_type="image/png")

    @bp.get(f"{photo}/nearest-cases", responses=answers({200: wire.NearestOut}, 404, 409, 410))
    @allow(Role.LAB, Role.ADMIN, reach=Reach.PATH)
    def get_nearest_cases(path: received.PhotoPath, query: wire.NearestQuery) -> Response:
        """The confirmed cases whose photos this release holds to be most like this one"""
        found = find_nearest_cases(
            parts.database, path.case_id, path.photo_id, query.release_id, query.limit,
            within=caller().sites, blind=_blind(),
        )  # fmt: skip
        items = [wire.NeighbourOut(**asdict(one)) for one in found.neighbours]
        return shown(
            wire.NearestOut(**path.model_dump(), release_id=found.release_id, compared=found.compared, items=items)
        )

    def _explained(path: received.PhotoPath, query: wire.ExplainedQuery) -> Explanation:
        return explain(parts.database, path.case_id, path.photo_id, query.release_id, blind=_blind())

    return bp


def _blind() -> bool:
    return caller().role is Role.LAB


def _legend(limit: float) -> wire.LegendOut:
    steps = [wire.StepOut(value=value, colour=colour) for value, colour in legend(limit)]
    return wire.LegendOut(meaning=_MEANING, opacity=OPACITY, steps=steps)
