"""The doors of a whole machine: who is put out is out on every process, a queue outlives a 401, and no log tells."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
import redis

from pallor.clock import SystemClock
from pallor.ids import new_id
from pallor.onebox.client import Client, DoorShut, RequestRefused
from pallor.onebox.doors import open_doors
from tests.support.stack import SITE, a_case, a_stack, drawn_photos, wait_until

pytestmark = pytest.mark.slow
MANY = 24


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with a_stack(tmp_path_factory.mktemp("doors")) as stack:
        yield stack


def test_a_revoked_token_opens_no_process_any_more(stack):
    staff = open_doors(stack.box.url, stack.admin, [SITE])
    assert set(on_many_connections(stack, staff.nurse)) == {200}
    stack.admin.put(f"/people/{account_of(stack, staff.nurse)}/state", {"state": "disabled"})
    assert set(on_many_connections(stack, staff.nurse)) == {401}


def test_a_stolen_phone_is_out_at_once_and_only_its_last_word_is_heard(stack):
    staff = open_doors(stack.box.url, stack.admin, [SITE])
    system = whoami(stack, staff.laboratory)["device"]
    stack.admin.put(f"/devices/{system}/state", {"state": "stolen"})
    assert set(on_many_connections(stack, staff.laboratory)) == {403}
    with Client(stack.box.url, staff.laboratory) as thief:
        with pytest.raises(RequestRefused) as refused:
            thief.put(f"/lab-results/{new_id()}", {})
        assert refused.value.problem == "device-stolen"
        thief.put("/device/queue", {"unsent_cases": 3, "wiped": True})
    (told,) = [device for device in stack.admin.get("/devices")["items"] if device["name"] == system]
    assert (told["state"], told["unsent_cases"], told["wiped_at"] is not None) == ("stolen", 3, True)


def test_a_401_pauses_a_queue_and_costs_no_case_of_it(stack):
    staff = open_doors(stack.box.url, stack.admin, [SITE])
    queue = [(new_id(), new_id(), photo) for photo in drawn_photos(6, seed=3)]
    sent = []

    def deliver(phone: Client) -> None:
        for case_id, photo_id, photo in queue:
            if case_id not in sent:
                phone.put(f"/cases/{case_id}", a_case(900))
                phone.put_photo(case_id, photo_id, photo, "image/png", SystemClock().now())
                sent.append(case_id)
                if len(sent) == 2:
                    stack.admin.post(f"/people/{account_of(stack, staff.nurse)}/password-reset", {})

    with Client(stack.box.url, staff.nurse) as phone, pytest.raises(DoorShut):
        deliver(phone)
    assert len(sent) == 2
    again = open_doors(stack.box.url, stack.admin, [SITE])
    with Client(stack.box.url, again.nurse) as phone:
        deliver(phone)
        for case_id, photo_id, _ in queue:
            assert phone.get(f"/cases/{case_id}/photos/{photo_id}")["received_at"]


def test_after_a_full_walk_no_log_and_no_queue_holds_a_token_a_code_a_subject_or_a_photo(stack, tmp_path):
    """Everything that must stay secret is collected while it passes, with mistakes of every kind on the way."""
    url, secrets = stack.box.url, {}
    site = "log-walk"
    stack.admin.put(f"/sites/{site}", {"practice": False, "retention_days": None})
    given = stack.admin.put("/people/log-nurse", {"role": "field", "sites": [site]})["one_time_password"]
    order = {"kind": "phone", "device_name": "log-phone", "sites": [site], "minutes": 5}
    code = stack.admin.post("/enrolment-codes", order)["code"]
    with Client(url) as stranger:
        device = stranger.post("/enrolments", {"code": code})["token"]
    with Client(url, device) as phone:
        token = phone.post("/sign-in", {"name": "log-nurse", "password": given})["token"]
    with Client(url, token) as nurse:
        nurse.put("/session/password", {"old": given, "new": "plum-orbit-candle-42"})
        rotated = nurse.post("/session/rotation", {})["token"]
    (photo,) = drawn_photos(1, seed=77)
    case_id, photo_id = new_id(), new_id()
    with Client(url, rotated) as nurse:
        case = a_case(1) | {"site": site, "subject_code": "SECRET-4711"}
        nurse.put(f"/cases/{case_id}", case)
        nurse.put_photo(case_id, photo_id, photo, "image/png", SystemClock().now())
        wait_until(lambda: nurse.get(f"/cases/{case_id}")["status"] == "scored", "it is scored")
    browser = httpx.Client(base_url=f"{url}/api/v1", trust_env=False)
    signed_in = browser.post("/sign-in", json={"name": "log-nurse", "password": "plum-orbit-candle-42"})
    secrets |= {"cookie": signed_in.cookies[next(iter(signed_in.cookies))], "csrf": signed_in.json()["csrf_token"]}
    mistakes(url, rotated, secrets)
    browser.close()
    secrets |= {
        "one-time password": given, "code": code, "device token": device, "first token": token, "token": rotated,
        "password": "plum-orbit-candle-42", "subject": "SECRET-4711", "console": stack.box.token,
        "staff": stack.staff.nurse, "laboratory": stack.staff.laboratory,
    }  # fmt: skip
    words = {name: secret.encode() for name, secret in secrets.items()} | {"photo": photo[64:96]}
    held = {path.name: path.read_bytes() for path in stack.box.folder.logs.iterdir()}
    held["Valkey"] = everything_in_valkey(stack)
    assert [(where, what) for where, data in held.items() for what, word in words.items() if word in data] == []
    assert b"answered" in held["serve.log"]


def mistakes(url: str, token: str, secrets: dict[str, str]) -> None:
    """Secrets where they do not belong: in addresses, in other headers, under wrong names, in broken JSON."""
    secrets |= {"guess": "wrong-password-9137", "typed as name": "my-password-typed-as-name-55"}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False) as http:
        http.post("/sign-in", json={"name": "log-nurse", "password": secrets["guess"]})
        http.post("/sign-in", json={"name": secrets["typed as name"], "password": "x"})
        http.post("/sign-in", json={"name": "log-nurse", "passwort": secrets["guess"]})
        http.post("/sign-in", content=b'{"name": "log-nurse", "password": "' + secrets["guess"].encode())
        http.get(f"/session/{token}", headers=headers)
        http.get("/session", headers={"Authorization": f"Basic {token}"})
        http.get("/cases", params={"cursor": token[:60]}, headers=headers)
        http.put("/cases/SECRET-4711", json={"subject_code": "SECRET-4711"}, headers=headers)
        http.put(f"/cases/{new_id()}", json=a_case(1) | {"nickname": "SECRET-4711"}, headers=headers)
        http.post("/enrolments", json={"code": token[:40]})
        with suppress(httpx.HTTPError):
            http.request(f"BREAK {token[:20]}", "/session", headers=headers)


def everything_in_valkey(stack) -> bytes:
    """Every key and value of the machine's own Valkey, as bytes."""
    with redis.Redis(unix_socket_path=stack.box.broker) as client:
        keys = list(client.scan_iter())
        return b"\n".join(key + b" " + (client.dump(key) or b"") for key in keys)


def on_many_connections(stack, token: str) -> list[int]:
    """The statuses of requests on fresh connections, so that every process of the web server answers some."""

    def one(_number: int) -> int:
        with httpx.Client(trust_env=False) as http:
            headers = {"Authorization": f"Bearer {token}"}
            return http.get(f"{stack.box.url}/api/v1/changes", headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(MANY)))


def whoami(stack, token: str) -> dict:
    with Client(stack.box.url, token) as client:
        return client.get("/session")


def account_of(stack, token: str) -> str:
    return str(whoami(stack, token)["person"])
