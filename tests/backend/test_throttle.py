"""Guessing at the doors is slowed over all processes and reported, with Valkey or without; nobody else pays for it."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import RateLimitItemPerHour, RateLimitItemPerSecond

from backend.access.roles import Role
from backend.access.throttle import LIMITS, Limit, Throttle, TooManyAttempts
from backend.services.audit import export_audit
from backend.services.manage_people import add_person
from pallor.log import JsonLines
from tests.support.api import OWN, an_api
from tests.support.valkey import Valkey

PASSWORD = "plum orbit candle 42"
HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def valkey():
    with Valkey() as server:
        yield server


class Reports(list):
    def __call__(self, *what):
        self.append(what)


def test_two_processes_share_one_count_and_the_report(valkey):
    reports = Reports()
    one, two = Throttle(valkey.url, reports), Throttle(valkey.url, reports)
    allowed = [attempts(throttle, 1) for throttle in (one, two) * 6]
    assert allowed == [1] * 5 + [0] * 7
    assert reports == [("sign-in", "name+address")]


def test_of_a_hundred_at_once_five_are_judged(valkey):
    reports = Reports()
    throttles = [Throttle(valkey.url, reports) for _ in range(2)]
    with ThreadPoolExecutor(16) as pool:
        allowed = sum(pool.map(lambda n: attempts(throttles[n % 2], 1), range(100)))
    assert allowed == 5
    assert reports == [("sign-in", "name+address")]


def test_one_process_alone_counts_as_exactly():
    reports = Reports()
    throttle = Throttle(None, reports)
    with ThreadPoolExecutor(16) as pool:
        allowed = sum(pool.map(lambda _: attempts(throttle, 1), range(100)))
    assert allowed == 5
    assert reports == [("sign-in", "name+address")]


def test_while_valkey_is_away_tries_are_still_slowed(valkey, caplog):
    throttle = Throttle(valkey.url, Reports())
    assert attempts(throttle, 4) == 4
    valkey.stop()
    assert attempts(throttle, 12) == 5
    assert "tries are counted in this process alone" in caplog.text
    with pytest.raises(TooManyAttempts) as refused:
        throttle.attempt("sign-in", HERE, "ama")
    assert 1 <= refused.value.retry_after <= 300


def test_when_valkey_is_back_it_counts_again(valkey):
    throttle, other = Throttle(valkey.url, Reports()), Throttle(valkey.url, Reports())
    valkey.stop()
    assert attempts(throttle, 1) == 1
    valkey.start()
    throttle._quiet_until = 0.0  # as after five seconds
    assert attempts(throttle, 5) == 5
    assert attempts(other, 1) == 0


def test_a_server_that_was_away_at_the_start_is_found_later():
    server = Valkey()
    throttle = Throttle(server.url, Reports())
    assert attempts(throttle, 1) == 1
    with server:
        throttle._quiet_until = 0.0
        assert attempts(throttle, 6) == 5


@pytest.mark.parametrize("where", ["in Valkey", "in one process"])
def test_good_tries_are_not_counted(valkey, where):
    """A busy clinic behind one address, where everybody mistypes now and then."""
    throttle = Throttle(valkey.url if where == "in Valkey" else None, Reports())
    for day in range(70):
        assert attempts(throttle, 1, name=f"nurse-{day % 7}") == 1
        throttle.forgive("sign-in", HERE, f"nurse-{day % 7}")
    for _ in range(3):
        assert attempts(throttle, 5) == 5
        throttle.forgive("sign-in", HERE, "ama")
    assert attempts(throttle, 6) == 5


def test_one_address_does_not_lock_a_person_out_elsewhere(valkey):
    throttle = Throttle(valkey.url, Reports(), tuple(limit for limit in LIMITS if limit.item.get_expiry() != 300))
    assert attempts(throttle, 100) == 15
    assert attempts(throttle, 5, address=THERE) == 5


def test_guessing_from_many_addresses_is_stopped_by_the_name(valkey):
    reports = Reports()
    throttle = Throttle(valkey.url, reports)
    allowed = sum(attempts(throttle, 5, address=f"203.0.113.{n}") for n in range(20))
    assert allowed == 30
    assert reports == [("sign-in", "name")]


def test_trying_many_names_is_stopped_by_the_address(valkey):
    reports = Reports()
    throttle = Throttle(valkey.url, reports)
    assert sum(attempts(throttle, 2, name=f"nurse-{n}") for n in range(100)) == 60
    assert reports == [("sign-in", "address")]


def test_with_ipv6_a_network_is_one_address_and_a_mapped_address_the_plain_one():
    throttle = Throttle(None, Reports())
    assert sum(attempts(throttle, 1, address=f"2001:db8:1:1::{n:x}") for n in range(50)) == 5
    assert attempts(throttle, 1, address="2001:db8:1:2::1") == 1
    assert attempts(throttle, 5) == 5
    assert attempts(throttle, 1, address=f"::ffff:{HERE}") == 0
    assert attempts(throttle, 1, address="") == 1


@pytest.mark.parametrize(
    ("form", "same"),
    [
        (HERE + ":{}", HERE), ("[2001:db8:1:1::1]:{}", "2001:db8:1:1::1"), ("[::ffff:192.0.2.1]:{}", HERE),
        ("unknown-{}", ""), ("_hidden{}", "garbage"), ("192.0.2.{}00", ""), ("[{}", "]"),
    ],
)  # fmt: skip
def test_a_port_makes_no_other_address_and_what_cannot_be_read_is_one_together(form, same):
    throttle = Throttle(None, Reports())
    assert sum(attempts(throttle, 1, address=form.format(n)) for n in range(400, 450)) == 5
    assert attempts(throttle, 1, address=same) == 0
    assert attempts(throttle, 1, address=THERE) == 1


@pytest.mark.parametrize("where", ["in Valkey", "in one process"])
def test_what_could_not_be_judged_is_taken_back_and_wipes_nothing_away(valkey, where):
    throttle = Throttle(valkey.url if where == "in Valkey" else None, Reports())
    assert attempts(throttle, 3) == 3
    for _ in range(100):
        assert attempts(throttle, 1) == 1
        throttle.take_back("sign-in", HERE, "ama")
    assert attempts(throttle, 9) == 2


def test_a_few_strangers_keep_no_device_out():
    throttle = Throttle(None, Reports())
    for n in range(250):
        throttle.attempt("enrol", f"198.51.100.{n}")
    throttle.attempt("enrol", HERE)


def test_what_was_typed_as_a_name_is_not_kept_in_valkey(valkey):
    Throttle(valkey.url, Reports()).attempt("sign-in", HERE, "my-password-typed-as-name")
    with valkey.client() as client:
        keys = b" ".join(client.scan_iter())
    assert keys.count(b"doors:") == 4
    assert b"my-password" not in keys
    assert HERE.encode() not in keys


class TestAtTheDoor:
    """Sign-in itself, with windows of two seconds instead of five minutes."""

    WINDOW = (
        Limit("sign-in", "name+address", RateLimitItemPerSecond(3, 2)),
        Limit("sign-in", "name", RateLimitItemPerHour(30)),
        Limit("sign-in", "address", RateLimitItemPerHour(60)),
    )

    @pytest.fixture
    def door(self, database, tmp_path, valkey):
        api = an_api(database, tmp_path / "store", throttle_of=lambda report: Throttle(valkey.url, report, self.WINDOW))
        given = add_person(database, api.clock, "ama", Role.FIELD, frozenset({OWN}), by="operator")

        def sign_in(password=given, address=HERE):
            client = api.app.test_client()
            body = {"name": "ama", "password": password}
            return client.post("/api/v1/sign-in", json=body, environ_base={"REMOTE_ADDR": address})

        return api, sign_in

    def test_the_good_password_waits_with_the_bad_ones_and_not_elsewhere(self, door):
        _, sign_in = door
        assert [sign_in("guess").status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        refused = sign_in()
        assert (refused.status_code, refused.json["code"]) == (429, "too-many-attempts")
        assert sign_in(address=THERE).status_code == 200
        time.sleep(int(refused.headers["Retry-After"]))
        wait_for(lambda: sign_in().status_code == 200)

    def test_guessing_is_in_the_trail_and_in_the_log_once_a_window(self, door, caplog):
        api, sign_in = door
        for window in (1, 2):
            with caplog.at_level(logging.INFO):
                wait_for(lambda: sign_in("guess-4711").status_code == 401)
                while sign_in("guess-4711").status_code != 429:
                    pass
                assert sign_in("guess-4711").status_code == 429
            told = [row for row in export_audit(api.parts.database) if row["action"] == "sign-in.slowed"]
            assert [row["content"]["new"] for row in told] == [{"counted_by": "name+address"}] * window
        lines = [JsonLines("backend").format(record) for record in caplog.records]
        assert sum("too many tries at a door" in line for line in lines) == 2
        assert not any("guess-4711" in line or HERE in line or "ama" in line for line in lines)

    def test_without_valkey_the_door_opens_and_is_slow(self, door, valkey):
        _, sign_in = door
        valkey.stop()
        assert sign_in().status_code == 200
        assert [sign_in("guess").status_code for _ in range(5)].count(429) >= 1

    def test_behind_a_proxy_each_visitor_is_counted_alone(self, database, tmp_path):
        limits = (Limit("sign-in", "address", RateLimitItemPerHour(1)),)
        api = an_api(
            database, tmp_path / "proxied", proxies=1, throttle_of=lambda report: Throttle(None, report, limits)
        )

        def sign_in(address):
            body, headers = {"name": "nobody", "password": "x"}, {"X-Forwarded-For": f"10.9.9.9, {address}"}
            return api.app.test_client().post("/api/v1/sign-in", json=body, headers=headers).status_code

        assert [sign_in(HERE), sign_in(HERE), sign_in(THERE)] == [401, 429, 401]


def attempts(throttle, count, name="ama", address=HERE):
    """How many of ``count`` tries were let through to be judged."""
    allowed = 0
    for _ in range(count):
        try:
            throttle.attempt("sign-in", address, name)
            allowed += 1
        except TooManyAttempts:
            pass
    return allowed


def wait_for(condition):
    """Until a window has ended on the server's own clock."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
