"""A body that is a piece of something larger: read as far as it came, over a network that cuts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import request

from backend.api.parts import still_allowed
from backend.services.keep_pieces import PieceChecksumMismatch
from backend.wire import received
from pallor.digest import sha256_of
from pallor.errors import Refused

_READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Piece:
    """``size``: of the whole, None where this piece does not say. ``whole``: False when it broke off."""

    offset: int
    data: bytes = field(repr=False)
    size: int | None
    whole: bool


def read_piece(header: received.PieceHeaders, most: int, too_large: Callable[[str, str], Refused]) -> Piece:
    """The piece that this request brings; the caller is asked for again, since a body can take minutes.

    Args:
        most: bytes of the whole. too_large: makes the refusal of more, from a field and what stood there.

    Raises:
        what ``too_large`` makes; UploadLengthMissing, PieceChecksumMismatch, DigestUnreadable
    """
    said = header.upload_length or header.upload_offset + (request.content_length or 0)
    if said > most:
        raise too_large("Upload-Length", f"{said:,} bytes")
    if header.upload_length is None and "Transfer-Encoding" in request.headers:
        raise received.UploadLengthMissing(
            "a chunked body does not say how long the whole is", field="Upload-Length", value=None,
            remedy="Send Upload-Length, the size of the whole in bytes.",
        )  # fmt: skip
    began = time.perf_counter()
    data, whole = body(most, too_large)
    still_allowed(began)
    if whole and header.content_digest is not None:
        _check(header.content_digest, data)
    return Piece(header.upload_offset, data, _whole_size(header, request.content_length), whole)


def body(most: int, too_large: Callable[[str, str], Refused]) -> tuple[bytes, bool]:
    """What came of the request's body, and whether it came whole; a cut connection costs nothing that arrived."""
    data = bytearray()
    while True:
        try:
            piece = request.stream.read(_READ_BYTES)
        except Exception:  # whatever ends the stream early (a cut, a malformed chunk), what came before it is good
            return bytes(data), False
        if not piece:
            return bytes(data), True
        data += piece
        if len(data) > most:
            raise too_large("body", f"over {most:,} bytes")


def _whole_size(header: received.PieceHeaders, sent: int | None) -> int | None:
    """The size of the whole, as far as this request tells: a first piece that names none is the whole."""
    if header.upload_length is None and header.upload_offset == 0:
        return sent
    return header.upload_length


def _check(content_digest: str, data: bytes) -> None:
    promised, found = received.to_sha256(content_digest, "Content-Digest"), sha256_of(data)
    if promised != found:
        raise PieceChecksumMismatch(
            f"the {len(data)} bytes of this piece have the digest {found}", field="Content-Digest", value=promised,
            remedy="Send this piece again; the ones before it are kept.",
        )  # fmt: skip
