"""The phone in a real browser, against the whole machine: nothing is lost to a dead battery or a bad line.

The app is built with a handle for tests (``globalThis.phone``), so that this speaks of what lies behind the screens.
"""

import base64
import io
import itertools
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pallor.clock import SystemClock, utc_text
from pallor.ids import new_id
from tests.support.chromium import chromium, kill
from tests.support.phone_app import run_node
from tests.support.rough_line import RoughLine
from tests.support.stack import SITE, a_stack, drawn_photos, wait_until

PlaywrightError = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test").Error
pytestmark = pytest.mark.slow
CASES = int(os.environ.get("PALLOR_PHONE_CASES", "12"))  # a day of a nurse is 30
PIN, PASSWORD = "271828", "a nurse chooses this herself"
PIECES = 2  # a photo with what surrounds it needs no more
MOST_SENT = 1.3  # bytes on the wire for each byte of what was sealed


def test_a_days_cases_outlive_the_battery_and_a_line_that_cuts(stack, tmp_path):
    profile, nurse = tmp_path / "profile", a_nurse(stack)
    with RoughLine(stack.box.url) as line:
        with chromium(profile) as browser:
            page = opened(browser, line)
            come_in(page, nurse)
            line.down = True
            photos = phone_photos(CASES)
            take_cases(page, photos)
            kill(profile)
        with chromium(profile) as browser:
            page = opened(browser, line)
            assert ask(page, "phone.queue.value.length") == CASES
            assert ask(page, f"phone.unlock('{nurse.name}', '{PIN}')") == {"is": "in"}
            assert {case["state"]["is"] for case in ask(page, "phone.cases.value")} == {"queued"}
            assert sorted(codes_of(page)) == [code(number) for number in range(CASES)]
            assert readable_in(page, profile, photos) == []
            payload = sum(record["bytes"] for record in ask(page, "phone.queue.value"))
            line.count_anew()
            line.down, line.rough = False, True
            send_all(page)
            print(
                f"{payload} bytes were sealed, {line.sent_bytes} sent ({line.sent_bytes / payload:.3f} to 1) in "
                f"{len(line.requests)} requests; {line.cuts} cuts, {line.odd_answers} answers of somebody else"
            )
            assert line.cuts > CASES
            assert line.odd_answers > 0
            assert line.sent_bytes <= MOST_SENT * payload
            assert {case["state"]["is"] for case in ask(page, "phone.cases.value")} <= {"received", "scored", "retake"}
    there = [case for case in stack.admin.pages("/cases") if case["subject_code"].startswith("ZQXJ-")]
    assert sorted(case["subject_code"] for case in there) == [code(number) for number in range(CASES)]
    assert {len(case["photos"]) for case in there} == {1}


def test_a_value_its_correction_and_a_critical_one_reach_the_phone(stack, phone):
    page = phone.page
    take_cases(page, phone_photos(1), begin=100)
    send_all(page)
    case = case_of(page, 100)
    first, corrected = new_id(), new_id()
    post(stack, case, first, "9.8")
    wait_until(lambda: values_of(page) == [("9.8", False)], "the value is there")
    post(stack, case, corrected, "6.1", supersedes=first)
    wait_until(lambda: values_of(page) == [("9.8", True), ("6.1", False)], "the correction is there")
    case = case_of(page, 100)
    assert (case["state"]["is"], case["label"]["hb_value"], case["label"]["altitude"]) == (
        "confirmed",
        "6.1",
        "not adjusted",
    )
    rows = base64.b64decode(page.evaluate(_DUMP))
    assert [word for word in (b"hb_value", b"severe", b"ZQXJ-") if word in rows] == []
    (task,) = ask(page, "phone.tasks.value")
    assert (task["is"], task["alert"]["result_id"]) == ("alert", corrected)
    page.evaluate(f"phone.acknowledge('{case['case_id']}', '{corrected}')")
    page.evaluate(f"phone.followUp('{case['case_id']}', 'reached')")
    page.evaluate(f"phone.amend('{case['case_id']}', {{changes: {{sore_eye: true}}, reason: 'seen on second look'}})")
    send_all(page)
    case = case_of(page, 100)
    assert (case["alert"]["state"], case["follow_up"]["state"], case["sore_eye"], case["waiting"]) == (
        "acknowledged",
        "reached",
        True,
        [],
    )
    assert ask(page, "phone.tasks.value") == []


def test_two_tabs_send_each_record_once(stack, phone):
    line, page = phone.line, phone.page
    other = opened(phone.browser, line)
    assert ask(other, "phone.queue.value.length") == 0
    line.down = True
    take_cases(page, phone_photos(4), begin=200)
    wait_until(lambda: ask(other, "phone.queue.value.length") == 4, "a tab hears of what another one queued")
    line.count_anew()
    line.down = False
    for tab in (page, other):
        tab.evaluate("void phone.sendNow()")
    wait_until(lambda: ask(other, "phone.sending.value.all_sent"), "every receipt matched")
    assert len([one for one in line.requests if one.startswith("PUT /api/v1/sealed/")]) <= 4 * PIECES
    other.close()


def test_with_no_page_open_the_browser_sends_what_waits(stack, phone):
    page, line = phone.page, phone.line
    workers = page.context.new_cdp_session(page)
    found = []
    workers.on("ServiceWorker.workerRegistrationUpdated", lambda told: found.extend(told["registrations"]))
    workers.send("ServiceWorker.enable")
    line.down = True
    take_cases(page, phone_photos(2), begin=400)
    page.goto("about:blank")
    line.down = False
    asked = {"registrationId": found[0]["registrationId"], "tag": "pallor-send", "lastChance": False}
    looks = itertools.count()

    def arrived():
        if next(looks) % 200 == 0:  # a browser comes back to what failed, as on a connection that the line had cut
            workers.send("ServiceWorker.dispatchSyncEvent", {"origin": line.address, **asked})
        return {code(400), code(401)} <= {case["subject_code"] for case in stack.admin.pages("/cases")}

    wait_until(arrived, "the worker has sent both")


def test_the_page_may_be_installed_and_breaks_no_rule_of_its_own(phone):
    session = phone.browser.new_cdp_session(phone.page)
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
    assert [said for said in phone.said if "Content Security Policy" in said] == []


def test_another_version_is_offered_and_taken_when_somebody_says_so(stack, app, tmp_path):
    folder = tmp_path / "app"
    shutil.copytree(app, folder)
    with RoughLine(stack.box.url, static=folder) as line, chromium(tmp_path / "profile") as browser:
        page = opened(browser, line)
        assert ask(page, "phone.updateReady.value") is False
        with (folder / "sw.js").open("a") as worker:
            worker.write("// another version")
        page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update().then(() => true))")
        until(page, "phone.updateReady.value")
        page.evaluate("globalThis.here = true")
        assert page.evaluate("globalThis.here")  # nothing happens by itself
        page.evaluate("void phone.takeUpdate()")
        until(page, "globalThis.here === undefined && globalThis.phone !== undefined")
        assert ask(page, "phone.updateReady.value") is False


def test_a_stolen_phone_wipes_itself(stack, phone):
    page = phone.page
    phone.line.down = True
    take_cases(page, phone_photos(1), begin=300)
    name = ask(page, "phone.device.value.name")
    stack.admin.put(f"/devices/{name}/state", {"state": "stolen"})
    phone.line.down = False
    page.evaluate("phone.sendNow()")
    assert ask(page, "[phone.wiped.value, phone.device.value, phone.queue.value.length]") == [True, None, 0]
    (told,) = [device for device in stack.admin.get("/devices")["items"] if device["name"] == name]
    assert (told["unsent_cases"], told["wiped_at"] is not None) == (1, True)


@dataclass
class Held:
    """A phone that somebody has unlocked; ``said``: what its console said."""

    browser: Any
    page: Any
    line: RoughLine
    said: list[str]


@pytest.fixture
def phone(stack, tmp_path):
    with RoughLine(stack.box.url) as line, chromium(tmp_path / "profile") as browser:
        said = []
        page = opened(browser, line, said)
        come_in(page, a_nurse(stack))
        yield Held(browser, page, line, said)


@dataclass
class Nurse:
    """Of whom the phone knows the name, and the phone's own code."""

    name: str
    given: str = field(repr=False)
    code: str = field(repr=False)


def a_nurse(stack):
    name = f"nurse-{new_id()[:8]}"
    given = stack.admin.put(f"/people/{name}", {"role": "field", "sites": [SITE]})["one_time_password"]
    asked = {"kind": "phone", "device_name": f"phone-{new_id()[:8]}", "sites": [SITE], "minutes": 5}
    return Nurse(name, given, stack.admin.post("/enrolment-codes", asked)["code"])


def opened(browser, line, said=None):
    page = browser.new_page()
    page.on("console", lambda message: (said if said is not None else []).append(message.text))
    page.set_default_timeout(60_000)
    page.goto(line.address)
    until(page, "globalThis.phone !== undefined && navigator.serviceWorker.controller !== null")
    return page


def until(page, what):
    """Playwright's own waiting evaluates strings in the page, which the page's policy forbids."""

    def holds():
        try:
            return page.evaluate(what)
        except PlaywrightError:  # the page is being loaded anew
            return False

    wait_until(holds, what)


def come_in(page, nurse):
    page.evaluate("code => phone.enrol(code)", nurse.code)
    assert ask(page, f"phone.signIn('{nurse.name}', '{nurse.given}')") == "new-password"
    assert ask(page, f"phone.choosePassword('{nurse.given}', '{PASSWORD}')") == "new-pin"
    page.evaluate(f"phone.choosePin('{PIN}')")
    page.evaluate("phone.sendNow()")
    assert [site["code"] for site in ask(page, "phone.device.value.sites")] == [SITE]


def take_cases(page, photos, begin=0):
    for number, photo in enumerate(photos, start=begin):
        both = [base64.b64encode(image).decode() for image in photo]
        page.evaluate(_TAKE, {"site": SITE, "code": code(number), "photo": both})


def send_all(page):
    def all_sent():
        page.evaluate("phone.sendNow()")
        return ask(page, "phone.sending.value.all_sent")

    wait_until(all_sent, "every receipt matched", seconds=120)


def post(stack, case, result_id, value, **more):
    taken_at = utc_text(SystemClock().now())
    hb = {"value": value, "unit": "g/dL"}
    stack.laboratory.put(
        f"/lab-results/{result_id}", {"case_id": case["case_id"], "hb": hb, "taken_at": taken_at, **more}
    )


def values_of(page):
    page.evaluate("phone.sendNow()")
    return [(result["hb_value"], result["superseded"]) for result in case_of(page, 100)["results"]]


def case_of(page, number):
    (case,) = [case for case in ask(page, "phone.cases.value") if case["subject_code"] == code(number)]
    return case


def codes_of(page):
    return [case["subject_code"] for case in ask(page, "phone.cases.value")]


def readable_in(page, profile, photos):
    """Which of the codes and photos somebody finds who opens the phone's database by hand."""
    wanted = {"code": b"ZQXJ-", "wording": b"care-en-1", "photo": photos[0][0][100:140]}
    files = b"".join(
        path.read_bytes() for path in Path(profile).rglob("*") if path.is_file() and "IndexedDB" in str(path)
    )
    rows = base64.b64decode(page.evaluate(_DUMP))
    assert PASSWORD.encode() not in files + rows
    wide = {f"{name}, wide": text.decode("latin-1").encode("utf-16-le") for name, text in wanted.items()}
    return [name for name, text in (wanted | wide).items() if text in files or text in rows]


def ask(page, what):
    return json.loads(page.evaluate(f"Promise.resolve({what}).then((found) => JSON.stringify(found))"))


def phone_photos(count):
    """Of each person the region and the crop around it, as large as the camera makes them: together 60 to 100 KB."""
    grain = np.random.default_rng(7).normal(0, 12, (448, 448, 3))
    return [(webp(number, grain, True), webp(number, grain, False)) for number in range(count)]


def webp(number, grain, masked):
    drawn = Image.open(io.BytesIO(drawn_photos(1, seed=number)[0])).convert("RGBA").resize((448, 448))
    pixels = np.asarray(drawn).copy()
    pixels[..., :3] = np.clip(pixels[..., :3] + np.roll(grain, number, 0), 0, 255)
    file = io.BytesIO()
    Image.fromarray(pixels if masked else pixels[..., :3]).save(file, "WEBP", quality=92, method=2)
    return file.getvalue()


def code(number):
    return f"ZQXJ-{number:03}"


@pytest.fixture(scope="module")
def stack(app, tmp_path_factory):
    with a_stack(tmp_path_factory.mktemp("phone"), PALLOR_WEB_FOLDER=str(app)) as stack:
        yield stack


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    done = run_node("build.js", str(folder))
    assert done.returncode == 0, done.stderr.decode()
    return folder


_TAKE = """async ({site, code, photo}) => {
  const now = new Date().toISOString();
  const draft = await phone.startDraft(site);
  const said = {given_at: now, wording: "care-en-1"};
  const facts = {subject_code: code, subject: {age_months: 30, sex: "female"}, consent: {care: said, training: said}};
  await phone.saveDraft(draft.draft_id, {...draft.facts, ...facts});
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const image = (text) => new Blob([bytes(text)], {type: "image/webp"});
  const capture = {phone_model: null, torch: false, exposure_ms: null, iso: null, focus_m: null, white_balance_k: null,
    source: "camera", handles: null};
  await phone.keepPhoto(draft.draft_id, {photo_id: crypto.randomUUID(), captured_at: now, eye: "left",
    region: image(photo[0]), context: {photo_id: crypto.randomUUID(), image: image(photo[1])}, capture});
  await phone.finishDraft(draft.draft_id);
}"""
_DUMP = """async () => {
  const database = await new Promise((resolve, reject) => {
    const asked = indexedDB.open("pallor");
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  const text = (value) => {
    if (value instanceof ArrayBuffer) value = new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return Array.from(value, (byte) => String.fromCharCode(byte)).join("");
    const object = value && typeof value === "object";
    return object ? Object.entries(value).map(([name, inner]) => name + text(inner)).join("|") : String(value);
  };
  let found = "";
  for (const store of database.objectStoreNames) {
    const rows = await new Promise((resolve) => {
      const asked = database.transaction(store).objectStore(store).getAll();
      asked.onsuccess = () => resolve(asked.result);
    });
    found += rows.map(text).join("|");
  }
  database.close();
  return btoa(found.replace(/[^\\x00-\\xff]/g, "?"));
}"""
