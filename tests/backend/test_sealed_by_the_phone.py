"""What the phone's own code seals, under Node, the server opens and takes in."""

import base64
import json

from tests.support.api import repr_digest
from tests.support.phone_app import run_node
from tests.support.sealing import SEALED_AT, a_case_with_photos, send, the_jwk


def test_what_the_phone_seals_the_server_opens_and_takes_in(api):
    header, photos = a_case_with_photos()
    parts = header.pop("parts")
    sealed = [part | {"data": base64.b64encode(data).decode()} for part, data in zip(parts, photos, strict=True)]
    asked = {"jwk": the_jwk(api), "submission": header, "parts": [without_digest(part) for part in sealed]}
    done = run_node("tests/seal.js", data=json.dumps(asked).encode())
    assert done.returncode == 0, done.stderr.decode()
    blob = done.stdout
    assert len(blob) < sum(map(len, photos)) + 3000
    in_her_name = {"Pallor-Person": "nurse", "Sealed-At": SEALED_AT, "Repr-Digest": repr_digest(blob)}
    response = send(api, blob, header["submission_id"], "phone", headers=in_her_name)
    assert response.status_code == 201, response.text
    assert response.json["digests"] == {part["photo_id"]: part["sha256"] for part in parts}
    assert api.get(f"/cases/{header['case_id']}")["subject_code"] == header["body"]["subject_code"]


def without_digest(part):
    return {name: value for name, value in part.items() if name not in ("sha256", "bytes")}
