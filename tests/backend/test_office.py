"""The office over HTTP: sites, people, devices, and the trail of what was done to them."""

import json

import pytest
from sqlalchemy import delete

from backend.auth import Rule
from backend.db.engine import DatabaseUnavailable
from backend.db.tables import audit_values
from backend.services.audit import export_audit
from pallor.clock import utc_text
from pallor.ids import new_id
from tests.support.api import FOREIGN, OWN, PRACTICE, code_in, the_fault
from tests.support.builders import a_case_body


def test_a_site_is_made_once_and_stays_what_it_is(api):
    assert put(api, "/sites/accra-2", {"practice": False, "retention_days": None}).status_code == 201
    changed = put(api, "/sites/accra-2", {"practice": False, "retention_days": 3650})
    assert (changed.status_code, changed.json["retention_days"]) == (200, 3650)
    status, code, _ = the_fault(put(api, "/sites/accra-2", {"practice": True, "retention_days": 3650}))
    assert (status, code) == (409, "site-taken")
    (site,) = [site for site in api.get("/sites")["items"] if site["code"] == "accra-2"]
    assert (site["practice"], site["retention_days"], site["made_by"]) == (False, 3650, "test-admin")


@pytest.mark.parametrize("days", [0, -1, "30"])
def test_a_site_never_keeps_cases_for_no_time(api, days):
    assert put(api, "/sites/accra-2", {"practice": False, "retention_days": days}).status_code == 422


def test_a_new_account_shows_its_password_once(api):
    made = put(api, "/people/nurse-9", {"role": "field", "sites": [OWN]})
    assert made.status_code == 201
    assert len(made.json["one_time_password"]) == 19
    again = put(api, "/people/nurse-9", {"role": "field", "sites": [FOREIGN]})
    assert (again.status_code, again.json["one_time_password"], again.json["sites"]) == (200, None, [FOREIGN])
    shown = api.get("/people/nurse-9")
    assert shown["password_change_needed"]
    assert "one_time_password" not in shown


def test_a_role_is_for_ever(api):
    status, code, fault = the_fault(put(api, "/people/nurse", {"role": "lab", "sites": [OWN]}))
    assert (status, code) == (409, "role-fixed")
    assert "another account" in fault["remedy"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"role": "field", "sites": []}, "sites-unfit"),
        ({"role": "admin", "sites": [OWN]}, "sites-unfit"),
        ({"role": "field", "sites": ["nowhere"]}, "site-unknown"),
        ({"role": "trainer", "sites": []}, "request-not-valid"),
    ],
)
def test_an_account_that_cannot_be_is_refused(api, body, code):
    assert the_fault(put(api, "/people/nurse-9", body))[:2] == (422, code)
    assert api.call("GET", "/people/nurse-9", "admin").status_code == 404


def test_each_person_signs_in_by_a_subject_of_their_own(api):
    assert put(api, "/people/nurse", {"role": "field", "sites": [OWN], "oidc_subject": "s-1"}).status_code == 200
    assert put(api, "/people/nurse", {"role": "field", "sites": [OWN]}).json["oidc_subject"] == "s-1"
    second = put(api, "/people/nurse-9", {"role": "field", "sites": [OWN], "oidc_subject": "s-1"})
    assert the_fault(second)[:2] == (409, "name-taken")


def test_a_subject_is_taken_away_only_when_that_is_said(api):
    body = {"role": "field", "sites": [OWN]}
    assert put(api, "/people/nurse", body | {"oidc_subject": "s-1"}).json["oidc_subject"] == "s-1"
    assert put(api, "/people/nurse", body | {"oidc_subject": None}).json["oidc_subject"] == "s-1"
    assert the_fault(put(api, "/people/nurse", body | {"oidc_subject": ""}))[:2] == (422, "request-not-valid")
    assert put(api, "/people/nurse", body | {"unlink_oidc": True}).json["oidc_subject"] is None
    assert put(api, "/people/nurse-9", body | {"oidc_subject": "s-1", "unlink_oidc": True}).status_code == 201
    swapped = put(api, "/people/nurse-9", body | {"oidc_subject": "s-2", "unlink_oidc": True})
    assert swapped.json["oidc_subject"] == "s-2"


def test_who_is_moved_sees_other_sites_at_once_and_stays_signed_in(api):
    put(api, "/people/nurse", {"role": "field", "sites": [OWN, PRACTICE]})
    case_id = api.put_case(site=OWN)
    assert api.call("GET", f"/cases/{case_id}").status_code == 200
    put(api, "/people/nurse", {"role": "field", "sites": [PRACTICE]})
    assert api.call("GET", f"/cases/{case_id}").status_code == 404
    api.put_case(site=PRACTICE)


def test_a_disabled_account_is_out_at_once_and_comes_back_by_signing_in(api):
    assert put(api, "/people/nurse/state", {"state": "disabled"}).json["state"] == "disabled"
    assert api.call("GET", "/cases").status_code == 401
    assert put(api, "/people/nurse/state", {"state": "active"}).json["state"] == "active"
    assert api.call("GET", "/cases").status_code == 401


def test_the_last_administrator_stays(api):
    put(api, "/people/admin-1", {"role": "admin", "sites": []})
    assert the_fault(put(api, "/people/admin-1/state", {"state": "disabled"}))[:2] == (409, "last-administrator")


def test_a_password_is_reset_and_every_sign_in_ends(api):
    reset = api.call("POST", "/people/nurse/password-reset", "admin", json={})
    assert len(reset.json["one_time_password"]) == 19
    assert api.call("GET", "/cases").status_code == 401
    assert api.get("/people/nurse")["password_change_needed"]


@pytest.mark.parametrize("path", ["/people/nobody/state", "/devices/nothing/state"])
def test_what_is_not_there_is_not_found(api, path):
    assert put(api, path, {"state": "active"}).status_code == 404


class TestARetiredPhone:
    @pytest.fixture(autouse=True)
    def retired(self, api):
        self.before = utc_text(api.clock.now())
        assert put(api, "/devices/test-field/state", {"state": "retired"}).json["ended_at"]
        api.clock.move(minutes=1)

    def test_delivers_what_it_had_sealed_in_the_name_of_who_worked_on_it(self, api):
        case_id = new_id()
        assert deliver(api, case_id, self.before).status_code == 201
        (row,) = [row for row in export_audit(api.parts.database) if row["case_id"] == case_id]
        assert row["actor"] == "nurse~test-field"

    @pytest.mark.parametrize("when", ["later", "never"])
    def test_delivers_nothing_that_it_sealed_later_or_never(self, api, when):
        sealed = utc_text(api.clock.now()) if when == "later" else None
        assert the_fault(deliver(api, new_id(), sealed))[:2] == (403, "device-retired")

    def test_delivers_in_no_other_name(self, api):
        put(api, "/people/nurse-9", {"role": "field", "sites": [OWN]})
        assert the_fault(deliver(api, new_id(), self.before, person="nurse-9"))[:2] == (422, "person-unknown")

    def test_reads_nothing_and_nobody_is_signed_in_on_it_any_more(self, api):
        sealed = {"Sealed-At": self.before, "Pallor-Person": "nurse"}
        assert api.call("GET", "/cases", "phone", headers=sealed).status_code == 403
        assert api.call("GET", "/cases", "field").status_code == 401

    def test_is_taken_back(self, api):
        assert put(api, "/devices/test-field/state", {"state": "active"}).json["ended_at"] is None
        assert deliver(api, new_id(), None).status_code == 201


def test_nothing_is_accepted_from_a_stolen_phone_but_its_last_word(api):
    before = utc_text(api.clock.now())
    put(api, "/devices/test-field/state", {"state": "stolen"})
    let_by = []
    for method, path, rule in routes(api):
        sent = {"headers": {"Sealed-At": before, "Pallor-Person": "nurse"}}
        if method != "GET":
            sent["json"] = {}
        response = api.call(method, path, "phone", **sent)
        if (response.status_code, code_in(response)) != (403, "device-stolen"):
            let_by.append((path, rule.last_word))
    assert all(last_word for _, last_word in let_by), let_by


def test_a_stolen_device_stays_stolen(api):
    put(api, "/devices/test-field/state", {"state": "stolen"})
    assert the_fault(put(api, "/devices/test-field/state", {"state": "active"}))[:2] == (409, "state-final")
    assert api.call("GET", "/cases", "field").status_code == 401


def test_the_list_of_devices_tells_what_each_is(api):
    devices = {device["name"]: device for device in api.get("/devices")["items"]}
    assert devices["test-field"] == {
        "name": "test-field", "kind": "phone", "state": "active", "ended_at": None, "sites": [OWN, PRACTICE],
        "fingerprint": None, "confirmed": None, "unsent_cases": None, "unsent_at": None, "wiped_at": None,
        "made_at": devices["test-field"]["made_at"], "made_by": "operator",
    }  # fmt: skip


def test_no_device_takes_the_name_of_a_process(api):
    for name in ("operator", "worker", "browser-1a2b3c4d"):
        said = {"kind": "trainer", "device_name": name}
        assert the_fault(api.call("POST", "/enrolment-codes", "admin", json=said))[:2] == (409, "name-taken")


def test_a_device_that_came_while_the_database_was_away_has_not_guessed(api, monkeypatch):
    def away(*_):
        raise DatabaseUnavailable("the database does not answer")

    def enrol():
        return api.call("POST", "/enrolments", None, json={"code": "00000-00000"}).status_code

    with monkeypatch.context() as patched:
        patched.setattr("backend.api.office.enrol_device", away)
        assert {enrol() for _ in range(15)} == {503}
    assert [enrol() for _ in range(11)] == [422] * 10 + [429]


def test_the_trail_is_read_page_by_page_with_person_and_device_apart(api):
    case_id = api.put_case()
    with api.parts.database.write() as tx:
        tx.execute(delete(audit_values).where(audit_values.c.seq == 1))
    rows, page = [], {"next": ""}
    while page["next"] is not None:
        page = api.get(f"/audit?limit=3&cursor={page['next']}" if page["next"] else "/audit?limit=3")
        rows += page["items"]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    (case,) = [row for row in rows if row["action"] == "case.submit"]
    assert (case["person"], case["device"], case["case_id"]) == ("nurse", "test-field", case_id)
    assert case["content"]["new"]
    assert (rows[0]["content"], rows[0]["person"], rows[0]["device"]) == (None, None, "operator")


def test_what_the_office_does_is_on_the_trail_with_who_did_it(api):
    before = len(list(export_audit(api.parts.database)))
    put(api, "/sites/accra-2", {"practice": False, "retention_days": 900})
    given = put(api, "/people/nurse-9", {"role": "field", "sites": ["accra-2"]}).json["one_time_password"]
    put(api, "/people/nurse-9", {"role": "field", "sites": [OWN]})
    put(api, "/people/nurse-9/state", {"state": "disabled"})
    put(api, "/devices/test-field/state", {"state": "retired"})
    rows = list(export_audit(api.parts.database))[before:]
    assert [row["action"] for row in rows] == [
        "site.create", "person.create", "person.move", "person.state", "device.state"
    ]  # fmt: skip
    assert {row["actor"] for row in rows} == {"test-admin"}
    moved = {"name": "nurse-9", "sites": [OWN]}
    assert rows[2]["content"] == {"old": {"sites": ["accra-2"]}, "new": moved, "reason": None}
    assert given not in json.dumps(rows)


def test_a_device_of_another_site_is_where_both_it_and_its_person_are(api):
    put(api, "/people/nurse", {"role": "field", "sites": [FOREIGN, OWN]})
    assert api.call("PUT", f"/cases/{new_id()}", json=a_case_body(site=FOREIGN)).status_code != 201
    api.put_case(site=OWN)


def put(api, path, body):
    return api.call("PUT", path, "admin", json=body)


def deliver(api, case_id, sealed, person="nurse"):
    """A case from the locked phone."""
    headers = {"Pallor-Person": person} | ({"Sealed-At": sealed} if sealed else {})
    return api.call("PUT", f"/cases/{case_id}", "phone", json=a_case_body(), headers=headers)


def routes(api) -> list[tuple[str, str, Rule]]:
    """Every route that asks who calls: method, a path, its rule."""
    found = []
    for route in api.app.url_map.iter_rules():
        rule = api.app.extensions["rules"].get(route.endpoint)
        if rule is not None and rule.roles:
            path = "/".join(new_id() if part.startswith("<") else part for part in route.rule.split("/"))
            methods = route.methods & {"GET", "PUT", "POST", "PATCH", "DELETE"}
            found += [(method, path.removeprefix("/api/v1"), rule) for method in methods]
    assert len(found) > 20
    return found
