"""The API with real parts behind it, and a phone and a laboratory in front of it."""

import base64
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask
from sqlalchemy import Table, select, update
from werkzeug.test import TestResponse

from backend.access.roles import ROLES_WITH_SITES, DeviceKind, Role
from backend.access.throttle import Report, Throttle
from backend.api.parts import Parts
from backend.app import create_app
from backend.db.engine import Database
from backend.db.tables import deployment, device_people, devices, metadata, people
from backend.services.manage_devices import add_device
from backend.services.manage_people import add_person
from backend.services.manage_sites import put_site
from backend.services.report_guessing import report_guessing
from backend.services.sessions import issue_token
from backend.services.signed_clearances import Cleared
from backend.services.submit_case import submit_case
from backend.settings import Settings
from pallor.ids import new_id
from pallor.messages import PredictCase
from pallor.store.folder import FolderStore
from tests.support.builders import a_case, a_case_body, a_report_body, a_result_body
from tests.support.clock import HandClock


@dataclass
class Api:
    """Requests as each role sends them; ``sent`` is what went to the queue.

    A nurse on a phone and a technician at a laboratory's system, both of the sites ``kumasi-1`` and ``school`` (where
    people practise); an administrator's console, the trainer, a node; nobody here belongs to ``tamale-1``.
    """

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
            changes.pop("token", "field"),
            data=data,
            query_string={"captured_at": "2026-11-01T12:00:00Z"} | changes.pop("query", {}),
            headers={name: value for name, value in headers.items() if value is not None},
            **changes,
        )

    def put_case_of_operator(self) -> str:
        """A case at the own site that no request brought."""
        case = a_case(site=OWN)
        submit_case(self.parts.database, self.clock, case, within=None, by="operator")
        return case.id

    def put_result(self, case_id: str, result_id: str | None = None, **facts: Any) -> TestResponse:
        return self.call("PUT", f"/lab-results/{result_id or new_id()}", "lab", json=a_result_body(case_id, **facts))

    def report(self, **facts: Any) -> TestResponse:
        """A line of a report, from the laboratory's system."""
        return self.call("POST", "/lab-reports", "lab", json=a_report_body(**facts))

    def decide(self, report_id: str, **said: Any) -> TestResponse:
        """A technician settles what the system alone could not."""
        token = technician(self)
        return self.call(
            "PUT", f"/lab-reports/{report_id}/decision", None, json=said, headers={"Authorization": f"Bearer {token}"}
        )  # fmt: skip

    def get(self, path: str, role: str = "admin") -> Any:
        response = self.call("GET", path, role)
        assert response.status_code == 200, response.text
        return response.json


def an_api(
    database: Database,
    folder: Any,
    throttle_of: Callable[[Report], Throttle] | None = None,
    **settings: Any,
) -> Api:
    api = _without_callers(database, folder, throttle_of, settings)
    return replace(api, tokens=let_in(database, api.clock))


class Standing:
    """An API that is made once, on a database that is emptied for each test: only what it keeps is made anew."""

    def __init__(self, database: Database, folder: Path, callers: "Callers", settings: dict[str, Any]) -> None:
        self._api, self._folder, self._callers = _without_callers(database, folder, None, settings), folder, callers

    def anew(self) -> Api:
        """With an empty store and queue, nobody counted at the doors, and who may call let in."""
        api = self._api
        shutil.rmtree(self._folder)
        FolderStore(self._folder)
        api.parts.throttle._own.reset()
        api.sent.clear()
        api.clock.turn_to(self._callers.let_in_until)
        with api.parts.database.write() as tx:
            for table, rows in self._callers.rows:
                tx.execute(table.insert(), rows)
        return replace(api, tokens=dict(self._callers.tokens))


def _without_callers(
    database: Database, folder: Any, throttle_of: Callable[[Report], Throttle] | None, settings: dict[str, Any]
) -> Api:
    clock, sent = HandClock(), []

    def send(*messages: PredictCase) -> bool:
        sent.extend(messages)
        return True

    values = {"database_url": "sqlite://", "store_url": f"file://{folder}", "broker_url": "redis://", "world": "real"}
    throttle = (throttle_of or partial(Throttle, None))(lambda what, who: report_guessing(database, clock, what, who))
    parts = Parts(Settings(**values | settings), database, FolderStore(folder), clock, send, throttle)
    return Api(create_app(parts), parts, clock, sent, {})


INVESTIGATIONAL = Cleared(None, HandClock())  # nobody has cleared anything
OWN, FOREIGN, PRACTICE = "kumasi-1", "tamale-1", "school"
_KINDS = {
    Role.FIELD: DeviceKind.PHONE,
    Role.LAB: DeviceKind.LAB_SYSTEM,
    Role.ADMIN: DeviceKind.CONSOLE,
    Role.TRAINER: DeviceKind.TRAINER,
    Role.NODE: DeviceKind.NODE,
}
_A_YEAR = timedelta(days=365)


def signed_in(database: Database, clock: Any, name: str, phone: str, sites: frozenset[str]) -> str:
    """A nurse with an account, signed in on a phone: the token of both."""
    add_person(database, clock, name, Role.FIELD, sites, by="operator")
    with database.write() as tx:
        tx.execute(update(people).where(people.c.name == name).values(one_time_until=None))
        nurse = tx.execute(select(people.c.id).where(people.c.name == name)).scalar_one()
        phone_id = tx.execute(select(devices.c.id).where(devices.c.name == phone)).scalar_one()
        tx.execute(device_people.insert().values(device_id=phone_id, person_id=nurse, since=clock.now()))
        return issue_token(tx, clock, _A_YEAR, person_id=nurse, device_id=phone_id).token


def technician(api: Api) -> str:
    """Somebody with an account, signed in on the laboratory's system: the token of both."""
    name, here = f"technician-{new_id()[:8]}", frozenset({OWN, PRACTICE})
    add_person(api.parts.database, api.clock, name, Role.LAB, here, by="operator")
    with api.parts.database.write() as tx:
        tx.execute(update(people).where(people.c.name == name).values(one_time_until=None))
        who = tx.execute(select(people.c.id).where(people.c.name == name)).scalar_one()
        system = tx.execute(select(devices.c.id).where(devices.c.name == "test-lab")).scalar_one()
        return issue_token(tx, api.clock, _A_YEAR, person_id=who, device_id=system).token


def let_in(database: Database, clock: Any) -> dict[str, str]:
    """Sites, devices and a nurse on the phone; the token of each role."""
    for code in (OWN, FOREIGN, PRACTICE):
        put_site(database, clock, code, practice=code == PRACTICE, retention_days=None, by="operator")
    here = frozenset({OWN, PRACTICE})
    tokens = {}
    for role, kind in _KINDS.items():
        sites = here if role in ROLES_WITH_SITES else frozenset()
        tokens[role.value] = add_device(database, clock, f"test-{role}", kind, sites, _A_YEAR, by="operator").token
    with database.write() as tx:
        tx.execute(update(devices).where(devices.c.kind == "node").values(confirmed_at=clock.now()))
    tokens["phone"] = tokens["field"]
    tokens["field"] = signed_in(database, clock, "nurse", "test-field", here)
    return tokens


@dataclass(frozen=True)
class Callers:
    """What ``let_in`` gives, as rows: written once more they let the same in, in a tenth of the time."""

    tokens: dict[str, str]
    rows: list[tuple[Table, list[dict[str, Any]]]]
    let_in_until: datetime


def who_calls(migrated: Path) -> Callers:
    """Let everybody into a copy of an empty database in this file."""
    with TemporaryDirectory() as folder:
        path, clock = Path(folder) / "pallor.db", HandClock()
        shutil.copy(migrated, path)
        database = Database(f"sqlite:///{path}")
        tokens = let_in(database, clock)
        with database.read() as connection:
            rows = [
                (table, [dict(row) for row in connection.execute(select(table)).mappings()])
                for table in metadata.sorted_tables
                if table is not deployment
            ]
        database.close()
    return Callers(tokens, [(table, of) for table, of in rows if of], clock.now())


def staff_of(api: Api, site: str) -> tuple[str, str]:
    """Tokens of a nurse and a laboratory who belong to this site alone."""
    database, clock = api.parts.database, api.clock
    here, name = frozenset({site}), f"{site}-{new_id()[:8]}"
    add_device(database, clock, f"phone-{name}", DeviceKind.PHONE, here, _A_YEAR, by="operator")
    lab = add_device(database, clock, f"lab-{name}", DeviceKind.LAB_SYSTEM, here, _A_YEAR, by="operator")
    return signed_in(database, clock, f"nurse-{name}", f"phone-{name}", here), lab.token


def repr_digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def code_in(response: TestResponse) -> str | None:
    """The stable name of what went wrong, as a problem or as an OperationOutcome of FHIR tells it."""
    said = response.json or {}
    if said.get("resourceType") == "OperationOutcome":
        return str(said["issue"][0]["details"]["coding"][0]["code"])
    return said.get("code")


def the_fault(response: TestResponse) -> tuple[int, str, dict[str, str]]:
    """Status, code and first fault of a problem, after checking that it is a proper one."""
    assert response.content_type == "application/problem+json", response.text
    body = response.json
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:pallor:problem:{body['code']}"
    fault = body["faults"][0]
    assert all(fault[part] for part in ("field", "value", "reason", "remedy"))
    return response.status_code, body["code"], fault
