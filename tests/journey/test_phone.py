"""The phone in a real browser, against the whole machine: nothing is lost to a dead battery or a bad line.

The app is built with a handle for tests (``globalThis.phone``), so that this speaks of what lies behind the screens.
"""

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pallor.ids import new_id
from tests.support.chromium import chromium, kill
from tests.support.phone_app import run_node
from tests.support.rough_line import RoughLine
from tests.support.stack import SITE, a_stack, drawn_photos, wait_until

pytestmark = pytest.mark.slow
CASES = 30
PIN, PASSWORD = "271828", "a nurse chooses this herself"
MOST_SENT = 1.3  # bytes on the wire for each byte of what was sealed


def test_thirty_cases_outlive_the_battery_and_a_line_that_cuts(stack, app, tmp_path):
    profile, nurse = tmp_path / "profile", a_nurse(stack)
    with RoughLine(stack.box.url, static=app) as line:
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
            assert sorted(codes_of(page)) == sorted(code(number) for number in range(CASES))
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


def opened(browser, line):
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(line.address)
    page.wait_for_function("globalThis.phone !== undefined")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    return page


def come_in(page, nurse):
    page.evaluate("code => phone.enrol(code)", nurse.code)
    assert ask(page, f"phone.signIn('{nurse.name}', '{nurse.given}')") == "new-password"
    assert ask(page, f"phone.choosePassword('{nurse.given}', '{PASSWORD}')") == "new-pin"
    page.evaluate(f"phone.choosePin('{PIN}')")
    page.evaluate("phone.sendNow()")
    assert [site["code"] for site in ask(page, "phone.device.value.sites")] == [SITE]


def take_cases(page, photos):
    for number, photo in enumerate(photos):
        both = [base64.b64encode(image).decode() for image in photo]
        page.evaluate(_TAKE, {"site": SITE, "code": code(number), "photo": both})


def send_all(page):
    def all_sent():
        page.evaluate("phone.sendNow()")
        return ask(page, "phone.sending.value.all_sent")

    wait_until(all_sent, "every receipt matched", seconds=120)


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
def stack(tmp_path_factory):
    with a_stack(tmp_path_factory.mktemp("phone")) as stack:
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
