"""For field staff: cases, photos, amendments, and the feed of what changed."""

from functools import partial

from flask import Response, request
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown
from backend.api.pieces import read_piece
from backend.auth import Reach, allow, check_before_end
from backend.services.amend_case import amend_case
from backend.services.read_records import list_cases, list_changes, show_amendment, show_case, show_receipt
from backend.services.receive_photo import photo_state, receive_piece
from backend.services.receive_report import Laboratory
from backend.services.settle_waiting import settle_waiting
from backend.services.submit_case import submit_case
from backend.services.take_in_photo import Declaration
from backend.wire import cursors, out, received
from pallor.image.decode import PhotoTooLarge, PhotoTypeMismatch

_PHOTO_TYPES = ("image/png", "image/jpeg", "image/webp")
_PHOTO_BODY = {
    "required": True,
    "description": "The photo, or the piece of it that begins at `Upload-Offset`",
    "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _PHOTO_TYPES},
}


def field_api(parts: Parts) -> APIBlueprint:
    """The routes of the field."""
    bp = APIBlueprint(
        "field", __name__, url_prefix="/api/v1", abp_tags=[{"name": "field"}], abp_security=TOKEN_OR_SESSION
    )
    intake = parts.intake
    limits = intake.limits
    laboratory = Laboratory(parts.database, parts.clock, parts.settings.label_table)
    cleared = parts.cleared

    @bp.put("/cases/<case_id>", responses=answers({200: out.CaseReceipt, 201: out.CaseReceipt}, 409, 410))
    @allow(Role.FIELD, reach=Reach.BODY, delivers=True)
    def put_case(path: received.CasePath, body: received.CaseIn) -> Response:
        """Submit a case; the same again is 200 and changes nothing"""
        case = received.to_case(path.case_id, body, parts.clock.now())
        check_before_end(caller(), "visited_at", case.visited_at)
        created = submit_case(parts.database, parts.clock, case, within=caller().sites, by=caller().actor)
        if created:
            settle_waiting(laboratory, case.id)  # cut off here, the sweeper does it
        row = show_receipt(parts.database, case.id)
        receipt = out.CaseReceipt(case_id=case.id, submitted_digest=row.submitted_digest, received_at=row.received_at)
        return shown(receipt, 201 if created else 200)

    @bp.get("/cases/<case_id>", responses=answers({200: out.CaseOut}, 404, 410))
    @allow(Role.FIELD, Role.ADMIN, reach=Reach.PATH)
    def get_case(path: received.CasePath) -> Response:
        """A case, its photos, what may be said about it, and its label"""
        return shown(show.case(show_case(parts.database, path.case_id, cleared), caller().sites))

    @bp.get("/cases", responses=answers({200: out.CasePage}))
    @allow(Role.FIELD, Role.ADMIN, reach=Reach.LIST)
    def get_cases(query: received.PageQuery) -> Response:
        """Cases, newest first"""
        cursor = cursors.read_moment_cursor(query.cursor)
        views = list_cases(parts.database, query.limit + 1, cursor, cleared, within=caller().sites)
        page, after = cursors.cut(views, query.limit, lambda one: (one.row.received_at, one.row.id))
        return shown(out.CasePage(items=[show.case(view, caller().sites) for view in page], next=after))

    @bp.put(
        "/cases/<case_id>/photos/<photo_id>",
        responses=answers({200: out.PhotoOut, 201: out.PhotoOut, 202: out.PhotoOut}, 404, 409, 410, 415),
        request_body=_PHOTO_BODY,
    )
    @allow(Role.FIELD, reach=Reach.PATH, delivers=True, takes=())
    def put_photo(path: received.PhotoPath, query: received.PhotoQuery, header: received.PieceHeaders) -> Response:
        """Send a photo, whole or from a byte on

        202 with `Upload-Offset` while bytes are missing, 201 when the last one came, 200 for one that is here already.
        After a cut, GET says where to go on.
        """
        _check_type(request.mimetype)
        received.check_captured_at(query.captured_at, parts.clock.now())
        check_before_end(caller(), "captured_at", query.captured_at)
        piece = read_piece(header, limits.max_bytes, partial(_too_large, limits.max_bytes))
        photo = Declaration(
            case_id=path.case_id,
            photo_id=path.photo_id,
            uploaded_sha256=received.to_sha256(header.repr_digest, "Repr-Digest"),
            bytes=piece.size,
            media_type=request.mimetype,
            captured_at=query.captured_at,
            eye=query.eye,
        )
        created = receive_piece(intake, photo, piece.offset, piece.data, by=caller().actor, whole=piece.whole)
        return _receipt(path, created)

    @bp.get("/cases/<case_id>/photos/<photo_id>", responses=answers({200: out.PhotoOut}, 404, 410))
    @allow(Role.FIELD, Role.ADMIN, reach=Reach.PATH, delivers=True)
    def get_photo(path: received.PhotoPath) -> Response:
        """How much of a photo is here, and what became of it; `Upload-Offset` says where to go on"""
        return _receipt(path, None)

    def _receipt(path: received.PhotoPath, created: bool | None) -> Response:
        row, held, same = photo_state(parts.database, path.case_id, path.photo_id)
        status = 201 if created else 202 if row.state == "uploading" and created is not None else 200
        who = caller()
        photo = show.photo(row, held, [], who.sites) if who.only_delivers else show.photo(row, held, same, who.sites)
        response = shown(photo.model_copy(update={"quality": None}) if who.only_delivers else photo, status)
        response.headers["Upload-Offset"] = str(held)
        return response

    @bp.put(
        "/cases/<case_id>/amendments/<amendment_id>",
        responses=answers({200: out.AmendmentOut, 201: out.AmendmentOut}, 404, 409, 410),
    )
    @allow(Role.FIELD, reach=Reach.PATH, delivers=True)
    def put_amendment(path: received.AmendmentPath, body: received.AmendmentIn) -> Response:
        """Correct facts of a case, with a reason; what they were stays on record and the label follows"""
        changes = received.to_changes(body, parts.clock.now())
        table = parts.settings.label_table
        created = amend_case(
            parts.database, parts.clock, path.case_id, path.amendment_id, changes, body.reason, table, by=caller().actor
        )
        if created:
            settle_waiting(laboratory, path.case_id)  # it may have been for this that a line of a report was kept
        row = show_amendment(parts.database, path.case_id, path.amendment_id)
        receipt = show.amendment(row)
        if caller().only_delivers:
            receipt = receipt.model_copy(update={"before": None, "after": None})
        return shown(receipt, 201 if created else 200)

    @bp.get("/changes", responses=answers({200: out.ChangePage}))
    @allow(Role.FIELD, Role.LAB, Role.ADMIN, reach=Reach.LIST)
    def get_changes(query: received.PageQuery) -> Response:
        """What is new or different since a cursor, oldest first"""
        cursor = cursors.read_number_cursor(query.cursor)
        rows = list_changes(parts.database, query.limit + 1, cursor, within=caller().sites)
        page = rows[: query.limit]
        after = cursors.show_cursor(str(page[-1].seq if page else cursor))
        return shown(out.ChangePage(items=[show.change(r) for r in page], next=after, more=len(rows) > query.limit))

    return bp


def _too_large(max_bytes: int, field: str, value: str) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"the photo is larger than {max_bytes:,} bytes", field=field, value=value,
        remedy="Crop it to the eyelid, or save it with a lower quality, and send it again.",
    )  # fmt: skip


def _check_type(media_type: str) -> None:
    if media_type not in _PHOTO_TYPES:
        raise PhotoTypeMismatch(
            "a photo is PNG, JPEG or WebP", field="Content-Type", value=media_type or None,
            remedy=f"Send it with Content-Type: {', '.join(_PHOTO_TYPES)}, whichever it is.",
        )  # fmt: skip
