"""The signed repository over HTTP, where no bucket or CDN stands in front: bytes of the store, from any byte on.

Anybody may read it: what is in it is signed, and holds nothing of a patient.
"""

import re
from collections.abc import Callable
from http import HTTPStatus

from flask import Response, request

from backend.api.parts import Parts
from backend.auth import allow_anyone
from pallor.store.port import KeyRefused, ObjectMissing

_BYTES = "application/octet-stream"
_FROM = re.compile(r"bytes=([0-9]{1,12})-")


def serve_repository(parts: Parts) -> Callable[[str], Response]:
    """The view of ``/tuf/<place>``."""

    @allow_anyone()
    def get_place(place: str) -> Response:
        try:
            data = parts.store.get(f"tuf/{place}")
        except (ObjectMissing, KeyRefused):
            return Response(status=HTTPStatus.NOT_FOUND)  # a few bytes: every poll of every node asks for the next root
        begins = _FROM.fullmatch(request.headers.get("Range", ""))
        start = int(begins[1]) if begins else 0
        if not 0 < start < len(data):
            return Response(data, content_type=_BYTES)
        answer = Response(data[start:], HTTPStatus.PARTIAL_CONTENT, content_type=_BYTES)
        answer.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return answer

    return get_place
