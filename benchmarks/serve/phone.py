"""A phone as the app is: a case with a photo of each eye, sealed when it is finished, sent later in one request."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from joserfc import jwe
from joserfc.jwk import ECKey

from pallor.clock import utc_text
from pallor.digest import sha256_of
from pallor.ids import new_id

TYPE = "application/vnd.pallor.sealed"
_EYES = ("right", "left")


class _Registry(jwe.JWERegistry):
    max_ciphertext_length = 2_000_000


_REGISTRY = _Registry(algorithms=["ECDH-ES", "A256GCM"])


@dataclass(frozen=True)
class Sealed:
    """``blob``: what goes over the line, with these headers."""

    submission_id: str
    blob: bytes = field(repr=False)

    def headers(self) -> dict[str, str]:
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return {
            "Content-Type": TYPE,
            "Repr-Digest": f"sha-256=:{digest}:",
            "Upload-Offset": "0",
            "Upload-Length": str(len(self.blob)),
        }


def seal_case(jwk: Mapping[str, Any], body: Mapping[str, Any], photos: Sequence[bytes]) -> Sealed:
    """A case and its photos, one or two, sealed to a site's key.

    Args:
        body: as ``PUT /cases/<id>`` takes it.
    """
    now = utc_text(datetime.now(UTC))
    header = {
        "submission_id": new_id(),
        "kind": "case",
        "site": body["site"],
        "sealed_at": now,
        "case_id": new_id(),
        "body": body,
        "parts": [_part(data, eye, now) for eye, data in zip(_EYES, photos, strict=False)],
    }
    text = json.dumps(header).encode()
    container = b"PALLOR1\n" + len(text).to_bytes(4, "big") + text + b"".join(photos)
    return Sealed(str(header["submission_id"]), _sealed(jwk, container))


def _part(data: bytes, eye: str, now: str) -> dict[str, Any]:
    return {
        "photo_id": new_id(),
        "sha256": sha256_of(data),
        "bytes": len(data),
        "media_type": "image/png",
        "captured_at": now,
        "eye": eye,
        "role": "roi",
        "of": None,
        "capture": {"phone_model": "benchmark", "torch": True, "source": "camera", "handles": [[0.1, 0.2]]},
    }


def _sealed(jwk: Mapping[str, Any], container: bytes) -> bytes:
    """The compact JWE without its base64, as the door takes it (``backend.access.sealing``)."""
    protected = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": jwk["kid"]}
    compact = jwe.encrypt_compact(protected, container, ECKey.import_key(dict(jwk)), registry=_REGISTRY)
    header, _, *rest = compact.split(".")
    parts = (base64.urlsafe_b64decode(part + "==") for part in rest)
    return len(header).to_bytes(2, "big") + header.encode() + b"".join(parts)
