"""A device comes in by a code: once, in time, with a key where it has one; and guessing leads nowhere."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from backend.access.roles import DeviceKind
from backend.db.tables import enrolment_codes
from backend.services.audit import export_audit
from backend.services.enrol_device import CodeUnknown, KindUnfit, TimeUnfit, enrol_device, make_code
from backend.services.manage_devices import add_device
from pallor.enrolment import CODE_LETTERS, Link, fingerprint_of, read_code, shown_fingerprint
from tests.support.api import OWN, an_api, the_fault
from tests.support.nodes import a_root, key_for

A_YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return a_root(tmp_path_factory.mktemp("root"))


@pytest.fixture
def api(database, standing, root):
    """A server that knows where it is and what a node is to trust."""
    path, digest = root
    public = {"public_url": "https://pallor.example.org", "device_token_days": 30}
    api = standing(database, root_metadata=path, **public).anew()
    api.root = digest
    return api


def test_a_phone_comes_in_by_its_code_and_works(api):
    code = a_code(api)["code"]
    enrolled = enrol(api, code)
    assert enrolled.status_code == 201
    assert {name: enrolled.json[name] for name in ("device", "kind", "sites", "world", "url")} == {
        "device": "phone-2", "kind": "phone", "sites": [OWN], "world": "real", "url": "https://pallor.example.org",
    }  # fmt: skip
    assert live(api, enrolled.json["token"]) == 200
    api.clock.move(days=31)
    assert live(api, enrolled.json["token"]) == 401


def test_a_code_has_fifty_bits_and_its_link_tells_no_server(api):
    made = a_code(api)
    assert len(read_code(made["code"])) == 10
    assert len(CODE_LETTERS) == 32
    assert made["link"] == f"https://pallor.example.org/enrol#code={made['code']}"
    assert made["qr_svg"].startswith("<svg")


@pytest.mark.parametrize(
    "mistyped",
    [
        lambda code: code.lower(),
        lambda code: code.replace("-", ""),
        lambda code: " ".join(code),
        lambda code: code.replace("0", "o").replace("1", "L"),
        lambda code: code.replace("1", "i").replace("0", "O"),
    ],
)
def test_what_is_read_aloud_and_typed_is_understood(api, mistyped):
    assert enrol(api, mistyped(a_code(api)["code"])).status_code == 201


def test_a_code_works_once(api):
    code = a_code(api)["code"]
    assert enrol(api, code).status_code == 201
    assert the_fault(enrol(api, code))[:2] == (422, "code-unknown")


def test_wrong_used_and_expired_codes_are_told_alike(api):
    used, expired = a_code(api, "phone-2")["code"], a_code(api, "phone-3", minutes=5)["code"]
    enrol(api, used)
    api.clock.move(minutes=5)
    answers = {enrol(api, code).text for code in (used, expired, "00000-00000", "no code at all", "\N{SNOWMAN}")}
    assert len(answers) == 1
    assert "code-unknown" in answers.pop()


def test_another_code_for_the_same_device_ends_the_first(api):
    first, second = a_code(api)["code"], a_code(api)["code"]
    assert enrol(api, first).status_code == 422
    assert enrol(api, second).status_code == 201


def test_of_two_that_show_one_code_at_once_one_comes_in(api):
    code = a_code(api)["code"]

    def come() -> bool:
        try:
            return bool(enrol_device(api.parts.database, api.clock, code, None, A_YEAR).token)
        except CodeUnknown:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda _: come(), range(6))) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sites": []}, "sites-unfit"),
        ({"sites": ["nowhere"]}, "site-unknown"),
        ({"kind": "trainer"}, "sites-unfit"),
        ({"kind": "console", "sites": []}, "request-not-valid"),
        ({"minutes": 4}, "request-not-valid"),
        ({"minutes": 1441}, "request-not-valid"),
        ({"device_name": "Phone 2"}, "request-not-valid"),
    ],
)
def test_a_code_for_a_device_that_cannot_be_is_refused(api, changes, code):
    body = {"kind": "phone", "device_name": "phone-2", "sites": [OWN]} | changes
    assert the_fault(api.call("POST", "/enrolment-codes", "admin", json=body))[:2] == (422, code)


def test_a_name_is_checked_when_the_code_is_made_and_when_it_is_used(api):
    body = {"kind": "phone", "device_name": "test-field", "sites": [OWN]}
    assert the_fault(api.call("POST", "/enrolment-codes", "admin", json=body))[:2] == (409, "name-taken")
    code = a_code(api)["code"]
    add_device(api.parts.database, api.clock, "phone-2", DeviceKind.PHONE, frozenset({OWN}), A_YEAR, by="operator")
    assert the_fault(enrol(api, code))[:2] == (409, "name-taken")


def test_a_console_comes_in_by_no_code_and_no_code_lasts_for_weeks(database, api):
    here = frozenset({OWN})
    with pytest.raises(KindUnfit):
        make_code(database, api.clock, DeviceKind.CONSOLE, "c-1", frozenset(), timedelta(hours=1), by="operator")
    with pytest.raises(TimeUnfit):
        make_code(database, api.clock, DeviceKind.PHONE, "p-1", here, timedelta(days=7), by="operator")


class TestANode:
    @pytest.fixture
    def code(self, api):
        made = a_code(api, "node-2", kind="node")
        assert Link.read(made["link"]).root == api.root
        return made["code"]

    def test_comes_in_with_its_key_and_waits_until_its_fingerprint_was_compared(self, api, code):
        key = Ed25519PrivateKey.generate()
        enrolled = enrol(api, code, **key_for(code, key))
        assert enrolled.status_code == 201
        assert node(api)["confirmed"] is False
        assert needs_of(api, enrolled.json["token"]) == ["device-unconfirmed"]
        fingerprint = fingerprint_of(key.public_key().public_bytes_raw())
        confirmed = confirm(api, shown_fingerprint(fingerprint).upper())
        assert (confirmed.status_code, confirmed.json["confirmed"]) == (200, True)
        assert confirmed.json["fingerprint"] == fingerprint
        assert confirm(api, fingerprint).status_code == 200
        assert needs_of(api, enrolled.json["token"]) == []

    def test_with_another_fingerprint_may_be_anothers(self, api, code):
        enrol(api, code, **key_for(code))
        status, said, fault = the_fault(confirm(api, "ab" * 32))
        assert (status, said) == (409, "fingerprint-differs")
        assert "another's" in fault["reason"]
        assert node(api)["confirmed"] is False
        assert list(export_audit(api.parts.database))[-1]["action"] == "device.fingerprint-differs"

    def test_without_a_key_or_its_proof_stays_out_and_the_code_still_works(self, api, code):
        good, other = key_for(code), key_for(code)
        for shown, said in (
            ({}, "key-missing"),
            ({"public_key": good["public_key"]}, "key-unreadable"),
            ({"public_key": "AAAA", "signature": good["signature"]}, "key-unreadable"),
            ({"public_key": good["public_key"], "signature": other["signature"]}, "key-not-proved"),
            (key_for("00000-00000"), "key-not-proved"),
        ):
            assert the_fault(enrol(api, code, **shown))[:2] == (422, said)
        assert enrol(api, code, **good).status_code == 201

    def test_is_no_phone(self, api):
        code = a_code(api)["code"]
        assert the_fault(enrol(api, code, **key_for(code)))[:2] == (422, "key-not-asked")
        enrol(api, code)
        refused = api.call("PUT", "/devices/phone-2/confirmation", "admin", json={"fingerprint": "ab" * 32})
        assert the_fault(refused)[:2] == (422, "key-not-there")


@pytest.mark.parametrize("root", [None, "missing.json", "other.json"])
def test_no_node_is_sent_here_without_knowing_what_to_trust(database, tmp_path, root):
    (tmp_path / "other.json").write_text('{"signed": {"_type": "timestamp"}}')
    api = an_api(database, tmp_path / "store", root_metadata=root and tmp_path / root)
    body = {"kind": "node", "device_name": "node-2", "sites": [OWN]}
    status, code, fault = the_fault(api.call("POST", "/enrolment-codes", "admin", json=body))
    assert (status, code) == (422, "root-metadata-missing")
    assert "1.root.json" in fault["remedy"]


def test_guessing_is_slowed_and_reported_once(api):
    for _ in range(10):
        assert enrol(api, "00000-00000").status_code == 422
    for _ in range(3):
        response = enrol(api, a_code(api)["code"])
        assert (response.status_code, response.json["code"]) == (429, "too-many-attempts")
        assert int(response.headers["Retry-After"]) > 0
    slow = [row for row in export_audit(api.parts.database) if row["action"] == "enrol.slowed"]
    assert [row["content"]["new"] for row in slow] == [{"counted_by": "address"}]


def test_each_step_is_on_the_trail_with_who_took_it(api):
    before = len(list(export_audit(api.parts.database)))
    enrol(api, a_code(api)["code"])
    rows = list(export_audit(api.parts.database))[before:]
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("test-admin", "enrolment-code.create"),
        ("phone-2", "device.enrol"),
        ("phone-2", "enrolment-code.use"),
    ]
    assert rows[0]["entity_id"] == rows[2]["entity_id"]
    assert rows[2]["content"]["new"] == {"device_id": rows[1]["entity_id"]}


def test_no_code_token_or_key_is_kept_told_or_written_down(api, caplog):
    caplog.set_level(logging.DEBUG)
    made = a_code(api, "node-2", kind="node")
    key = key_for(made["code"])
    wrong = [enrol(api, made["code"], public_key=key["public_key"], signature=["x"] * 3).text]
    wrong.append(enrol(api, made["code"] * 20, **key).text)
    wrong.append(enrol(api, made["code"], **key_for("00000-00000")).text)
    token = enrol(api, made["code"], **key).json["token"]
    wrong.append(enrol(api, made["code"], **key).text)
    with api.parts.database.read() as connection:
        kept = str(connection.execute(select(enrolment_codes)).all())
    written = json.dumps(list(export_audit(api.parts.database))) + kept + caplog.text + "".join(wrong)
    secrets = (made["code"], made["code"].replace("-", ""), token, *key.values())
    assert not [secret for secret in secrets if secret in written]


def a_code(api, name="phone-2", **changes):
    body = {"kind": "phone", "device_name": name, "sites": [OWN]} | changes
    response = api.call("POST", "/enrolment-codes", "admin", json=body)
    assert response.status_code == 201, response.text
    return response.json


def enrol(api, code, **key):
    return api.call("POST", "/enrolments", None, json={"code": code} | key)


def confirm(api, fingerprint):
    return api.call("PUT", "/devices/node-2/confirmation", "admin", json={"fingerprint": fingerprint})


def node(api):
    (found,) = [device for device in api.get("/devices")["items"] if device["name"] == "node-2"]
    return found


def live(api, token):
    return api.call("GET", "/health/live", None, headers={"Authorization": f"Bearer {token}"}).status_code


def needs_of(api, token):
    return api.call("GET", "/session", None, headers={"Authorization": f"Bearer {token}"}).json["needs"]
