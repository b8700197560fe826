"""The web application: its parts joined by hand, in one place."""

import logging
import re
import time
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from flask import Flask, Response, g, request
from flask_openapi import Info, OpenAPI
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from backend.api.admin import admin_api
from backend.api.after import after_api
from backend.api.doors import doors_api, oidc_api
from backend.api.drift import drift_api
from backend.api.explain import explain_api
from backend.api.fhir import as_outcome, fhir_api
from backend.api.field import field_api
from backend.api.health import health_api
from backend.api.hl7 import hl7_api
from backend.api.lab import lab_api
from backend.api.office import enrolment_api, office_api
from backend.api.parts import Parts
from backend.api.prospect import prospect_api
from backend.api.put_aside import put_aside_api
from backend.api.repository import serve_repository
from backend.api.rights import rights_api
from backend.api.rollouts import rollouts_api
from backend.api.sealed import sealed_api
from backend.api.sheets import sheets_api
from backend.api.training import training_api
from backend.api.web import BUILT, serve_web
from backend.auth import Caller, Reach, Rule, Shown, caller_of, check_person, check_rule, cookie_name, with_person
from backend.problems import Problem, answer_with_problems, case_in_request, not_valid, strict_json
from backend.services.whereabouts import check_within
from backend.wire.received import to_sealed_at
from pallor.errors import Refused

log = logging.getLogger(__name__)

_PUBLIC = ("openapi", "swagger", "page", "enrol", "web")  # the API document, the pages and the app hold no data
_MAX_JSON_BYTES = 64 * 1024
_MAX_LARGE_JSON_BYTES = 16 * 1024 * 1024  # the groups of two hundred thousand photos
_CHANGING = ("PUT", "POST", "PATCH", "DELETE")
_LONG_SECONDS = 0.5  # of a body that trickles in; its sender may have been put out meanwhile
_WITH_BODY = ("PUT", "POST", "PATCH")
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_SECONDS = 10


class RouteWithoutRule(RuntimeError):
    """A route that does not say who may use it is never served."""


class BodyTypeRefused(Refused):
    """A JSON route was sent something else."""


def create_app(parts: Parts) -> Flask:
    """The API under ``/api/v1``, its document at ``/api/v1/openapi.json``, and at ``/`` the phone's app, or a page that
    says how it is built.

    Raises:
        RouteWithoutRule: a route does not declare who may use it.
    """
    app = _Documented(
        "backend",
        info=Info(title="Pallor", version=version("pallor"), description=_DESCRIPTION),
        security_schemes={
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": cookie_name(parts.settings.secure)},
        },
        validation_error_model=Problem,
        validation_error_callback=not_valid,
        doc_prefix="/api/v1",
        static_folder=None,
    )
    app.openapi_version = "3.1.0"
    app.url_map.strict_slashes = True
    for api in (
        field_api, lab_api, sheets_api, hl7_api, fhir_api, admin_api, explain_api, office_api, enrolment_api,
        rights_api, training_api, rollouts_api, prospect_api, drift_api, sealed_api, put_aside_api, after_api,
        doors_api, oidc_api, health_api,
    ):  # fmt: skip
        app.register_api(api(parts))
    if not serve_web(app, parts.settings.web_folder or BUILT):
        for path, name in (("/", "page"), ("/enrol", "enrol")):  # the second is where an enrolment link leads a browser
            app.add_url_rule(path, name, partial(_page, f"{name}.html"))
    app.add_url_rule("/tuf/<path:place>", "repository", serve_repository(parts))
    if parts.settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=parts.settings.proxies)  # type: ignore[method-assign]
    answer_with_problems(app)
    _guard(app, parts, _rules(app))
    return app


class _Documented(OpenAPI):
    """The API with, in its document, the headers that follow from each route's rule."""

    def generate_spec_json(self) -> None:
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        rules: dict[str, Rule] = self.extensions["rules"]
        for route in self.url_map.iter_rules():
            path = self.spec_json["paths"].get(re.sub("<(.+?)>", r"{\1}", route.rule), {})
            for method, operation in path.items():
                if route.endpoint in rules and method.upper() in (route.methods or ()):
                    operation.setdefault("parameters", []).extend(_headers(rules[route.endpoint], method.upper()))


def _headers(rule: Rule, method: str) -> list[dict[str, Any]]:
    found = {}
    if rule.delivers:
        found["Sealed-At"] = "When the phone sealed this, RFC 3339, by its clock; a retired phone must send it"
    if rule.delivers and method in _CHANGING:
        found["Pallor-Person"] = "With a locked phone's own token: the account in whose name it delivers"
    if rule.roles and method in _CHANGING:
        found["X-CSRF-Token"] = "With a session's cookie: the csrf_token that came with the sign-in"
    text = {"type": "string"}
    return [{"name": name, "in": "header", "description": what, "schema": text} for name, what in found.items()]


def _page(name: str) -> Response:
    return Response(files("backend").joinpath(name).read_bytes(), mimetype="text/html")


def _rules(app: Flask) -> dict[str, Rule]:
    """The rule of each route that holds data; raises ``RouteWithoutRule``."""
    views = {name: view for name, view in app.view_functions.items() if not _is_public(name)}
    bare = sorted(name for name, view in views.items() if "rule" not in vars(view))
    if bare:
        raise RouteWithoutRule(f"no rule is declared for: {', '.join(bare)}")
    return {name: vars(view)["rule"] for name, view in views.items()}


def _guard(app: Flask, parts: Parts, rules: dict[str, Rule]) -> None:
    """Let nobody through to a route but by its rule: first who it is, then what they may, then where it lies."""
    app.extensions["rules"] = rules

    @app.before_request
    def _who_and_what() -> None:
        g.began = time.perf_counter()
        if request.endpoint is None or _is_public(request.endpoint):
            return
        rule, path = rules[request.endpoint], request.view_args or {}
        if rule.roles:
            g.ask_again = partial(_caller, parts, rule)
            g.caller = g.ask_again()
        if rule.reach is Reach.PATH:
            check_within(parts.database, path, g.caller.sites)
        if request.method in _WITH_BODY and rule.takes:
            began = time.perf_counter()
            _check_json(_MAX_LARGE_JSON_BYTES if rule.large else _MAX_JSON_BYTES, rule.takes)
            if rule.roles and time.perf_counter() - began > _LONG_SECONDS:
                g.ask_again()

    @app.after_request
    def _finish(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code >= HTTPStatus.BAD_REQUEST and "caller" in g:
            _drain()
        log.info("answered", extra=_told(response))
        return as_outcome(response) if request.path.startswith("/api/v1/fhir") else response


def _caller(parts: Parts, rule: Rule) -> Caller:
    headers, settings = request.headers, parts.settings
    shown = Shown(
        authorization=headers.get("Authorization"),
        cookie=request.cookies.get(cookie_name(settings.secure)),
        csrf=headers.get("X-CSRF-Token"),
        changes=request.method in _CHANGING,
    )
    found = caller_of(parts.database, parts.clock, shown, second_factor=settings.second_factor)
    sealed_at, person = to_sealed_at(headers.get("Sealed-At"), parts.clock.now()), headers.get("Pallor-Person")
    check_rule(found, rule, sealed_at)
    check_person(found, person)
    if found.locked and rule.delivers and request.method in _CHANGING:
        return with_person(parts.database, found, person, sealed_at)
    return found


def _told(response: Response) -> dict[str, object]:
    """What a log line says of a request: the route, never the address with what was put into it."""
    return {
        "method": request.method,
        "route": str(request.url_rule) if request.url_rule else None,
        "status": response.status_code,
        "case_id": case_in_request(),
        "role": g.caller.role.value if "caller" in g else None,
        "seconds": round(time.perf_counter() - g.began, 4) if "began" in g else None,
    }


def _check_json(max_bytes: int, types: tuple[str, ...]) -> None:
    request.max_content_length = max_bytes
    if request.mimetype not in types:
        raise BodyTypeRefused(
            "this route takes JSON", field="Content-Type", value=request.mimetype or None,
            remedy=f"Send Content-Type: {types[0]}.",
        )  # fmt: skip
    try:
        data = request.get_data()
    except HTTPException:
        raise
    except Exception as error:  # a malformed chunk, a cut connection
        raise BodyTypeRefused(
            "the body broke off", field="body", value="(not repeated)", remedy="Send the request again."
        ) from error
    strict_json(data)


def _drain() -> None:
    """Read what is left of a refused body: a client that is still sending sees a reset instead of the refusal.

    Only for those whose token is known, and not for ever: strangers must not hold a thread.
    """
    left, until = min(request.content_length or 0, _DRAIN_BYTES), time.monotonic() + _DRAIN_SECONDS
    try:
        while left > 0 and time.monotonic() < until and (piece := request.environ["wsgi.input"].read(min(left, 65536))):
            left -= len(piece)
    except OSError:
        return


def _is_public(endpoint: str) -> bool:
    return endpoint.split(".")[0] in _PUBLIC


_DESCRIPTION = """Anaemia screening: a case and its photos come from a phone, its haemoglobin from a laboratory.

Every route but the doors asks who calls: an enrolled device shows its bearer token; a person in a browser the session's
cookie and, to change something, the X-CSRF-Token that came with the sign-in. A shared phone says in Pallor-Person in
whose name it delivers, and in Sealed-At when that was sealed. What lies at other sites is as if it did not exist.

Ids are UUIDs made by the sender: PUT twice is PUT once, the same again is 200, other content under the same id is 409.
Errors are RFC 9457 problems with a stable `code` and, for each fault, the field, the value and what to do about it. A
401 pauses a queue: keep what waits, sign in or enrol again, and send it then."""
