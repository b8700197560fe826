"""The nurse's own day, by screens and keyboard alone: enrol, choose a PIN, take a case with the camera, see what to do.

`PALLOR_SCREENSHOTS=DIR` keeps a picture of each step; `PALLOR_NURSE_CASES=30` lets her take so many on her day offline.
"""

import os
import re
from pathlib import Path

import pytest

from tests.journey.test_phone import PASSWORD, PIN, a_nurse, post
from tests.support.camera import camera_file, camera_flags
from tests.support.chromium import chromium, kill
from tests.support.phone_app import run_node
from tests.support.rough_line import RoughLine
from tests.support.stack import a_stack, wait_until

pytestmark = pytest.mark.slow
SIZE = {"width": 360, "height": 640}
CASES = int(os.environ.get("PALLOR_NURSE_CASES", "2"))
MOST_SENT = 1.3  # bytes on the wire for each byte of what was sealed


def test_a_case_from_enrolment_to_the_laboratorys_word_by_screens_alone(stack, tmp_path):
    nurse = a_nurse(stack)
    flags = camera_flags(camera_file(tmp_path / "eye.mjpeg"))
    with (
        RoughLine(stack.box.url) as line,
        chromium(tmp_path / "profile", *flags, viewport=SIZE, locale="en") as browser,
    ):
        seen = opened(browser, line)
        page = seen.page
        comes_in(seen, nurse)
        line.down = True
        take_a_case(seen, "K-101")
        seen.reads("1 waits to be sent")
        page.reload()  # without a network
        unlocks(seen, nurse)
        seen.presses(re.compile("K-101"))
        seen.reads("Not sent yet, so nothing can be said")
        line.down = False
        page.go_back()
        seen.at(page.locator(".send-state")).press("Enter")
        seen.presses("Send now")
        seen.reads("All sent")
        page.go_back()
        seen.presses(re.compile("K-101"))
        seen.reads("Refer for a blood test.", after=lambda: page.evaluate("dispatchEvent(new Event('online'))"))

        (case,) = [one for one in stack.admin.pages("/cases") if one["subject_code"] == "K-101"]
        assert (case["subject"]["age_months"], case["subject"]["sex"]) == (30, "female")
        assert [photo["eye"] for photo in case["photos"]] == ["right"]
        post(stack, case, "0b54e0d2-3c53-4a27-9c3c-5f3a1a3f6a10", "6.4")
        page.go_back()
        seen.presses("Lock")
        seen.presses("Somebody else")  # who has a PIN here keeps it, and what it opens
        seen.types("Name", nurse.name)
        seen.types("Password", PASSWORD)
        seen.presses("Sign in")
        seen.types("PIN", PIN)
        seen.presses("Unlock")
        seen.reads(re.compile("K-101"))
        seen.at(page.locator(".send-state")).press("Enter")
        seen.presses("Send now")
        page.go_back()
        seen.reads(re.compile("dangerously low haemoglobin"))
        seen.presses("Look at it")
        seen.reads("Haemoglobin 6.4 g/dL")
        seen.presses("I have seen it and act on it")
        seen.reads(re.compile("^Seen "))
        seen.chooses("referred")
        seen.presses("Referral slip")
        seen.reads("A screening, no diagnosis. The blood test decides.")


def test_a_day_of_cases_outlives_the_battery_and_comes_once_over_a_line_that_cuts(stack, tmp_path):
    nurse, profile = a_nurse(stack), tmp_path / "profile"
    flags = camera_flags(camera_file(tmp_path / "eye.mjpeg"))
    with RoughLine(stack.box.url) as line:
        with chromium(profile, *flags, viewport=SIZE, locale="en") as browser:
            seen = opened(browser, line)
            comes_in(seen, nurse)
            line.down = True
            for number in range(CASES):
                take_a_case(seen, f"N-{number:03}")
                seen.reads(re.compile(f"^{number + 1} waits? to be sent"))
            kill(profile)
        with chromium(profile, *flags, viewport=SIZE, locale="en") as browser:
            seen = opened(browser, line)
            unlocks(seen, nurse)
            for number in range(CASES):  # one of the other's, at the same site, may have come with the feed
                seen.reads(re.compile(f"^N-{number:03}"))
            payload = seen.page.evaluate(_SEALED_BYTES)
            line.count_anew()
            line.down, line.rough = False, True
            seen.at(seen.page.locator(".send-state")).press("Enter")
            seen.reads("All sent", after=lambda: seen.presses("Send now"), seconds=240)
            print(f"{CASES} cases: {payload} bytes sealed, {line.sent_bytes / payload:.3f} times as many sent")
            assert line.cuts > 0 or payload < line.most
            assert line.sent_bytes <= MOST_SENT * payload
    there = [one for one in stack.admin.pages("/cases") if one["subject_code"].startswith("N-")]
    assert sorted(one["subject_code"] for one in there) == [f"N-{number:03}" for number in range(CASES)]
    assert {len(one["photos"]) for one in there} == {1}


def opened(browser, line):
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(line.address)
    return Seen(page)


def comes_in(seen, nurse):
    seen.types("Or type the code", nurse.code)
    seen.presses("Enrol this phone")
    seen.presses("Somebody else")
    seen.types("Name", nurse.name)
    seen.types("Password", nurse.given)
    seen.presses("Sign in")
    seen.types("The password you were given", nurse.given)
    seen.types("A new password", PASSWORD)
    seen.presses("Change it")
    seen.types("New PIN", PIN)
    seen.types("The same again", PIN)
    seen.presses("Use this PIN")
    seen.reads("Today")
    wait_until(lambda: seen.page.evaluate("navigator.serviceWorker.controller !== null"), "the app is kept")


def unlocks(seen, nurse):
    seen.presses(nurse.name)
    seen.types("PIN", PIN)
    seen.presses("Unlock")


def take_a_case(seen, code):
    seen.presses("New case")
    seen.ticks("Yes to the photo")
    seen.ticks("Yes to making the test better")
    seen.types("Code on the person's card", code)
    seen.presses("Next")
    seen.types("Age", "30")
    seen.chooses("female")
    seen.presses("Next")
    seen.presses("Next")
    seen.presses("Photograph the right eye")
    seen.page.wait_for_selector(".viewfinder-hint.ready")
    seen.presses("Take the photo")
    seen.at(seen.page.get_by_role("button", name="Lower edge; arrow keys move it")).press("ArrowDown")
    seen.presses("Keep this photo")
    seen.reads("Photograph the left eye")
    seen.presses("Next")
    seen.presses("Seal and send")


class Seen:
    """A page as a person uses it who has no pointer: by what stands on it and a keyboard's tabulator can reach."""

    def __init__(self, page):
        self.page, self.step = page, 0

    def presses(self, name):
        self.at(self.page.get_by_role("button", name=name, exact=isinstance(name, str)).first).press("Enter")
        self._keep()

    def types(self, label, text):
        self.at(self.page.get_by_label(label, exact=True))
        self.page.keyboard.type(text)

    def ticks(self, label):
        self.at(self.page.get_by_label(label)).press("Space")

    def chooses(self, name):
        self.at(self.page.get_by_role("radio", name=name, exact=True)).press("Space")

    def at(self, thing):
        assert thing.evaluate("found => found.tabIndex") >= 0
        thing.focus()
        return thing

    def reads(self, text, after=None, seconds=50.0):
        def there():
            if after:
                after()
            return self.page.get_by_text(text).first.is_visible()

        try:
            wait_until(there, f"{text} is read", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.page.locator('body').inner_text()!r}") from None
        self._keep()

    def _keep(self):
        if kept := os.environ.get("PALLOR_SCREENSHOTS"):
            self.step += 1
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=Path(kept) / f"nurse-{self.step:02}.png")


_SEALED_BYTES = """async () => {
  const asked = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await asked(indexedDB.open("pallor"));
  const rows = await asked(database.transaction("blobs").objectStore("blobs").getAll());
  database.close();
  return rows.reduce((sum, row) => sum + row.blob.byteLength, 0);
}"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    assert run_node("build.js", str(folder)).returncode == 0
    with a_stack(tmp_path_factory.mktemp("nurse"), PALLOR_WEB_FOLDER=str(folder)) as stack:
        yield stack
