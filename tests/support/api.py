"""The API with real parts behind it, and a phone and a laboratory in front of it."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from backend.api.parts import Parts
from backend.app import create_app
from backend.auth import Role, create_token
from backend.db.engine import Database
from backend.settings import Settings
from pallor.ids import new_id
from pallor.messages import PredictCase
from pallor.store.folder import FolderStore
from tests.support.builders import a_case_body, a_result_body
from tests.support.clock import HandClock


@dataclass
class Api:
    """Requests as each role sends them; ``sent`` is what went to the queue."""

    app: Flask
    parts: Parts
    clock: HandClock
    sent: list[PredictCase]
    tokens: dict[str, str]

    def call(self, method: str, path: str, role: str | None = "field", **request: Any) -> TestResponse:
        headers = request.pop("headers", {})
        if role is not None:
            headers = {"Authorization": f"Bearer {self.tokens[role]}"} | headers
        return self.app.test_client().open(f"/api/v1{path}", method=method, headers=headers, **request)

    def put_case(self, case_id: str | None = None, **facts: Any) -> str:
        case_id = case_id or new_id()
        response = self.call("PUT", f"/cases/{case_id}", json=a_case_body(**facts))
        assert response.status_code in (200, 201), response.text
        return case_id

    def put_photo(self, case_id: str, data: bytes, photo_id: str | None = None, **changes: Any) -> TestResponse:
        """A photo in one piece; ``headers`` and ``query`` change what a good phone sends, None leaves a header out."""
        headers = {"Content-Type": "image/png", "Repr-Digest": repr_digest(data)} | changes.pop("headers", {})
        return self.call(
            "PUT",
            f"/cases/{case_id}/photos/{photo_id or new_id()}",
            data=data,
            query_string={"captured_at": "2026-11-01T12:00:00Z"} | changes.pop("query", {}),
            headers={name: value for name, value in headers.items() if value is not None},
            **changes,
        )

    def put_result(self, case_id: str, result_id: str | None = None, **facts: Any) -> TestResponse:
        return self.call("PUT", f"/lab-results/{result_id or new_id()}", "lab", json=a_result_body(case_id, **facts))

    def get(self, path: str, role: str = "admin") -> Any:
        response = self.call("GET", path, role)
        assert response.status_code == 200, response.text
        return response.json


def an_api(database: Database, folder: Any, **settings: Any) -> Api:
    clock, sent = HandClock(), []

    def send(message: PredictCase) -> bool:
        sent.append(message)
        return True

    values = {"database_url": "sqlite://", "store_url": f"file://{folder}", "broker_url": "redis://", "world": "real"}
    parts = Parts(Settings(**values | settings), database, FolderStore(folder), clock, send)
    tokens = {role.value: create_token(database, clock, f"test-{role}", role) for role in Role}
    return Api(create_app(parts), parts, clock, sent, tokens)


def repr_digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def the_fault(response: TestResponse) -> tuple[int, str, dict[str, str]]:
    """Status, code and first fault of a problem, after checking that it is a proper one."""
    assert response.content_type == "application/problem+json", response.text
    body = response.json
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:pallor:problem:{body['code']}"
    fault = body["faults"][0]
    assert all(fault[part] for part in ("field", "value", "reason", "remedy"))
    return response.status_code, body["code"], fault
