"""A whole machine in which things break: nothing that was accepted is lost, and nothing happens twice."""

import base64
import hashlib
import io
import os
import random
import re
import shutil
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from rich.console import Console

from pallor.clock import SystemClock
from pallor.ids import new_id
from pallor.onebox.box import running
from pallor.onebox.client import Client, RequestRefused
from pallor.onebox.demo import let_in, walk
from pallor.onebox.doors import open_doors
from pallor.onebox.people import gather
from pallor.onebox.show import tell_places
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.shelf import Release, Shelf
from tests.support.photos import file_of, tissue
from tests.support.stack import (
    A_WHILE,
    SITE,
    Sent,
    Stack,
    a_case,
    a_stack,
    clean_environ,
    drawn_photos,
    total,
    wait_until,
)

pytestmark = pytest.mark.slow

CAPTURED = {"captured_at": "2026-11-01T12:00:00Z"}


def test_a_worker_killed_while_the_release_is_swapped_costs_no_photo_and_none_is_shown_twice(stack: Stack, tmp_path):
    before, photos, sent, killed = stack.box.shelf.current_id(), drawn_photos(120), [], []
    for one in stack.send_all(photos[:80]):
        sent.append(one)
        if len(sent) in (40, 80):
            wait_until(lambda: stack.box.keeper.pid("worker") not in (None, *killed), "a worker runs")
            killed.append(stack.box.keeper.pid("worker"))
            if len(sent) == 40:
                stack.swap_release("swapped-under-way", tmp_path / "copy")
            os.kill(killed[-1], signal.SIGKILL)
    wait_until(lambda: is_ready(stack), "the other release serves")  # a quick worker has answered all of these by then
    sent += stack.send_all(photos[80:])
    wait_until(lambda: all(stack.answers(sent).values()), "every photo is answered")
    answers = stack.answers(sent)
    assert len(answers) == 120
    assert all(sum(answer["shown"] for answer in of_photo) == 1 for of_photo in answers.values())
    shown = Counter(answer["release_id"] for of_photo in answers.values() for answer in of_photo if answer["shown"])
    print(f"shown: {dict(shown)}")
    assert shown.keys() == {before, "swapped-under-way"}


def test_a_machine_takes_cases_in_although_the_release_on_its_shelf_may_not_serve(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "bad"
    data.mkdir(mode=0o700)
    shutil.copytree(bootstrap_folder(), folder)
    manifest = Release.open(folder).manifest
    other = tuple(replace(one, probability=1 - one.probability) for one in manifest.golden)
    (folder / "manifest.json").write_bytes(replace(manifest, release_id="bad-1", golden=other).to_bytes())
    shelf = Shelf(data / "shelf")
    shelf.activate(shelf.put(folder).release_id)
    with running(data, world="synthetic", port=None, stays=True, environ=clean_environ(), tell=print) as box:
        assert box.fault is not None
        assert box.fault.startswith("engine-disagrees")
        said = io.StringIO()
        tell_places(Console(file=said, width=200), box, None)
        assert "none: engine-disagrees" in said.getvalue()
        with Client(box.url, box.token) as admin:
            nurse = open_doors(box.url, admin, [SITE]).nurse
        with Client(box.url, nurse) as phone:
            case_id, photo_id = new_id(), new_id()
            phone.put(f"/cases/{case_id}", a_case())
            phone.put_photo(case_id, photo_id, drawn_photos(1)[0], "image/png", SystemClock().now())
            assert phone.get(f"/cases/{case_id}/photos/{photo_id}")["state"] == "waiting"


def is_ready(stack: Stack) -> bool:
    """Whether a worker serves the release that is active now."""
    try:
        return bool(stack.admin.get("/health/ready")["ready"])
    except RequestRefused:
        return False


def test_cases_are_accepted_while_valkey_is_away_and_scored_when_it_is_back(stack: Stack):
    stack.box.keeper.stop("valkey")
    sent = list(stack.send_all(drawn_photos(20, seed=1)))
    print(f"slowest case and photo without Valkey: {max(one.seconds for one in sent):.2f} s")
    assert max(one.seconds for one in sent) < 10
    assert {stack.state(one) for one in sent} == {"waiting"}
    stack.box.keeper.start("valkey")
    wait_until(lambda: all(stack.state(one) == "scored" for one in sent), "every photo is scored")


def test_a_web_server_that_is_started_again_under_way_costs_the_phone_only_patience(stack: Stack):
    sent = []
    for one in stack.send_all(drawn_photos(30, seed=2)):
        sent.append(one)
        if len(sent) == 10:
            stack.box.keeper.stop("serve")
            stack.box.keeper.start("serve")
    assert len(sent) == 30
    wait_until(lambda: all(stack.state(one) == "scored" for one in sent), "every photo is scored")


def test_a_photo_that_is_refused_never_stops_the_others_and_says_why(stack: Stack, tmp_path):
    good = drawn_photos(1, seed=3)[0]
    for name, data in {
        "good.png": good,
        "cut.png": good[:2000],
        "zip.png": b"PK\x03\x04" + bytes(100),
        "empty.jpg": b"",
        "dark.png": file_of(tissue() // 8),
    }.items():
        (tmp_path / name).write_bytes(data)
    console = Console(file=io.StringIO(), width=160, markup=False)
    company = gather(tmp_path, 10, 0)
    assert walk(company, stack.box, let_in(company, stack.box), console)
    words = console.file.getvalue()
    for name, what in {
        "good.png": "good",
        "cut.png": "refused: photo-broken",
        "zip.png": "refused: photo-format-unknown",
        "empty.jpg": "refused: photo-empty",
        "dark.png": "retake: too-dark",
    }.items():
        assert re.search(rf"{re.escape(name)} +{what}", words), words
    names = ("submitted", "refused at the door", "accepted", "scored", "retake asked for", "lost")
    assert [total(name, words) for name in names] == [5, 3, 2, 1, 1, 0]
    assert "No haemoglobin was posted" in words


def test_an_upload_cut_ten_times_goes_on_where_it_broke_off_and_arrives_whole(stack: Stack):
    chance = random.Random(0)
    photo = file_of(tissue(700, 1000))
    sent = Sent(new_id(), new_id(), 0.0)
    stack.phone.put(f"/cases/{sent.case_id}", a_case())
    held = 0
    for cut in range(10):
        sends = chance.randrange(1, (len(photo) - held) // (10 - cut))
        cut_off(stack, sent, photo, held, sends)
        held += sends
        wait_until(lambda held=held: offset_on_record(stack, sent) == held, "every byte that was sent is kept")
    response = httpx.put(
        photo_url(stack, sent),
        params=CAPTURED,
        headers=photo_headers(stack, photo, held),
        content=photo[held:],
        trust_env=False,
    )
    assert response.status_code == 201, response.text
    receipt = response.json()
    assert receipt["uploaded_sha256"] == f"sha256:{hashlib.sha256(photo).hexdigest()}"
    assert receipt["received_bytes"] == receipt["bytes"] == len(photo)


def test_the_same_case_from_eight_clients_at_once_is_made_once(stack: Stack):
    path, headers = f"{stack.box.url}/api/v1/cases/{new_id()}", bearer(stack)
    together = threading.Barrier(8)

    def put(_: int) -> int:
        with httpx.Client(trust_env=False, headers=headers, timeout=A_WHILE) as client:
            together.wait()
            return client.put(path, json=a_case()).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(put, range(8))) == {201: 1, 200: 7}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with a_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def bearer(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.staff.nurse}"}


def photo_url(stack: Stack, sent: Sent) -> str:
    return f"{stack.box.url}/api/v1/cases/{sent.case_id}/photos/{sent.photo_id}"


def photo_headers(stack: Stack, photo: bytes, offset: int) -> dict[str, str]:
    return bearer(stack) | {
        "Content-Type": "image/png",
        "Repr-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(photo).digest()).decode()}:",
        "Upload-Offset": str(offset),
        "Upload-Length": str(len(photo)),
    }


def cut_off(stack: Stack, sent: Sent, photo: bytes, offset: int, sends: int) -> None:
    """Announce the rest of the photo, send ``sends`` bytes of it, and hang up."""
    url = urlsplit(photo_url(stack, sent))
    headers = photo_headers(stack, photo, offset) | {"Host": url.netloc, "Content-Length": str(len(photo) - offset)}
    lines = [f"PUT {url.path}?{urlencode(CAPTURED)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection((url.hostname, url.port)) as line:
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + photo[offset : offset + sends])


def offset_on_record(stack: Stack, sent: Sent) -> int:
    response = httpx.get(photo_url(stack, sent), headers=bearer(stack), trust_env=False)
    return int(response.headers.get("Upload-Offset", 0)) if response.is_success else 0
