"""The sealed door: what a phone sealed to its site's key comes in here, also while the phone is locked."""

from functools import partial
from typing import Any

from flask import Response, request
from flask_openapi import APIBlueprint
from pydantic import BaseModel

from backend.access.roles import Role
from backend.access.sealing import MAX_SEALED_BYTES
from backend.api.parts import TOKEN_OR_SESSION, Parts, about, answers, caller, shown
from backend.api.pieces import read_piece
from backend.api.submissions import TakenIn, take_in_blob
from backend.auth import Reach, allow, check_before_end
from backend.problems import Problem, told
from backend.services.give_sealing_keys import give_sealing_keys
from backend.services.manage_sites import list_sites
from backend.services.receive_sealed import (
    Announced,
    SealedTooLarge,
    SealedTypeMismatch,
    receive_sealed,
    show_sealed,
)
from backend.wire import received, sealed
from pallor.errors import Refused

_TYPE = "application/vnd.pallor.sealed"
_BODY = {
    "required": True,
    "description": "The blob, or the piece of it that begins at `Upload-Offset`",
    "content": {_TYPE: {"schema": {"type": "string", "format": "binary"}}},
}
_GOOD: dict[int, type[BaseModel]] = {200: sealed.SealedReceipt, 202: sealed.SealedProgress}


def sealed_api(parts: Parts) -> APIBlueprint:
    """The routes of what is sealed."""
    bp = APIBlueprint(
        "sealed", __name__, url_prefix="/api/v1", abp_tags=[{"name": "sealed"}], abp_security=TOKEN_OR_SESSION
    )
    database, clock = parts.database, parts.clock

    @bp.get("/sealing-keys", responses=answers({200: sealed.SealingKeys}))
    @allow(Role.FIELD, reach=Reach.LIST, delivers=True)
    def get_sealing_keys() -> Response:
        """The public key of each site, for a phone to seal to"""
        who = caller()
        passphrase = parts.settings.sealing_passphrase
        keys = give_sealing_keys(database, clock, who.sites or frozenset(), passphrase, by=who.actor)
        known = {row.code: row for row in list_sites(database)}
        listed = [
            sealed.SiteKey(
                site=site, jwk=sealed.PublicJwk(**jwk), practice=known[site].practice, altitude_m=known[site].altitude_m
            )
            for site, jwk in keys
        ]
        return shown(sealed.SealingKeys(keys=listed))

    @bp.put(
        "/sealed/<submission_id>",
        responses=answers(_GOOD | {201: sealed.SealedReceipt}, 404, 409, 410, 415),
        request_body=_BODY,
    )
    @allow(Role.FIELD, reach=Reach.BODY, delivers=True, takes=())
    def put_sealed(path: sealed.SealedPath, query: sealed.SealedQuery, header: received.PieceHeaders) -> Response:
        """Send what was sealed, whole or from a byte on

        202 with `Upload-Offset` while bytes are missing. With the last one it is opened, checked as the open routes
        check, and recorded in whole or not at all: 201 is the receipt. What was refused is kept here for an
        administrator; the answer is the problem, now and whenever it is asked for. `Sealed-State` tells
        `uploading`, `received`, `put-aside` and `discarded` apart.
        """
        _check_type(request.mimetype)
        piece = read_piece(header, MAX_SEALED_BYTES, _too_large)
        digest = received.to_sha256(header.repr_digest, "Repr-Digest")
        blob = Announced(path.submission_id, query.site, digest, piece.size)
        who = caller()
        arrived = receive_sealed(
            database, clock, blob, piece.offset, piece.data, within=who.sites, by=who.actor, whole=piece.whole
        )
        if arrived is not None and (taken := take_in_blob(parts, arrived, partial(check_before_end, who))):
            return receipt_for(taken)
        return answer_of(parts, path.submission_id)

    @bp.get("/sealed/<submission_id>", responses=answers(_GOOD, 404, 409, 410))
    @allow(Role.FIELD, reach=Reach.PATH, delivers=True)
    def get_sealed(path: sealed.SealedPath) -> Response:
        """How much of a submission is here, its receipt, or why it was refused"""
        return answer_of(parts, path.submission_id)

    return bp


def receipt_for(taken: TakenIn) -> Response:
    """The receipt of what this request has put on record, without reading there what it wrote."""
    blob = taken.blob
    return _receipt(blob.submission_id, blob.sealed_sha256, taken.case_id, taken.receipt, len(blob.data), 201)


def answer_of(parts: Parts, submission_id: str) -> Response:
    """How it stands with a submission."""
    row, held = show_sealed(parts.database, submission_id)
    if row.state == "received":
        return _receipt(row.id, row.sealed_sha256, row.case_id, row.receipt, held, 200)
    if row.case_id is not None:
        about(row.case_id)
    if row.state == "uploading":
        said = {"submission_id": row.id, "state": "uploading", "received_bytes": held, "bytes": row.bytes}
        response = shown(sealed.SealedProgress(**said), 202)
    else:
        response = told(Problem(**row.problem))
    return _with_state(response, row.state, held)


def _receipt(
    submission_id: str, sealed_sha256: str, case_id: str, receipt: dict[str, Any], size: int, status: int
) -> Response:
    about(case_id)
    known: dict[str, Any] = {"submission_id": submission_id, "sealed_sha256": sealed_sha256, "case_id": case_id}
    return _with_state(shown(sealed.SealedReceipt(**known, state="received", **receipt), status), "received", size)


def _with_state(response: Response, state: str, held: int) -> Response:
    response.headers["Upload-Offset"] = str(held)
    response.headers["Sealed-State"] = state
    return response


def _check_type(media_type: str) -> None:
    if media_type != _TYPE:
        raise SealedTypeMismatch(
            "this door takes what was sealed", field="Content-Type", value=media_type or None,
            remedy=f"Send it with Content-Type: {_TYPE}.",
        )  # fmt: skip


def _too_large(field: str, value: str) -> Refused:
    return SealedTooLarge(
        f"it is larger than {MAX_SEALED_BYTES:,} bytes", field=field, value=value,
        remedy="Crop the photos to the eyelid, or save them with a lower quality; more photos go by themselves.",
    )  # fmt: skip
