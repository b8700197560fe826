"""Signing in and out, in a browser and on a phone; passwords, second factors, rotated tokens, last words."""

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import argon2
import pyotp
import pytest
from sqlalchemy import select, update

from backend.access import passwords
from backend.access.passwords import PasswordWeak, check_password, hash_password
from backend.access.roles import DeviceKind, DeviceState, PersonState, Role
from backend.db.tables import devices, people, tokens
from backend.services.audit import export_audit
from backend.services.manage_devices import add_device, set_device_state
from backend.services.manage_people import add_person, reset_password, set_person_state
from backend.services.sign_in import Credentials, Phone, PhoneOut, sign_in
from pallor.ids import new_id
from pallor.log import JsonLines
from tests.support.api import FOREIGN, OWN, PRACTICE, Api, an_api, code_in, the_fault
from tests.support.builders import a_case_body

PASSWORD, ANOTHER = "plum orbit candle 42", "seven wet grey lanterns"
KEPT = hash_password(PASSWORD)


class Browser:
    """Keeps cookies, and the CSRF half that came with the sign-in."""

    def __init__(self, api: Api) -> None:
        self.client, self.csrf = api.app.test_client(), None

    def sign_in(self, name, password=PASSWORD, **more):
        answer = self.call("POST", "/sign-in", {"name": name, "password": password, **more})
        if answer.status_code == 200:
            self.csrf = answer.json["csrf_token"]
        return answer

    def call(self, method, path, body=None):
        headers = {"X-CSRF-Token": self.csrf} if self.csrf else {}
        return self.client.open(f"/api/v1{path}", method=method, json=body, headers=headers)

    @property
    def cookie(self):
        return self.client.get_cookie("pallor").value


class TestInABrowser:
    def test_the_session_is_a_cookie_and_its_other_half_comes_once(self, api):
        a_person(api, "head", Role.ADMIN, ())
        browser = Browser(api)
        answer = browser.sign_in("head")
        assert (answer.status_code, answer.json["person"], answer.json["token"]) == (200, "head", None)
        cookie = browser.client.get_cookie("pallor")
        assert (cookie.http_only, cookie.same_site, cookie.path, cookie.secure) == (True, "Strict", "/", False)
        assert cookie.max_age == 12 * 3600
        assert cookie.value not in answer.text
        session = browser.call("GET", "/session")
        assert browser.csrf not in session.text
        assert cookie.value not in session.text
        assert session.json["device"] is None
        assert session.json["sites"] is None
        assert session.json["practice_sites"] == [PRACTICE]

    def test_over_tls_no_other_host_and_no_plain_line_gets_the_cookie(self, database, tmp_path):
        api = an_api(database, tmp_path / "tls", public_url="https://pallor.example.org")
        a_person(api, "nurse-7")
        answer = Browser(api).sign_in("nurse-7")
        (said,) = answer.headers.getlist("Set-Cookie")
        name, _, rest = said.partition("=")
        assert name == "__Host-pallor"
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict", "Max-Age=43200"} <= set(rest.split("; "))
        assert "Domain" not in said

    def test_the_name_may_be_typed_as_phones_type_it(self, api):
        a_person(api, "nurse-7")
        assert Browser(api).sign_in("Nurse-7 ").status_code == 200

    def test_signing_out_ends_the_token_and_takes_the_cookie(self, api):
        a_person(api, "nurse-7")
        browser = Browser(api)
        browser.sign_in("nurse-7")
        stolen = browser.cookie
        answer = browser.call("DELETE", "/session")
        assert (answer.status_code, answer.data) == (204, b"")
        assert browser.client.get_cookie("pallor") is None
        browser.client.set_cookie("pallor", stolen)
        assert code_of(browser.call("GET", "/session")) == (401, "token-unknown")

    def test_a_session_ends_when_its_time_has_come(self, api):
        a_person(api, "nurse-7")
        browser = Browser(api)
        browser.sign_in("nurse-7")
        value = browser.cookie
        api.clock.move(hours=11, minutes=59)
        assert browser.call("GET", "/session").status_code == 200
        api.clock.move(minutes=2)
        browser.client.set_cookie("pallor", value)
        assert code_of(browser.call("GET", "/session")) == (401, "token-expired")

    def test_a_session_ends_when_the_password_is_reset_or_the_account_disabled(self, api):
        a_person(api, "nurse-7")
        for end in (
            lambda: reset_password(api.parts.database, api.clock, "nurse-7", by="operator"),
            lambda: set_person_state(api.parts.database, api.clock, "nurse-7", PersonState.DISABLED, by="operator"),
        ):
            change(api, "nurse-7", password_hash=KEPT, one_time_until=None)
            browser = Browser(api)
            assert browser.sign_in("nurse-7").status_code == 200
            assert browser.call("GET", "/session").status_code == 200
            end()
            assert code_of(browser.call("GET", "/session")) == (401, "token-unknown")


class TestWhatIsNotSaid:
    def test_every_wrong_try_gets_the_same_answer_and_as_much_work(self, api, monkeypatch):
        for name in ("right", "disabled", "expired", "factor"):
            a_person(api, name)
        change(api, "disabled", state="disabled")
        change(api, "expired", one_time_until=api.clock.now() - timedelta(seconds=1))
        change(api, "factor", totp_secret=pyotp.random_base32(), totp_since=api.clock.now())
        verified = counted(monkeypatch)
        answers = [
            Browser(api).sign_in(name, password, **more)
            for name, password, more in (
                ("nobody", PASSWORD, {}), ("right", "wrong", {}), ("disabled", PASSWORD, {}), ("expired", PASSWORD, {}),
                ("factor", PASSWORD, {"code": "000000"}), ("factor", "wrong", {}), ("factor", "wrong", {"code": "1"}),
            )
        ]  # fmt: skip
        assert {(answer.status_code, answer.json["code"], answer.data) for answer in answers} == {
            (401, "password-wrong", answers[0].data)
        }
        assert len(verified) == len(answers)

    def test_that_a_code_is_missing_is_said_to_whoever_has_the_password(self, api):
        a_person(api, "nurse-7")
        change(api, "nurse-7", totp_secret=pyotp.random_base32(), totp_since=api.clock.now())
        status, code, fault = the_fault(Browser(api).sign_in("nurse-7"))
        assert (status, code, fault["field"]) == (401, "second-factor-code-needed", "code")

    @pytest.mark.parametrize(
        "typed", [{"name": 12345678}, {"password": 12345678}, {"code": 12345678}, {"name": "x" * 300}]
    )
    def test_what_was_typed_comes_back_in_no_error(self, api, typed):
        answer = Browser(api).call("POST", "/sign-in", {"name": "n", "password": "p", **typed})
        assert answer.status_code == 422
        assert "12345678" not in answer.text
        assert "xxx" not in answer.text

    @pytest.mark.parametrize("odd", ["\ud800" * 12, "\x00" * 12, "😀" * 12, "", "İ" * 200])
    def test_odd_text_is_a_wrong_password_or_no_text_and_never_a_fault_of_ours(self, api, odd):
        a_person(api, "nurse-7")
        for body in ({"name": "nurse-7", "password": odd}, {"name": odd, "password": PASSWORD}):
            answer = api.app.test_client().post(
                "/api/v1/sign-in", data=json.dumps(body), content_type="application/json"
            )
            assert answer.status_code in (401, 422), answer.text

    def test_a_hash_of_old_parameters_is_renewed_by_a_good_sign_in(self, api):
        a_person(api, "nurse-7")
        old = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
        change(api, "nurse-7", password_hash=old)
        assert Browser(api).sign_in("nurse-7").status_code == 200
        assert "m=19456,t=2,p=1" in row_of(api, "nurse-7").password_hash
        assert Browser(api).sign_in("nurse-7").status_code == 200

    def test_a_crowd_at_the_door_leaves_the_threads_to_those_inside(self, api):
        a_person(api, "nurse-7")
        taken = [passwords._places.acquire(blocking=False) for _ in range(8)]
        try:
            answer = Browser(api).sign_in("nurse-7")
            assert code_of(answer) == (503, "door-busy")
            assert answer.headers["Retry-After"]
            assert api.call("GET", "/session").status_code == 200
        finally:
            for _ in filter(None, taken):
                passwords._places.release()
        assert Browser(api).sign_in("nurse-7").status_code == 200

    def test_whoever_was_sent_away_by_a_crowd_has_not_guessed(self, api):
        a_person(api, "nurse-7")
        browser = Browser(api)
        assert browser.sign_in("nurse-7").status_code == 200
        assert browser.call("POST", "/session/second-factor", {}).status_code == 200
        change(api, "nurse-7", totp_secret=pyotp.random_base32(), totp_since=api.clock.now())
        taken = [passwords._places.acquire(blocking=False) for _ in range(8)]
        try:
            for _ in range(6):
                change_it = browser.call("PUT", "/session/password", {"old": PASSWORD, "new": ANOTHER})
                replace = browser.call("POST", "/session/second-factor", {"password": PASSWORD})
                for answer in (Browser(api).sign_in("nurse-7"), change_it, replace):
                    assert code_of(answer) == (503, "door-busy")
        finally:
            for _ in filter(None, taken):
                passwords._places.release()
        change(api, "nurse-7", totp_secret=None, totp_since=None)
        assert Browser(api).sign_in("nurse-7").status_code == 200

    def test_and_a_guesser_starts_no_new_count_by_a_crowd(self, api):
        a_person(api, "nurse-7")
        guesses = [code_of(Browser(api).sign_in("nurse-7", f"guess {n}"))[0] for n in range(4)]
        taken = [passwords._places.acquire(blocking=False) for _ in range(8)]
        try:
            assert code_of(Browser(api).sign_in("nurse-7", "guess")) == (503, "door-busy")
        finally:
            for _ in filter(None, taken):
                passwords._places.release()
        guesses += [code_of(Browser(api).sign_in("nurse-7", "guess"))[0] for _ in range(2)]
        assert guesses == [401] * 5 + [429]


class TestOnAPhone:
    def test_two_people_sign_in_on_one_phone_and_the_trail_names_each_and_the_phone(self, api):
        for name in ("ama", "kofi"):
            a_person(api, name)
        given = {name: on_phone(api, name) for name in ("ama", "kofi")}
        for name, token in given.items():
            assert given[name]["csrf_token"] is None
            case = api.app.test_client().put(f"/api/v1/cases/{new_id()}", json=a_case_body(), headers=bearer(token))
            assert case.status_code == 201
        actors = [row["actor"] for row in export_audit(api.parts.database) if row["action"] == "case.submit"]
        assert actors == ["ama@test-field", "kofi@test-field"]
        begun = [row["actor"] for row in export_audit(api.parts.database) if row["action"] == "session.begin"]
        assert begun == ["ama@test-field", "kofi@test-field"]

    def test_no_cookie_is_set_and_the_sign_in_lasts_its_days(self, api):
        a_person(api, "ama")
        answer = api.call("POST", "/sign-in", "phone", json={"name": "ama", "password": PASSWORD})
        assert "Set-Cookie" not in answer.headers
        api.clock.move(days=29, hours=23)
        assert session_of(api, answer.json).json["person"] == "ama"
        api.clock.move(hours=2)
        assert code_of(session_of(api, answer.json)) == (401, "token-expired")

    def test_whoever_has_signed_in_may_have_it_deliver_while_it_is_locked(self, api):
        a_person(api, "ama")

        def deliver():
            return api.call("PUT", f"/cases/{new_id()}", "phone", json=a_case_body(), headers={"Pallor-Person": "ama"})

        assert code_of(deliver()) == (422, "person-unknown")
        on_phone(api, "ama")
        assert deliver().status_code == 201

    def test_signing_in_again_ends_the_sign_in_before_and_nobody_elses(self, api):
        for name in ("ama", "kofi"):
            a_person(api, name)
        first, other = on_phone(api, "ama"), on_phone(api, "kofi")
        second = on_phone(api, "ama")
        assert session_of(api, first).status_code == 401
        assert [session_of(api, given).status_code for given in (second, other)] == [200, 200]

    def test_the_reach_is_what_person_and_phone_share(self, api):
        a_person(api, "ama", sites=(OWN, FOREIGN))
        said = session_of(api, on_phone(api, "ama")).json
        assert (said["device"], said["kind"], said["sites"]) == ("test-field", "phone", [OWN])

    def test_a_person_of_another_site_is_told_so_and_not_counted_as_a_guesser(self, api):
        a_person(api, "ama", sites=(FOREIGN,))
        for _ in range(8):
            answer = api.call("POST", "/sign-in", "phone", json={"name": "ama", "password": PASSWORD})
            assert code_of(answer) == (403, "site-not-shared")

    @pytest.mark.parametrize("role", ["lab", "node", "trainer", "admin"])
    def test_no_other_device_is_signed_in_on(self, api, role):
        a_person(api, "ama")
        answer = api.call("POST", "/sign-in", role, json={"name": "ama", "password": PASSWORD})
        assert code_of(answer) == (403, "role-not-allowed")

    def test_a_token_of_another_person_is_not_the_phones_own(self, api):
        a_person(api, "ama")
        answer = api.call("POST", "/sign-in", "field", json={"name": "ama", "password": PASSWORD})
        assert code_of(answer) == (403, "device-token-needed")

    @pytest.mark.parametrize(
        ("state", "expected"), [("stolen", (403, "device-stolen")), ("retired", (403, "device-retired"))]
    )
    def test_a_phone_that_is_out_lets_nobody_in(self, api, state, expected):
        a_person(api, "ama")
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState(state), by="operator")
        answer = api.call("POST", "/sign-in", "phone", json={"name": "ama", "password": PASSWORD})
        assert code_of(answer) == expected

    @pytest.mark.parametrize("state", ["stolen", "retired"])
    def test_a_phone_that_goes_out_while_somebody_signs_in_on_it_lets_nobody_in(self, api, state):
        """The phone was judged before its state changed, the token is made after."""
        a_person(api, "ama")
        database, clock = api.parts.database, api.clock
        phone = Phone(device_of(api, "test-field").id, "test-field", frozenset({OWN}))
        set_device_state(database, clock, "test-field", DeviceState(state), by="operator")
        before = len(list(export_audit(database)))
        with pytest.raises(PhoneOut):
            sign_in(database, clock, Credentials("ama", PASSWORD, None), timedelta(days=30), phone=phone)
        with database.read() as connection:
            theirs = select(tokens.c.id).join(people).where(people.c.name == "ama")
            assert connection.execute(theirs).all() == []
        assert len(list(export_audit(database))) == before

    def test_an_administrator_signs_in_in_a_browser_alone_and_learns_it_by_the_right_password(self, api):
        a_person(api, "head", Role.ADMIN, ())

        def try_on_phone(password):
            return api.call("POST", "/sign-in", "phone", json={"name": "head", "password": password})

        assert code_of(try_on_phone("guess")) == (401, "password-wrong")
        for _ in range(8):
            status, code, fault = the_fault(try_on_phone(PASSWORD))
            assert (status, code) == (403, "browser-needed")
            assert "browser" in fault["remedy"]
        assert Browser(api).sign_in("head").status_code == 200
        row_count = [row["action"] for row in export_audit(api.parts.database)].count("session.begin")
        assert row_count == 1

    @pytest.mark.parametrize("header", ["Bearer pallor_unknown", "Basic YTpi", "Bearer "])
    def test_a_token_of_nobody_is_refused_before_anything_is_judged(self, api, header):
        a_person(api, "ama")
        client = api.app.test_client()
        body = {"name": "ama", "password": PASSWORD}
        answer = client.post("/api/v1/sign-in", json=body, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json["code"] in ("token-unknown", "token-missing")


class TestPasswords:
    def test_a_one_time_password_lets_in_to_choose_another_and_to_nothing_else(self, api):
        given = add_person(api.parts.database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator")
        browser = Browser(api)
        assert browser.sign_in("ama", given).status_code == 200
        assert browser.call("GET", "/session").json["needs"] == ["password-change-needed"]
        assert code_of(browser.call("GET", "/changes")) == (403, "password-change-needed")
        changed = browser.call("PUT", "/session/password", {"old": given, "new": PASSWORD})
        assert changed.status_code == 200
        assert browser.call("GET", "/session").json["needs"] == []
        assert browser.call("GET", "/changes").status_code == 200
        assert Browser(api).sign_in("ama", given).status_code == 401
        assert Browser(api).sign_in("ama", PASSWORD).status_code == 200

    def test_a_one_time_password_lasts_seven_days(self, api):
        given = add_person(api.parts.database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator")
        api.clock.move(days=6, hours=23)
        browser = Browser(api)
        assert browser.sign_in("ama", given).status_code == 200
        api.clock.move(hours=2)
        assert Browser(api).sign_in("ama", given).status_code == 401
        late = browser.call("PUT", "/session/password", {"old": given, "new": PASSWORD})
        assert code_of(late) == (401, "password-wrong")

    def test_it_is_not_its_own_successor(self, api):
        given = add_person(api.parts.database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator")
        browser = Browser(api)
        browser.sign_in("ama", given)
        assert code_of(browser.call("PUT", "/session/password", {"old": given, "new": given})) == (422, "password-weak")

    def test_another_password_ends_every_other_sign_in(self, api):
        a_person(api, "ama")
        here, there, phone = Browser(api), Browser(api), on_phone(api, "ama")
        here.sign_in("ama")
        there.sign_in("ama")
        assert here.call("PUT", "/session/password", {"old": PASSWORD, "new": ANOTHER}).status_code == 200
        assert here.call("GET", "/session").status_code == 200
        assert there.call("GET", "/session").status_code == 401
        assert session_of(api, phone).status_code == 401
        assert session_of(api, {"token": api.tokens["phone"]}).status_code == 200

    def test_sent_again_after_a_lost_answer_it_is_done_once(self, api):
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        for _ in range(2):
            assert browser.call("PUT", "/session/password", {"old": PASSWORD, "new": ANOTHER}).status_code == 200
        assert [row["action"] for row in export_audit(api.parts.database)].count("person.change-password") == 1

    def test_the_old_one_is_asked_for_and_guesses_are_slowed(self, api):
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        codes = [
            code_of(browser.call("PUT", "/session/password", {"old": f"guess {n}", "new": ANOTHER})) for n in range(6)
        ]
        assert codes == [(401, "password-wrong")] * 5 + [(429, "too-many-attempts")]

    @pytest.mark.parametrize(
        "weak", ["short", "password123", "ama-ama-ama-ama", "aaaaaaaaaaaaaaaa", "x" * 73, "1234567890"]
    )
    def test_what_a_guesser_would_find_is_refused(self, api, weak):
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        answer = browser.call("PUT", "/session/password", {"old": PASSWORD, "new": weak})
        status, code, fault = the_fault(answer)
        assert (status, code, fault["field"]) == (422, "password-weak", "new")
        assert weak not in answer.text

    @pytest.mark.parametrize(
        "odd",
        [
            "4@8({[<6931!|70$5+7%2" * 3,
            "4@8({[<6931!|70$5+7%2"[:10],
            "пароль" * 12,
            "😀" * 72,
            "\x00" * 72,
            " " * 72,
            "ß" * 40,
        ],
    )
    def test_no_password_is_too_odd_to_be_judged(self, odd):
        with suppress(PasswordWeak):
            check_password(odd, "ama")

    def test_leet_spelling_is_judged_by_few_readings(self):
        """Each reading is a walk through the dictionaries; as typed, this has hundreds and takes seconds."""
        from zxcvbn.matching import L33T_TABLE, enumerate_l33t_subs, relevant_l33t_subtable

        worst = "4@8({[<6931!|70$5+7%2" * 3
        readings = [
            len(enumerate_l33t_subs(relevant_l33t_subtable(text, L33T_TABLE)))
            for text in (worst, worst.translate(passwords._PLAIN_LEET))
        ]
        assert readings[0] > 100
        assert readings[1] < 20

    def test_a_device_has_no_password(self, api):
        for role in ("phone", "lab", "admin"):
            answer = api.call("PUT", "/session/password", role, json={"old": "x", "new": PASSWORD})
            assert code_of(answer) == (403, "sign-in-needed")


class TestSecondFactor:
    def test_an_administrator_gets_in_by_nothing_else(self, api):
        browser = an_admin(api)
        assert browser.call("GET", "/session").json["needs"] == ["second-factor-needed"]
        assert code_of(browser.call("GET", "/labels")) == (403, "second-factor-needed")
        begun = browser.call("POST", "/session/second-factor", {})
        assert begun.json["uri"].startswith("otpauth://totp/Pallor:head?")
        assert begun.json["qr_svg"].startswith("<svg")
        totp = pyotp.TOTP(begun.json["secret"])
        assert code_of(browser.call("PUT", "/session/second-factor", {"code": "000000"}))[0] == 422
        assert browser.call("GET", "/session").json["needs"] == ["second-factor-needed"]
        assert browser.call("PUT", "/session/second-factor", {"code": totp.at(api.clock.now())}).status_code == 200
        assert browser.call("GET", "/labels").status_code == 200
        assert code_of(Browser(api).sign_in("head")) == (401, "second-factor-code-needed")

    def test_where_none_is_asked_for_an_administrator_needs_none(self, database, tmp_path):
        api = an_api(database, tmp_path / "lax", second_factor=False)
        assert an_admin(api).call("GET", "/labels").status_code == 200

    def test_no_code_works_twice(self, api):
        totp = confirmed(api, an_admin(api))
        api.clock.move(seconds=60)
        code = totp.at(api.clock.now())
        assert Browser(api).sign_in("head", code=code).status_code == 200
        assert code_of(Browser(api).sign_in("head", code=code)) == (401, "password-wrong")
        before = totp.at(api.clock.now() - timedelta(seconds=30))
        assert code_of(Browser(api).sign_in("head", code=before)) == (401, "password-wrong")
        api.clock.move(seconds=30)
        assert Browser(api).sign_in("head", code=totp.at(api.clock.now())).status_code == 200

    def test_nor_twice_at_once(self, api):
        totp = confirmed(api, an_admin(api))
        api.clock.move(seconds=60)
        code = totp.at(api.clock.now())
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: Browser(api).sign_in("head", code=code).status_code, range(4)))
        assert sorted(answers) == [200, 401, 401, 401]

    def test_the_code_that_confirmed_it_does_not_sign_in(self, api):
        totp = confirmed(api, an_admin(api))
        assert Browser(api).sign_in("head", code=totp.at(api.clock.now())).status_code == 401

    @pytest.mark.parametrize(("seconds", "status"), [(-60, 401), (-30, 200), (0, 200), (30, 200), (60, 401)])
    def test_clocks_may_differ_by_one_step(self, api, seconds, status):
        totp = confirmed(api, an_admin(api))
        api.clock.move(minutes=10)
        code = totp.at(api.clock.now() + timedelta(seconds=seconds))
        assert Browser(api).sign_in("head", code=f"{code[:3]} {code[3:]}").status_code == status

    def test_a_stolen_session_does_not_replace_it(self, api):
        browser = an_admin(api)
        totp = confirmed(api, browser)
        api.clock.move(minutes=5)
        code = totp.at(api.clock.now())
        assert code_of(browser.call("POST", "/session/second-factor", {})) == (401, "second-factor-code-needed")
        for wrong in ({"password": "guess"}, {"code": "000000"}):
            assert code_of(browser.call("POST", "/session/second-factor", wrong)) == (401, "password-wrong")
        assert browser.call("POST", "/session/second-factor", {"code": code}).status_code == 200
        assert code_of(browser.call("POST", "/session/second-factor", {"code": code})) == (401, "password-wrong")
        assert browser.call("POST", "/session/second-factor", {"password": PASSWORD}).status_code == 200

    def test_beginning_one_wipes_no_guesses_away(self, api):
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        codes = []
        for _ in range(4):
            browser.call("POST", "/session/second-factor", {})
            browser.call("POST", "/session/second-factor", {"password": "guess"})
            codes.append(browser.call("PUT", "/session/password", {"old": "guess", "new": ANOTHER}).status_code)
        assert codes == [401, 401, 429, 429]

    def test_until_the_new_one_is_confirmed_the_old_one_counts(self, api):
        browser = an_admin(api)
        old = confirmed(api, browser)
        begun = browser.call("POST", "/session/second-factor", {"password": PASSWORD})
        new = pyotp.TOTP(begun.json["secret"])
        api.clock.move(minutes=5)
        assert Browser(api).sign_in("head", code=new.at(api.clock.now())).status_code == 401
        assert Browser(api).sign_in("head", code=old.at(api.clock.now())).status_code == 200
        assert browser.call("PUT", "/session/second-factor", {"code": new.at(api.clock.now())}).status_code == 200
        api.clock.move(minutes=5)
        assert Browser(api).sign_in("head", code=old.at(api.clock.now())).status_code == 401
        assert Browser(api).sign_in("head", code=new.at(api.clock.now())).status_code == 200

    def test_there_is_nothing_to_confirm_before_it_was_begun(self, api):
        browser = an_admin(api)
        answer = browser.call("PUT", "/session/second-factor", {"code": "000000"})
        assert code_of(answer) == (409, "second-factor-not-begun")

    def test_a_reset_password_takes_it_away(self, api):
        browser = an_admin(api)
        confirmed(api, browser)
        browser.call("POST", "/session/second-factor", {"password": PASSWORD})
        given = reset_password(api.parts.database, api.clock, "head", by="operator")
        row = row_of(api, "head")
        assert (row.totp_secret, row.totp_since, row.totp_next, row.totp_step) == (None, None, None, None)
        assert Browser(api).sign_in("head", given).status_code == 200


class TestTheTwoHalves:
    def test_a_stolen_cookie_alone_changes_nothing_at_any_route(self, api):
        browser = an_admin(api)
        confirmed(api, browser)
        before = len(list(export_audit(api.parts.database)))
        thief = api.app.test_client()
        thief.set_cookie("pallor", browser.cookie)
        walked = 0
        for method, path, endpoint in changing(api):
            for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": browser.cookie}, {"X-CSRF-Token": ""}):
                answer = thief.open(path, method=method, json={}, headers=headers)
                assert code_of(answer) == (403, "csrf-missing"), endpoint
                walked += 1
        assert walked >= 4 * 15
        assert len(list(export_audit(api.parts.database))) == before
        assert thief.get("/api/v1/session").json["person"] == "head"

    def test_only_the_doors_themselves_and_what_is_signed_for_nodes_ask_for_no_token(self, api):
        open_to_all = {name for name, rule in api.app.extensions["rules"].items() if not rule.roles}
        assert open_to_all == {
            "doors.post_sign_in", "oidc.get_oidc", "oidc.get_callback", "enrolment.post_enrolment", "repository",
        }  # fmt: skip

    def test_the_half_of_another_session_does_not_fit(self, api):
        a_person(api, "ama")
        one, two = Browser(api), Browser(api)
        one.sign_in("ama")
        two.sign_in("ama")
        one.csrf = two.csrf
        assert code_of(one.call("DELETE", "/session")) == (403, "csrf-missing")

    def test_a_cookie_is_no_bearer_token_and_a_bearer_token_no_cookie(self, api):
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        as_bearer = api.app.test_client().get("/api/v1/session", headers=bearer({"token": browser.cookie}))
        assert code_of(as_bearer) == (401, "token-unknown")
        with_half = bearer({"token": browser.cookie}) | {"X-CSRF-Token": browser.csrf}
        assert api.app.test_client().delete("/api/v1/session", headers=with_half).status_code == 401
        for token in (api.tokens["field"], api.tokens["admin"], browser.csrf):
            client = api.app.test_client()
            client.set_cookie("pallor", token)
            assert code_of(client.get("/api/v1/session")) == (401, "token-unknown")


class TestRotation:
    def test_the_old_token_ends_when_the_new_one_is_used(self, api):
        old = {"token": api.tokens["phone"]}
        new = rotated(api, old)
        assert session_of(api, old).status_code == 200  # the answer may have got lost
        assert session_of(api, new).status_code == 200
        assert code_of(session_of(api, old)) == (401, "token-unknown")

    def test_after_a_lost_answer_it_is_asked_for_again_and_one_successor_lives(self, api):
        old = {"token": api.tokens["phone"]}
        lost, kept = rotated(api, old), rotated(api, old)
        assert session_of(api, lost).status_code == 401
        assert session_of(api, old).status_code == 200
        assert session_of(api, kept).status_code == 200
        assert session_of(api, old).status_code == 401
        assert session_of(api, kept).status_code == 200

    def test_a_person_on_a_phone_stays_that_person_there(self, api):
        a_person(api, "ama")
        first = on_phone(api, "ama")
        api.clock.move(days=29)
        second = rotated(api, first)
        said = session_of(api, second).json
        assert (said["person"], said["device"]) == ("ama", "test-field")
        assert said["expires_at"] == second["expires_at"]
        api.clock.move(days=29)
        assert session_of(api, second).status_code == 200

    def test_resetting_the_password_ends_a_successor_too(self, api):
        a_person(api, "ama")
        successor = rotated(api, on_phone(api, "ama"))
        reset_password(api.parts.database, api.clock, "ama", by="operator")
        assert session_of(api, successor).status_code == 401

    def test_every_kind_of_device_may_and_a_browser_may_not(self, api):
        for role in ("phone", "lab", "admin", "trainer", "node"):
            assert session_of(api, rotated(api, {"token": api.tokens[role]})).status_code == 200
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        assert code_of(browser.call("POST", "/session/rotation", {})) == (403, "cookie-not-rotated")

    def test_no_successor_lasts_longer_than_was_granted(self, api):
        database, lifetime = api.parts.database, timedelta(days=1)
        given = add_device(database, api.clock, "short", DeviceKind.CONSOLE, frozenset(), lifetime, by="operator")
        api.clock.move(hours=23)
        second = rotated(api, {"token": given.token})
        assert session_of(api, second).status_code == 200
        api.clock.move(hours=2)
        third = rotated(api, second)
        assert session_of(api, third).status_code == 200
        api.clock.move(hours=23, minutes=59)
        assert session_of(api, third).status_code == 200
        api.clock.move(minutes=2)
        assert code_of(session_of(api, third)) == (401, "token-expired")

    def test_nor_longer_than_the_setting_has_it_now(self, database, tmp_path):
        api = an_api(database, tmp_path / "store", device_token_days=2)
        second = rotated(api, {"token": api.tokens["phone"]})
        api.clock.move(days=2, minutes=1)
        assert code_of(session_of(api, second)) == (401, "token-expired")

    @pytest.mark.parametrize("state", ["retired", "stolen"])
    def test_a_device_that_is_out_gets_no_new_token(self, api, state):
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState(state), by="operator")
        answer = api.call("POST", "/session/rotation", "phone", json={})
        assert code_of(answer) == (403, f"device-{state}")


class TestTheDevice:
    def test_a_stolen_phone_learns_it_and_its_last_word_is_heard_once(self, api):
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState.STOLEN, by="operator")
        assert api.get("/session", "phone")["state"] == "stolen"
        for _ in range(2):
            said = api.call("PUT", "/device/queue", "phone", json={"unsent_cases": 4, "wiped": True})
            assert (said.status_code, said.json["state"]) == (200, "stolen")
        row = device_of(api, "test-field")
        assert (row.unsent_cases, row.wiped_at is not None, row.unsent_at is not None) == (4, True, True)
        (told,) = [row for row in export_audit(api.parts.database) if row["action"] == "device.last-word"]
        assert (told["actor"], told["content"]["new"]) == ("test-field", {"unsent_cases": 4, "wiped": True})
        assert code_of(api.call("GET", "/changes", "phone")) == (403, "device-stolen")

    def test_once_wiped_a_stolen_phone_is_not_heard_any_more(self, api):
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState.STOLEN, by="operator")
        say(api, 4, wiped=True)
        row, before = device_of(api, "test-field"), len(list(export_audit(api.parts.database)))
        for count, wiped in ((1, False), (2, True), (4, False)):
            assert say(api, count, wiped=wiped).json["state"] == "stolen"
        assert device_of(api, "test-field") == row
        assert len(list(export_audit(api.parts.database))) == before

    @pytest.mark.parametrize(("state", "rows"), [("stolen", 2), ("retired", 1)])
    def test_whoever_has_a_phone_that_is_out_does_not_fill_the_trail(self, api, state, rows):
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState(state), by="operator")
        before = len(list(export_audit(api.parts.database)))
        for n in range(6):
            say(api, n % 2, wiped=False)
        assert device_of(api, "test-field").unsent_cases == 1
        say(api, 3, wiped=True)
        told = list(export_audit(api.parts.database))[before:]
        assert [row["action"] for row in told] == ["device.last-word"] * rows
        assert told[-1]["content"]["new"]["wiped"] == (state == "stolen")

    def test_a_retired_phone_tells_how_much_it_had_not_sent(self, api):
        api.call("PUT", "/device/queue", "phone", json={"unsent_cases": 2})
        set_device_state(api.parts.database, api.clock, "test-field", DeviceState.RETIRED, by="operator")
        said = api.call("PUT", "/device/queue", "phone", json={"unsent_cases": 2})
        assert (said.status_code, said.json["state"]) == (200, "retired")
        assert [row["action"] for row in export_audit(api.parts.database)].count("device.last-word") == 1

    def test_a_working_phone_is_not_wiped_and_fills_no_trail(self, api):
        before = len(list(export_audit(api.parts.database)))
        for role in ("phone", "field", "node"):
            answer = api.call("PUT", "/device/queue", role, json={"unsent_cases": 7, "wiped": True})
            assert answer.status_code == 200
        row = device_of(api, "test-field")
        assert (row.unsent_cases, row.wiped_at) == (7, None)
        assert len(list(export_audit(api.parts.database))) == before

    def test_a_browser_has_no_queue(self, api):
        a_person(api, "ama")
        browser = Browser(api)
        browser.sign_in("ama")
        answer = browser.call("PUT", "/device/queue", {"unsent_cases": 1})
        assert code_of(answer) == (403, "device-token-needed")

    @pytest.mark.parametrize("role", ["phone", "lab", "node", "trainer", "admin"])
    def test_a_device_does_not_sign_itself_out(self, api, role):
        assert code_of(api.call("DELETE", "/session", role)) == (403, "sign-in-needed")
        assert api.call("GET", "/session", role).status_code == 200

    def test_a_person_signs_out_of_a_phone_and_the_phone_stays(self, api):
        a_person(api, "ama")
        given = on_phone(api, "ama")
        assert api.app.test_client().delete("/api/v1/session", headers=bearer(given)).status_code == 204
        assert session_of(api, given).status_code == 401
        assert api.get("/session", "phone")["person"] is None

    def test_a_node_learns_that_it_waits_to_be_confirmed(self, api):
        add_device(
            api.parts.database, api.clock, "node-2", DeviceKind.NODE, frozenset({OWN}), timedelta(days=9), by="operator"
        )
        with api.parts.database.write() as tx:
            tx.execute(update(devices).where(devices.c.name == "test-node").values(confirmed_at=None))
        assert api.get("/session", "node")["needs"] == ["device-unconfirmed"]


def test_no_secret_of_any_walk_is_in_the_trail_a_problem_or_the_log(api, caplog):
    caplog.set_level(logging.DEBUG)
    secrets, problems = {PASSWORD, ANOTHER, KEPT, *api.tokens.values()}, []

    def seen(answer):
        if answer.status_code >= 400:
            problems.append(answer.text)
        return answer

    given = add_person(api.parts.database, api.clock, "head", Role.ADMIN, frozenset(), by="operator")
    browser = Browser(api)
    secrets |= {given, browser.sign_in("head", given).json["csrf_token"], browser.cookie}
    seen(browser.call("PUT", "/session/password", {"old": PASSWORD, "new": given[:12]}))
    seen(browser.call("PUT", "/session/password", {"old": given, "new": PASSWORD}))
    begun = browser.call("POST", "/session/second-factor", {}).json
    totp = pyotp.TOTP(begun["secret"])
    codes = [totp.at(api.clock.now() + timedelta(seconds=30 * n)) for n in range(-1, 30)]
    secrets |= {begun["secret"]}
    seen(browser.call("PUT", "/session/second-factor", {"code": codes[1]}))
    for wrong in ({"code": codes[1]}, {"code": codes[9]}, {"code": 1}, {}, {"password": "x", "pasword": ANOTHER}):
        seen(Browser(api).sign_in("head", **wrong))
    seen(Browser(api).sign_in(PASSWORD, ANOTHER))
    a_person(api, "ama")
    phone = on_phone(api, "ama")
    secrets |= {phone["token"], rotated(api, phone)["token"]}
    thief = api.app.test_client()
    thief.set_cookie("pallor", browser.cookie)
    seen(thief.delete("/api/v1/session"))
    seen(thief.get("/api/v1/session", headers=bearer({"token": browser.cookie})))
    seen(thief.get(f"/api/v1/session/{phone['token']}", headers=bearer(phone)))
    seen(browser.call("POST", "/session/second-factor", {"code": codes[1]}))
    formatter = JsonLines("backend")
    held = {
        "trail": json.dumps(list(export_audit(api.parts.database)), default=str),
        "problems": "\n".join(problems),
        "log": "\n".join(formatter.format(record) for record in caplog.records),
    }
    assert len(problems) >= 8
    assert "session.begin" in held["trail"]
    assert "/api/v1/sign-in" in held["log"]
    assert [(where, secret) for where, text in held.items() for secret in secrets if secret in text] == []
    # Six digits may stand in a digest by chance: codes are looked for between other signs.
    words = {where: set(re.split(r"[^0-9A-Za-z]", text)) for where, text in held.items()}
    assert [(where, code) for where, found in words.items() for code in codes if code in found] == []


def a_person(api, name, role=Role.FIELD, sites=(OWN,)):
    add_person(api.parts.database, api.clock, name, role, frozenset(sites), by="operator")
    change(api, name, password_hash=KEPT, one_time_until=None)


def an_admin(api):
    a_person(api, "head", Role.ADMIN, ())
    browser = Browser(api)
    assert browser.sign_in("head").status_code == 200
    return browser


def confirmed(api, browser):
    totp = pyotp.TOTP(browser.call("POST", "/session/second-factor", {}).json["secret"])
    assert browser.call("PUT", "/session/second-factor", {"code": totp.at(api.clock.now())}).status_code == 200
    return totp


def on_phone(api, name):
    answer = api.call("POST", "/sign-in", "phone", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer.json


def say(api, count, *, wiped):
    """What a phone tells of its queue, a second after its last word."""
    api.clock.move(seconds=1)
    answer = api.call("PUT", "/device/queue", "phone", json={"unsent_cases": count, "wiped": wiped})
    assert answer.status_code == 200, answer.text
    return answer


def rotated(api, given):
    answer = api.app.test_client().post("/api/v1/session/rotation", json={}, headers=bearer(given))
    assert answer.status_code == 200, answer.text
    return answer.json


def session_of(api, given):
    return api.app.test_client().get("/api/v1/session", headers=bearer(given))


def bearer(given):
    return {"Authorization": f"Bearer {given['token']}"}


def code_of(response):
    return response.status_code, code_in(response)


def change(api, name, **columns):
    with api.parts.database.write() as tx:
        tx.execute(update(people).where(people.c.name == name).values(**columns))


def row_of(api, name):
    with api.parts.database.read() as connection:
        return connection.execute(select(people).where(people.c.name == name)).one()


def device_of(api, name):
    with api.parts.database.read() as connection:
        return connection.execute(select(devices).where(devices.c.name == name)).one()


def changing(api):
    """Every route that changes something and asks who calls, with a path to it."""
    for rule in api.app.url_map.iter_rules():
        declared = api.app.extensions["rules"].get(rule.endpoint)
        if declared is None or not declared.roles:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", new_id() if name.endswith("_id") else "test-field")
        for method in sorted(rule.methods & {"PUT", "POST", "PATCH", "DELETE"}):
            yield method, path, rule.endpoint


def counted(monkeypatch):
    """How often a password was compared, by the real hasher."""
    calls, real = [], passwords._hasher

    class Counting:
        def verify(self, *given):
            calls.append(1)
            return real.verify(*given)

        def __getattr__(self, name):
            return getattr(real, name)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    return calls
