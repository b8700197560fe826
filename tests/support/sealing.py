"""A phone that seals: the container, the JWE and its frame, written apart from the server's own code."""

import base64
import json
from typing import Any

from joserfc import jwe
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from backend.api.submissions import take_in_blob
from backend.services.give_sealing_keys import give_sealing_keys
from backend.services.receive_sealed import Announced, receive_sealed
from pallor.digest import sha256_of
from pallor.ids import new_id
from tests.support.api import Api, repr_digest
from tests.support.builders import a_case_body
from tests.support.synthetic import a_good_png

SEALED_AT = "2026-11-01T12:30:00Z"


class _Registry(jwe.JWERegistry):
    max_ciphertext_length = 4_000_000


def the_jwk(api: Api, site: str = "kumasi-1") -> dict[str, Any]:
    keys = api.call("GET", "/sealing-keys").json["keys"]
    return next(key["jwk"] for key in keys if key["site"] == site)


def a_request(api: Api, site: str, submission_id: str) -> tuple[str, dict[str, Any]]:
    """Path and request that deliver a case of any site, as a phone of that site would."""
    ((_, jwk),) = give_sealing_keys(api.parts.database, api.clock, frozenset({site}), None, by="operator")
    header = a_header(submission_id=submission_id, site=site, body=a_case_body(site=site))
    blob = seal(jwk, a_container(header))
    headers = {"Content-Type": "application/vnd.pallor.sealed", "Repr-Digest": repr_digest(blob)}
    return f"/sealed/{submission_id}", {"data": blob, "headers": headers, "query_string": {"site": site}}


def put_aside_at(api: Api, site: str, blob: bytes = b"not sealed at all", submission_id: str | None = None) -> str:
    """A submission that cannot be taken in, put aside at a site; its id."""
    submission_id, parts = submission_id or new_id(), api.parts
    announced = Announced(submission_id, site, sha256_of(blob), len(blob))
    arrived = receive_sealed(parts.database, api.clock, announced, 0, blob, within=None, by="nurse@test-field")
    assert arrived is not None
    take_in_blob(parts, arrived, lambda *_: None)
    return submission_id


def seal(jwk: dict[str, Any], container: bytes, **header: Any) -> bytes:
    protected = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": jwk["kid"]} | header
    registry = _Registry(algorithms=["ECDH-ES", "A256GCM", "A128GCM", "DEF"])
    compact = jwe.encrypt_compact(protected, container, ECKey.import_key(jwk), registry=registry)
    protected_text, _, *rest = compact.split(".")
    iv, ciphertext, tag = (base64.urlsafe_b64decode(part + "==") for part in rest)
    return len(protected_text).to_bytes(2, "big") + protected_text.encode() + iv + ciphertext + tag


def a_container(header: dict[str, Any], *parts: bytes) -> bytes:
    text = json.dumps(header).encode()
    return b"PALLOR1\n" + len(text).to_bytes(4, "big") + text + b"".join(parts)


def a_part(data: bytes, **facts: Any) -> dict[str, Any]:
    part = {
        "photo_id": new_id(),
        "sha256": sha256_of(data),
        "bytes": len(data),
        "media_type": "image/png",
        "captured_at": "2026-11-01T12:00:00Z",
        "eye": "left",
        "role": "roi",
        "of": None,
        "capture": {"phone_model": "TECNO BG6", "torch": True, "source": "camera", "handles": [[0.1, 0.2]]},
    }
    return part | facts


def a_header(kind: str = "case", **facts: Any) -> dict[str, Any]:
    """The header of a case without photos, unless more is said."""
    header = {
        "submission_id": new_id(),
        "kind": kind,
        "site": "kumasi-1",
        "sealed_at": SEALED_AT,
        "case_id": new_id(),
        "body": a_case_body() if kind == "case" else None,
        "parts": [],
    }
    return header | facts


def a_case_with_photos(**facts: Any) -> tuple[dict[str, Any], list[bytes]]:
    """The header of a case with a region and its context, and their bytes."""
    photos = [a_good_png(seed=21), a_good_png(seed=22)]
    region = a_part(photos[0])
    context = a_part(photos[1], role="context", of=region["photo_id"])
    return a_header(parts=[region, context], **facts), photos


def send(api: Api, blob: bytes, submission_id: str, role: str = "field", **changes: Any) -> TestResponse:
    """A blob, or the piece of it between ``start`` and ``end``; ``headers`` change what a good phone sends."""
    start, end = changes.pop("start", 0), changes.pop("end", len(blob))
    headers = {
        "Content-Type": "application/vnd.pallor.sealed",
        "Repr-Digest": repr_digest(blob),
        "Upload-Offset": str(start),
        "Upload-Length": str(len(blob)),
    } | changes.pop("headers", {})
    query = {"site": changes.pop("site", "kumasi-1")}
    return api.call(
        "PUT", f"/sealed/{submission_id}", role, data=blob[start:end], query_string=query,
        headers={name: value for name, value in headers.items() if value is not None},
    )  # fmt: skip


def seal_and_send(api: Api, header: dict[str, Any], *parts: bytes, **changes: Any) -> TestResponse:
    blob = seal(the_jwk(api, header["site"]), a_container(header, *parts))
    return send(api, blob, header["submission_id"], **{"site": header["site"]} | changes)
