"""Every route, every role, every kind of site: all as the route declares it."""

import pytest
from flask_openapi import APIBlueprint
from sqlalchemy import update

from backend.access.roles import ROLES_WITH_SITES, Role
from backend.app import RouteWithoutRule, create_app
from backend.auth import Reach, Rule, allow
from backend.db.tables import tokens
from backend.services.register_release import register_release
from backend.services.report_worker import report_worker
from pallor.ids import new_id
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release
from tests.support.api import FOREIGN, OWN, PRACTICE, Api, staff_of
from tests.support.builders import a_case_body, a_report, a_result_body
from tests.support.requests import EXAMPLES, OF_PEOPLE_ALONE, Place
from tests.support.sealing import a_request

SITES = (OWN, FOREIGN, PRACTICE)
GOOD = (200, 201, 202, 204)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # who may do what knows no dialect
def test_every_route_lets_in_whom_it_declares_and_shows_what_lies_at_their_sites(api):
    places = {site: a_place(api, site) for site in SITES}
    make_ready(api)
    wrong = [
        f"{endpoint} {role} {site}: {said}"
        for endpoint, rule in rules_of(api).items()
        for role in Role
        for site in SITES
        if (said := surprise(api, endpoint, rule, role, places, site))
    ]
    assert wrong == []


def test_every_route_has_an_example_to_be_walked_with(api):
    assert rules_of(api).keys() == EXAMPLES.keys()


def test_nobody_comes_in_without_a_token(api):
    place = a_place(api, OWN)
    for endpoint in rules_of(api):
        method, path, request = EXAMPLES[endpoint](api, place)
        assert api.call(method, path, None, **request).status_code == 401, endpoint


def test_a_route_without_a_rule_is_never_served(api, monkeypatch):
    monkeypatch.setattr("backend.app.health_api", planted(lambda route: route))
    with pytest.raises(RouteWithoutRule, match="planted"):
        create_app(api.parts)


def test_the_matrix_sees_a_route_that_forgets_the_site(api, monkeypatch):
    """The walk itself can fail: here a route that declares PATH, while nobody asks where the thing lies."""
    place = a_place(api, FOREIGN)
    monkeypatch.setattr("backend.app.check_within", lambda *_: None)
    said = surprise(api, "field.get_case", rules_of(api)["field.get_case"], Role.FIELD, {FOREIGN: place}, FOREIGN)
    assert said == "200, not 404"


def test_a_rule_names_its_roles():
    with pytest.raises(ValueError, match="allow_anyone"):
        allow(reach=Reach.NONE)


def surprise(api: Api, endpoint: str, rule: Rule, role: Role, places: dict[str, Place], site: str) -> str:
    """What came other than declared; empty when nothing did."""
    method, path, request = EXAMPLES[endpoint](api, places[site])
    response = api.call(method, path, role.value, **request)
    with api.parts.database.write() as tx:
        tx.execute(update(tokens).values(revoked_at=None, predecessor_id=None))  # whoever signed out comes in again
    got, code = response.status_code, code_of(response)
    if role not in rule.roles:
        return "" if (got, code) == (403, "role-not-allowed") else f"{got} {code}, not 403 role-not-allowed"
    if rule.human or (endpoint in OF_PEOPLE_ALONE and role is not Role.FIELD):  # the others here are machines
        return "" if (got, code) == (403, "sign-in-needed") else f"{got} {code}, not 403 sign-in-needed"
    if site == FOREIGN and role in ROLES_WITH_SITES:
        if rule.reach is Reach.PATH:
            return "" if got == 404 else f"{got}, not 404"
        if rule.reach is Reach.BODY:
            return "" if got == 404 or code == "site-not-yours" else f"{got} {code}, not refused"
        if rule.reach is Reach.MATCH:
            return "" if "case-not-here" in response.text else f"{got}, not kept as of no case that is here"
        if rule.reach is Reach.LIST and places[FOREIGN].case_id in response.text:
            return "a foreign site's case is listed"
    if got not in GOOD:
        return f"{got} {code}"
    lists_cases = rule.reach is Reach.LIST and endpoint not in ("admin.get_predictions", "sealed.get_sealing_keys")
    if lists_cases and site != FOREIGN and places[site].case_id not in response.text:
        return "its own case is not listed"
    return ""


def code_of(response) -> str | None:
    """Of a refusal, whether it is a problem or an outcome of FHIR."""
    said = (response.get_json(silent=True) or {}) if response.data else {}
    if said.get("resourceType") == "OperationOutcome":
        return said["issue"][0]["details"]["coding"][0]["code"]
    return said.get("code")


def rules_of(api: Api) -> dict[str, Rule]:
    """The rules of the routes that ask who calls."""
    return {name: rule for name, rule in api.app.extensions["rules"].items() if rule.roles}


def a_place(api: Api, site: str) -> Place:
    """A case at a site with a photo, an amendment and a result, and a sealed one, brought by that site's own staff."""
    place = Place(site, *(new_id() for _ in range(5)))
    nurse, laboratory = staff_of(api, site)
    case = f"/cases/{place.case_id}"
    sealed_path, sealed_request = a_request(api, site, place.submission_id)
    photo = EXAMPLES["field.put_photo"](api, place)[2]
    amendment = {"changes": {"sore_eye": True}, "reason": "seen on second look"}
    for path, token, request in (
        (case, nurse, {"json": a_case_body(site=site, subject_code=f"{site}-7")}),
        (f"{case}/photos/{place.photo_id}", nurse, photo),
        (f"{case}/amendments/{place.amendment_id}", nurse, {"json": amendment}),
        (f"/lab-results/{place.result_id}", laboratory, {"json": a_result_body(place.case_id)}),
        (sealed_path, nurse, sealed_request),
    ):
        headers = request.pop("headers", {}) | {"Authorization": f"Bearer {token}"}
        response = api.call("PUT", path, None, headers=headers, **request)
        assert response.status_code == 201, response.text
    return place


def make_ready(api: Api) -> None:
    release = Release.open(bootstrap_folder())
    register_release(api.parts.database, api.clock, release, "real")
    report_worker(api.parts.database, api.clock, a_report(release.release_id))


def planted(rule):
    def blueprint(_parts):
        made = APIBlueprint("planted", __name__, url_prefix="/api/v1")
        made.get("/planted")(rule(lambda: ""))
        return made

    return blueprint
