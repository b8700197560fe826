"""The API document is valid, and the running server keeps what it promises, whatever it is sent."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask_openapi import APIBlueprint
from openapi_spec_validator import validate

from backend.access.roles import Role
from backend.app import RouteWithoutRule, create_app
from backend.db.engine import Database
from backend.services.register_release import register_release
from backend.services.report_worker import report_worker
from pallor.clock import SystemClock
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release
from tests.support.api import let_in
from tests.support.builders import a_report
from tests.support.fleet import a_running_rollout
from tests.support.repository import a_repository
from tests.support.web import web_server

EXAMPLES = os.environ.get("PALLOR_API_EXAMPLES", "2")
BIN = Path(sys.executable).parent
HOOKS = Path(__file__).parents[1] / "support" / "schemathesis_hooks.py"


def test_the_document_is_openapi_3_1_and_valid(api):
    document = api.app.test_client().get("/api/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_operation_documents_its_problems(api):
    document = api.app.test_client().get("/api/v1/openapi.json").json
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "put"}:
            for status in ("401", "403", "422"):
                content = item[method]["responses"][status]["content"]
                kind = "fhir+json" if "/fhir" in path else "problem+json"
                assert list(content) == [f"application/{kind}"], (path, method)


@pytest.mark.slow
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_fault_of_ours_and_no_broken_promise_for_generated_requests(server, api, role):
    """Schemathesis against gunicorn, with the routes that let the role in: what the others say of it is told by
    ``test_matrix``. Left out is its check that whatever the schema allows is accepted: that a pregnant
    boy, or a haemoglobin of 130 g/dL, is refused is more than a JSON schema can say. Signing out is left out as well:
    what comes after it would only be turned away."""
    url, tokens = server
    command = [
        BIN / "schemathesis", "run", f"{url}/api/v1/openapi.json", "-H", f"Authorization: Bearer {tokens[role]}",
        "--max-examples", EXAMPLES, "--exclude-checks", "positive_data_acceptance", "--seed", "7", "--no-color",
        "--exclude-method", "DELETE",
        *(word for name in sorted(operations_of(api, role)) for word in ("--include-name", name)),
        "--generation-database", "none", "--suppress-health-check", "all",
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_each_operation_is_tried_by_one_role_at_least(api):
    document = api.app.test_client().get("/api/v1/openapi.json").json
    named = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert named <= {name for role in Role for name in operations_of(api, role)}


def operations_of(api, role) -> set[str]:
    """What lets the role in, or asks nobody, by the names of the document."""
    rules, names = api.app.extensions["rules"], set()
    for route in api.app.url_map.iter_rules():
        rule = rules.get(route.endpoint)
        if rule is not None and (not rule.roles or role in rule.roles):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)
            names |= {f"{method} {path}" for method in route.methods - {"HEAD", "OPTIONS"}}
    return names


@pytest.fixture(scope="module")
def server(migrated_sqlite, tmp_path_factory):
    """gunicorn with a worker's report and a running rollout on record; its address and a token of each role."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "pallor.db").write_bytes(migrated_sqlite.read_bytes())
    url = f"sqlite:///{folder}/pallor.db"
    database, clock = Database(url), SystemClock()
    tokens = let_in(database, clock)
    release = Release.open(bootstrap_folder())
    register_release(database, clock, release, "real")
    report_worker(database, clock, a_report(release.release_id))
    a_running_rollout(database, clock, "main")
    with web_server(folder, PALLOR_READY_SECONDS="3600") as address:
        a_repository(folder / "store", clock).release("eye-1", folder / "eye-1")
        yield address, tokens


def test_a_route_that_does_not_say_who_may_use_it_stops_the_start(api, monkeypatch):
    def planted(parts):
        blueprint = APIBlueprint("planted", __name__, url_prefix="/api/v1")
        blueprint.get("/planted")(lambda: "")
        return blueprint

    monkeypatch.setattr("backend.app.health_api", planted)
    with pytest.raises(RouteWithoutRule, match="planted"):
        create_app(api.parts)
