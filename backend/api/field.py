"""For field staff: cases, photos, amendments, and the feed of what changed."""

from flask import Response, request
from flask_openapi import APIBlueprint

from backend.access.roles import Role
from backend.api import show
from backend.api.parts import TOKEN_OR_SESSION, Parts, answers, caller, shown, still_allowed
from backend.auth import Reach, allow, check_before_end
from backend.services.amend_case import amend_case
from backend.services.read_records import list_cases, list_changes, show_amendment, show_case, show_receipt
from backend.services.receive_photo import PieceChecksumMismatch, photo_state, receive_piece
from backend.services.signed_clearances import Cleared
from backend.services.submit_case import submit_case
from backend.services.take_in_photo import Declaration, Intake
from backend.wire import cursors, out, received
from pallor.digest import sha256_of
from pallor.image.decode import Limits, PhotoTooLarge, PhotoTypeMismatch

_PHOTO_TYPES = ("image/png", "image/jpeg", "image/webp")
_PHOTO_BODY = {
    "required": True,
    "description": "The photo, or the piece of it that begins at `Upload-Offset`",
    "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _PHOTO_TYPES},
}
_PIECE_BYTES = 64 * 1024


def field_api(parts: Parts) -> APIBlueprint:
    """The routes of the field."""
    bp = APIBlueprint(
        "field", __name__, url_prefix="/api/v1", abp_tags=[{"name": "field"}], abp_security=TOKEN_OR_SESSION
    )
    limits = Limits(max_bytes=parts.settings.max_photo_bytes)
    # A clearance counts in the real world, below a root that was pinned.
    pinned = parts.settings.root_metadata is not None and parts.settings.world == "real"
    cleared = Cleared((lambda: parts.repository) if pinned else None, parts.clock)
    intake = Intake(parts.database, parts.store, parts.clock, parts.send, limits, parts.settings.label_table)

    @bp.put("/cases/<case_id>", responses=answers({200: out.CaseReceipt, 201: out.CaseReceipt}, 409, 410))
    @allow(Role.FIELD, reach=Reach.BODY, delivers=True)
    def put_case(path: received.CasePath, body: received.CaseIn) -> Response:
        """Submit a case; the same again is 200 and changes nothing"""
        case = received.to_case(path.case_id, body, parts.clock.now())
        check_before_end(caller(), "visited_at", case.visited_at)
        created = submit_case(parts.database, parts.clock, case, within=caller().sites, by=caller().actor)
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
        page = views[: query.limit]
        last = page[-1].row if len(views) > query.limit else None
        after = cursors.show_cursor(last.received_at.isoformat(), last.id) if last else None
        return shown(out.CasePage(items=[show.case(view, caller().sites) for view in page], next=after))

    @bp.put(
        "/cases/<case_id>/photos/<photo_id>",
        responses=answers({200: out.PhotoOut, 201: out.PhotoOut, 202: out.PhotoOut}, 404, 409, 410, 415),
        request_body=_PHOTO_BODY,
    )
    @allow(Role.FIELD, reach=Reach.PATH, delivers=True)
    def put_photo(path: received.PhotoPath, query: received.PhotoQuery, header: received.PhotoHeaders) -> Response:
        """Send a photo, whole or from a byte on

        202 with `Upload-Offset` while bytes are missing, 201 when the last one came, 200 for one that is here already.
        After a cut, GET says where to go on.
        """
        _check_type(request.mimetype)
        received.check_captured_at(query.captured_at, parts.clock.now())
        check_before_end(caller(), "captured_at", query.captured_at)
        said = header.upload_length or header.upload_offset + (request.content_length or 0)
        if said > limits.max_bytes:
            raise _too_large(limits.max_bytes, "Upload-Length", f"{said:,} bytes")
        if header.upload_length is None and "Transfer-Encoding" in request.headers:
            raise received.UploadLengthMissing(
                "a chunked body does not say how long the photo is", field="Upload-Length", value=None,
                remedy="Send Upload-Length, the size of the whole photo in bytes.",
            )  # fmt: skip
        data, whole = _body(limits.max_bytes)
        still_allowed()  # a body can take minutes
        if whole and header.content_digest is not None:
            _check_piece(header.content_digest, data)
        photo = Declaration(
            case_id=path.case_id,
            photo_id=path.photo_id,
            uploaded_sha256=received.to_sha256(header.repr_digest, "Repr-Digest"),
            bytes=_whole_size(header, request.content_length),
            media_type=request.mimetype,
            captured_at=query.captured_at,
            eye=query.eye,
        )
        created = receive_piece(intake, photo, header.upload_offset, data, by=caller().actor, whole=whole)
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


def _whole_size(header: received.PhotoHeaders, sent: int | None) -> int | None:
    """The size of the whole photo, as far as this request tells: a first piece that names none is the whole."""
    if header.upload_length is None and header.upload_offset == 0:
        return sent
    return header.upload_length


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


def _check_piece(content_digest: str, data: bytes) -> None:
    promised, found = received.to_sha256(content_digest, "Content-Digest"), sha256_of(data)
    if promised != found:
        raise PieceChecksumMismatch(
            f"the {len(data)} bytes of this piece have the digest {found}", field="Content-Digest", value=promised,
            remedy="Send this piece again; the ones before it are kept.",
        )  # fmt: skip


def _body(max_bytes: int) -> tuple[bytes, bool]:
    """What came of the request's body, and whether it came whole; a cut connection costs nothing that arrived."""
    data = bytearray()
    try:
        while piece := request.stream.read(_PIECE_BYTES):
            data += piece
            if len(data) > max_bytes:
                raise _too_large(max_bytes, "body", f"over {max_bytes:,} bytes")
    except PhotoTooLarge:
        raise
    except Exception:  # whatever ends the stream early (a cut, a malformed chunk), what came before it is good
        return bytes(data), False
    return bytes(data), True
