"""Signing in by an identity provider: an honest one over HTTP, and one that lies in every way we know."""

import logging
import re
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import func, select

from backend.access.roles import PersonState, Role
from backend.db.tables import oidc_sign_ins
from backend.services.audit import export_audit
from backend.services.manage_people import add_person, put_person, reset_password, set_person_state
from backend.settings import Settings
from pallor.log import JsonLines
from pallor.settings import SettingsRefused, load
from tests.support.api import OWN
from tests.support.oidc import CrookedProvider, honest_provider

CALLBACK, SECRET = "/api/v1/sign-in/oidc/callback", "a-secret-of-the-client-0123456789abcdef"


@pytest.fixture(scope="module")
def honest():
    with honest_provider() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def lasting_provider():
    with CrookedProvider() as provider:
        yield provider


@pytest.fixture
def crooked(lasting_provider):
    """One that says nothing crooked yet."""
    lasting_provider.begin_anew()
    return lasting_provider


class TestAnHonestProvider:
    def test_whom_it_knows_comes_in_and_changes_things_with_both_halves(self, database, standing, honest):
        api = served(database, standing, honest)
        add_person(database, api.clock, "head", Role.ADMIN, frozenset(), by="operator", oidc_subject="head@example.org")
        browser, answer = sign_in(api, "head@example.org")
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        csrf = re.search(r'content="0;url=/#csrf=(pallor_[\w-]+)"', answer.text).group(1)
        cookie = browser.get_cookie("pallor")
        assert (cookie.http_only, cookie.same_site, cookie.max_age) == (True, "Strict", 12 * 3600)
        assert cookie.value not in answer.text
        session = browser.get("/api/v1/session").json
        assert (session["person"], session["needs"]) == ("head", [])
        assert browser.get("/api/v1/labels").status_code == 200
        assert browser.delete("/api/v1/session").json["code"] == "csrf-missing"
        assert browser.delete("/api/v1/session", headers={"X-CSRF-Token": csrf}).status_code == 204
        begun = [row for row in export_audit(database) if row["action"] == "session.begin"][-1]
        assert begun["actor"].startswith("head@browser-")
        assert begun["content"]["new"]["shown"] == "the identity provider's word"

    def test_a_password_of_the_same_account_is_asked_for_its_own_second_factor(self, database, standing, honest):
        api = served(database, standing, honest)
        given = add_person(
            database, api.clock, "head", Role.ADMIN, frozenset(), by="operator", oidc_subject="head@example.org"
        )
        browser = api.app.test_client()
        browser.post("/api/v1/sign-in", json={"name": "head", "password": given})
        needs = browser.get("/api/v1/session").json["needs"]
        assert needs == ["password-change-needed", "second-factor-needed"]

    def test_whom_we_do_not_know_is_told_so_without_a_word_of_theirs(self, database, standing, honest):
        api = served(database, standing, honest)
        browser, answer = sign_in(api, "stranger@example.org")
        assert (answer.status_code, answer.json["code"]) == (403, "account-unknown")
        assert "stranger" not in answer.text
        assert browser.get_cookie("pallor") is None

    def test_a_disabled_account_is_nobodys(self, database, standing, honest):
        api = served(database, standing, honest)
        add_person(
            database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator", oidc_subject="ama@example.org"
        )
        set_person_state(database, api.clock, "ama", PersonState.DISABLED, by="operator")
        assert sign_in(api, "ama@example.org")[1].json["code"] == "account-unknown"


class TestAnotherSubject:
    @pytest.mark.parametrize("change", [{"oidc_subject": "another"}, {"unlink": True}], ids=["relinked", "unlinked"])
    def test_who_came_by_the_one_before_is_out_and_comes_in_no_more(self, database, standing, crooked, change):
        api = known(database, standing, crooked)
        browser = api.app.test_client()
        assert browser.get(CALLBACK + crooked.send_back(begin(browser))).status_code == 200
        assert browser.get("/api/v1/session").status_code == 200
        put_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator", oidc_subject="someone")
        assert browser.get("/api/v1/session").status_code == 200
        put_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator", **change)
        assert browser.get("/api/v1/session").json["code"] == "token-unknown"
        assert the_end(api, crooked).json["code"] == "account-unknown"
        (said,) = [row["content"] for row in export_audit(database) if row["action"] == "person.link"]
        assert said["old"] == {"oidc_subject": "someone"}
        assert said["new"] == {"name": "ama", "oidc_subject": change.get("oidc_subject"), "sign_ins_ended": 1}

    def test_who_came_by_password_stays(self, database, standing, crooked):
        api = served(database, standing, crooked.issuer)
        given = add_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator")
        browser = api.app.test_client()
        browser.post("/api/v1/sign-in", json={"name": "ama", "password": given})
        put_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator", oidc_subject="someone")
        assert browser.get("/api/v1/session").status_code == 200

    def test_a_reset_password_leaves_the_link_and_ends_the_sign_in(self, database, standing, crooked):
        api = known(database, standing, crooked)
        browser = api.app.test_client()
        browser.get(CALLBACK + crooked.send_back(begin(browser)))
        reset_password(database, api.clock, "ama", by="operator")
        assert browser.get("/api/v1/session").json["code"] == "token-unknown"
        assert the_end(api, crooked).status_code == 200


class TestTheWayThereAndBack:
    def test_state_nonce_and_challenge_go_along_and_the_browser_keeps_the_state(self, database, standing, crooked):
        api = served(database, standing, crooked.issuer)
        browser = api.app.test_client()
        asked = parse_qs(urlsplit(begin(browser)).query)
        assert asked["redirect_uri"] == [f"http://127.0.0.1:8080{CALLBACK}"]
        assert (asked["response_type"], asked["scope"]) == (["code"], ["openid"])
        assert asked["code_challenge_method"] == ["S256"]
        assert all(len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
        cookie = browser.get_cookie("pallor-oidc")
        assert (cookie.value, cookie.http_only, cookie.same_site) == (asked["state"][0], True, "Lax")
        with database.read() as connection:
            kept = connection.execute(select(oidc_sign_ins)).one()
        assert asked["state"][0] not in kept
        assert kept.nonce == asked["nonce"][0]

    def test_it_ends_in_the_browser_in_which_it_began(self, database, standing, crooked):
        api = known(database, standing, crooked)
        one, two = api.app.test_client(), api.app.test_client()
        back = crooked.send_back(begin(one))
        begin(two)
        assert two.get(CALLBACK + back).json["code"] == "sign-in-not-begun"
        assert api.app.test_client().get(CALLBACK + back).json["code"] == "sign-in-not-begun"
        assert one.get(CALLBACK + back).status_code == 200

    def test_what_the_provider_refuses_is_refused(self, database, standing, crooked):
        api = known(database, standing, crooked)
        browser = api.app.test_client()
        crooked.send_back(begin(browser))
        answer = browser.get(f"{CALLBACK}?error=access_denied&state={crooked.asked['state']}")
        assert (answer.status_code, answer.json["code"]) == (403, "provider-refused")
        assert "access_denied" not in answer.text

    def test_it_comes_back_once(self, database, standing, crooked):
        api = known(database, standing, crooked)
        browser = api.app.test_client()
        back = crooked.send_back(begin(browser))
        state = browser.get_cookie("pallor-oidc").value
        assert browser.get(CALLBACK + back).status_code == 200
        browser.set_cookie("pallor-oidc", state)
        assert browser.get(CALLBACK + back).json["code"] == "sign-in-not-begun"
        assert len(crooked.redeemed) == 1

    def test_it_takes_ten_minutes_at_most(self, database, standing, crooked):
        api = known(database, standing, crooked)
        browser = api.app.test_client()
        back = crooked.send_back(begin(browser))
        api.clock.move(minutes=11)
        browser.set_cookie("pallor-oidc", crooked.asked["state"])
        assert browser.get(CALLBACK + back).json["code"] == "sign-in-not-begun"
        assert crooked.redeemed == []

    def test_what_never_came_back_is_swept(self, database, standing, crooked):
        api = known(database, standing, crooked)
        begin(api.app.test_client())
        api.clock.move(minutes=11)
        begin(api.app.test_client())
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(oidc_sign_ins)).scalar() == 1

    def test_many_tries_are_slowed(self, database, standing, crooked):
        api = served(database, standing, crooked.issuer)
        client = api.app.test_client()
        codes = {client.get(f"{CALLBACK}?state=x&code={n}").status_code for n in range(31)}
        assert codes == {403, 429}
        assert client.get("/api/v1/sign-in/oidc").status_code == 429

    def test_no_code_state_or_token_of_it_is_in_the_log_or_the_trail(self, database, standing, crooked, caplog):
        api = known(database, standing, crooked)
        caplog.set_level(logging.DEBUG)
        browser = api.app.test_client()
        back = crooked.send_back(begin(browser))
        assert browser.get(CALLBACK + back).status_code == 200
        lines = "\n".join(JsonLines("backend").format(record) for record in caplog.records)
        secrets = {crooked.asked["state"], crooked.asked["nonce"], browser.get_cookie("pallor").value, SECRET, "a-code"}
        secrets |= {"an-access-token", crooked.redeemed[0]["code_verifier"]}
        for held in (lines, str(list(export_audit(database)))):
            assert [secret for secret in secrets if secret in held] == []
        assert "someone" not in lines
        assert "/api/v1/sign-in/oidc/callback" in lines


class TestACrookedProvider:
    """One walk each; an untouched token lets in, so every lie is what keeps out."""

    def test_an_untouched_token_lets_in(self, database, standing, crooked):
        assert the_end(known(database, standing, crooked), crooked).status_code == 200

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://other.example.org"}, {"iss": None}, {"aud": "another-client"}, {"aud": None},
            {"aud": "another-client", "azp": "pallor-client"},
            {"aud": ["pallor-client", "another-client"]}, {"aud": ["pallor-client"], "azp": "another-client"},
            {"nonce": "another"}, {"nonce": None}, {"exp": int(time.time()) - 120}, {"exp": None}, {"exp": "later"},
            {"iat": int(time.time()) + 86400}, {"nbf": int(time.time()) + 86400}, {"sub": None}, {"sub": ""},
            {"sub": ["someone"]}, {"sub": "x" * 256}, {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        ],
        # Two processes collect the same tests only if their names do not tell when each of them began.
        ids=lambda claims: str({name: "a moment" if isinstance(it, int) else it for name, it in claims.items()}),
    )  # fmt: skip
    def test_a_token_for_another_time_place_or_person_is_not_good(self, database, standing, crooked, claims):
        crooked.claims = claims
        assert untrusted(the_end(known(database, standing, crooked), crooked))

    def test_a_token_without_a_signature_is_not_good(self, database, standing, crooked):
        crooked.algorithm = "none"
        assert untrusted(the_end(known(database, standing, crooked), crooked))

    @pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
    def test_a_token_signed_by_the_secret_we_share_is_not_good(self, database, standing, crooked):
        crooked.sign_by_secret(SECRET)
        assert untrusted(the_end(known(database, standing, crooked), crooked))

    def test_a_token_signed_by_another_key_is_not_good(self, database, standing, crooked):
        crooked.signed_with = RSAKey.generate_key(2048, {"kid": "one"})
        assert untrusted(the_end(known(database, standing, crooked), crooked))

    def test_a_signature_the_provider_does_not_promise_is_not_good(self, database, standing, crooked):
        crooked.discovery = {"id_token_signing_alg_values_supported": ["ES256"]}
        assert untrusted(the_end(known(database, standing, crooked), crooked))

    @pytest.mark.parametrize("answer", [{"id_token": None}, {"id_token": "a.b.c"}, {"id_token": 7}, {"error": "no"}])
    def test_an_answer_without_a_token_is_not_good(self, database, standing, crooked, answer):
        crooked.answer = answer
        assert untrusted(the_end(known(database, standing, crooked), crooked))

    def test_another_verifier_than_the_challenges_gets_nothing(self, database, standing, crooked):
        """The provider of this test compares the two, as real ones do."""
        api, browser = known(database, standing, crooked), None
        browser = api.app.test_client()
        back = crooked.send_back(begin(browser))
        crooked.asked["code_challenge"] = "another"
        assert untrusted(browser.get(CALLBACK + back))

    def test_an_answer_of_another_provider_is_not_redeemed(self, database, standing, crooked):
        api = known(database, standing, crooked)
        browser = api.app.test_client()
        back = crooked.send_back(begin(browser)) + "&iss=https://other.example.org"
        assert untrusted(browser.get(CALLBACK + back))
        assert crooked.redeemed == []

    @pytest.mark.parametrize(
        "discovery",
        [{"issuer": "https://other.example.org"}, {"token_endpoint": "file:///etc/passwd"}, {"jwks_uri": None}],
        ids=str,
    )
    def test_one_that_calls_itself_otherwise_is_not_asked(self, database, standing, crooked, discovery):
        crooked.discovery = discovery
        api = served(database, standing, crooked.issuer)
        assert untrusted(api.app.test_client().get("/api/v1/sign-in/oidc"))

    def test_one_that_is_away_is_told_and_passwords_still_open(self, database, standing):
        api = served(database, standing, "http://127.0.0.1:1")
        given = add_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator")
        answer = api.app.test_client().get("/api/v1/sign-in/oidc")
        assert (answer.status_code, answer.json["code"]) == (503, "provider-away")
        signed_in = api.app.test_client().post("/api/v1/sign-in", json={"name": "ama", "password": given})
        assert signed_in.status_code == 200


GOOD = {
    "PALLOR_DATABASE_URL": "sqlite:////x", "PALLOR_STORE_URL": "file:///x", "PALLOR_BROKER_URL": "redis://x",
    "PALLOR_WORLD": "real", "PALLOR_OIDC_ISSUER": "https://id.example.org", "PALLOR_OIDC_CLIENT_ID": "pallor",
    "PALLOR_OIDC_CLIENT_SECRET": SECRET,
}  # fmt: skip


class TestSettings:
    def test_all_three_or_none(self):
        assert load(Settings, GOOD).oidc_client_id == "pallor"
        assert load(Settings, {k: v for k, v in GOOD.items() if "OIDC" not in k}).oidc_issuer is None

    @pytest.mark.parametrize("missing", ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"])
    def test_a_half_set_provider_stops_the_start_and_is_named(self, missing):
        with pytest.raises(SettingsRefused, match=f"PALLOR_OIDC_{missing}: must be set") as refused:
            load(Settings, {k: v for k, v in GOOD.items() if k != f"PALLOR_OIDC_{missing}"})
        assert SECRET not in str(refused.value)

    def test_a_provider_elsewhere_is_asked_over_tls(self):
        with pytest.raises(SettingsRefused, match="PALLOR_OIDC_ISSUER"):
            load(Settings, GOOD | {"PALLOR_OIDC_ISSUER": "http://id.example.org"})

    def test_where_none_is_set_up_that_is_said(self, api):
        for path in ("/sign-in/oidc", "/sign-in/oidc/callback?state=x"):
            assert api.call("GET", path, None).json["code"] == "provider-missing"


def served(database, standing, issuer):
    oidc = {"oidc_issuer": issuer, "oidc_client_id": "pallor-client", "oidc_client_secret": SECRET}
    api = standing(database, **oidc).anew()
    api.clock.move(
        seconds=(datetime.now(UTC) - api.clock.now()).total_seconds()
    )  # the provider's clock is the real one
    return api


def known(database, standing, provider):
    """An API that knows the person whom the crooked provider names."""
    api = served(database, standing, provider.issuer)
    add_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator", oidc_subject="someone")
    return api


def begin(browser):
    """Where a browser is sent to sign in."""
    answer = browser.get("/api/v1/sign-in/oidc")
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def sign_in(api, subject):
    browser = api.app.test_client()
    back = httpx.post(begin(browser), data={"sub": subject}, trust_env=False).headers["Location"]
    assert back.startswith(f"http://127.0.0.1:8080{CALLBACK}?")
    return browser, browser.get(f"{CALLBACK}?{urlsplit(back).query}")


def the_end(api, provider):
    browser = api.app.test_client()
    return browser.get(CALLBACK + provider.send_back(begin(browser)))


def untrusted(answer):
    return (answer.status_code, answer.json["code"]) == (
        502,
        "provider-untrusted",
    ) and "Set-Cookie" not in answer.headers
