"""For administrators: what was sealed, refused and put aside."""

from typing import Any

from flask import Response
from flask_openapi import APIBlueprint
from sqlalchemy import Row

from backend.access.roles import Role
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.api.sealed import answer_of, receipt_for
from backend.api.submissions import take_in_blob
from backend.auth import Reach, allow
from backend.problems import Problem
from backend.services.look_after_put_aside import discard_put_aside, list_put_aside, note_another_try
from backend.services.receive_sealed import read_blob
from backend.wire import cursors, office, received, sealed


def put_aside_api(parts: Parts) -> APIBlueprint:
    """The routes of what was put aside."""
    bp = APIBlueprint(
        "put-aside", __name__, url_prefix="/api/v1", abp_tags=[{"name": "sealed"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock = parts.database, parts.clock

    @bp.get("/sealed", responses=answers({200: sealed.PutAsidePage}))
    @allow(Role.ADMIN, reach=Reach.NONE)
    def get_put_aside(query: received.PageQuery) -> Response:
        """What was refused and is kept, the newest first"""
        rows = list_put_aside(database, query.limit + 1, cursors.read_moment_cursor(query.cursor))
        page, after = cursors.cut(rows, query.limit, lambda row: (row.settled_at, row.id))
        return shown(sealed.PutAsidePage(items=[_item(row) for row in page], next=after))

    @bp.post(
        "/sealed/<submission_id>/another-try",
        responses=answers({200: sealed.SealedReceipt, 201: sealed.SealedReceipt}, 404, 409, 410),
    )
    @allow(Role.ADMIN, reach=Reach.PATH)
    def post_another_try(path: sealed.SealedPath, body: office.NothingIn) -> Response:  # noqa: ARG001  read from here
        """Try once more to take a submission in, in its sender's name: after a key came back, or a case it speaks of

        The answer is the receipt, or why it is refused still.
        """
        note_another_try(database, clock, path.submission_id, by=caller().actor)
        blob = read_blob(database, path.submission_id)
        if blob is not None and (taken := take_in_blob(parts, blob, lambda _field, _moment: None)):
            return receipt_for(taken)
        return answer_of(parts, path.submission_id)

    @bp.post("/sealed/<submission_id>/discard", responses=answers({200: sealed.DiscardedOut}, 404, 409))
    @allow(Role.ADMIN, reach=Reach.PATH)
    def post_discard(path: sealed.SealedPath, body: sealed.DiscardIn) -> Response:
        """Let go of a submission that was put aside; its phone is still told why it was refused"""
        discard_put_aside(database, clock, path.submission_id, body.reason, by=caller().actor)
        return shown(sealed.DiscardedOut(submission_id=path.submission_id, state="discarded"))

    return bp


def _item(row: Row[Any]) -> sealed.PutAside:
    kept = {name: row._mapping[name] for name in sealed.PutAside.model_fields if name in row._mapping}
    problem = Problem(**row.problem)
    return sealed.PutAside(
        **kept, submission_id=row.id, put_aside_at=row.settled_at, code=problem.code, detail=problem.detail
    )
