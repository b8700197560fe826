"""The capture room in a browser, before a camera that shows a drawn eye; the server judges what it would be sent."""

import base64
import functools
import http.server
import io
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pallor.image.decode import Photo, decode
from pallor.image.eye import look
from pallor.image.quality import judge
from tests.support.camera import FRAME, a_good_draw, camera_file, camera_flags, seen
from tests.support.phone_app import run_node

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MAX_BYTES = 160_000
DENIED = "a camera that nobody may use"
NO_CAMERA = {None: [], DENIED: ["--use-fake-device-for-media-stream", "--deny-permission-prompts"]}
PHONES = {"small": {"width": 360, "height": 640}, "large": {"width": 412, "height": 915}}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.mark.parametrize("phone", PHONES)
def test_a_good_eye_is_taken_marked_and_accepted_by_the_server(browse, good, phone):
    with browse(good, PHONES[phone]) as page:
        says(page, "Good: hold still")
        page.get_by_role("button", name="Take the photo").click()
        page.get_by_role("button", name="Use it").click()
        page.locator("#kept").wait_for()
        region, context = part(page, "kept.photo.region"), part(page, "kept.photo.context.image")
        verdict = page.evaluate("kept.quality")
        capture = page.evaluate("kept.photo.capture")
    photo, around = decode(region), decode(context)
    assert judge(photo).passed
    assert verdict["reasons"] == []
    assert verdict["region_pixels"] == judge(photo).region_pixels
    assert verdict["red_level"] == pytest.approx(judge(photo).red_level, abs=1)
    assert verdict["sharpness"] == pytest.approx(judge(photo).sharpness, abs=0.005)
    assert 224 <= max(photo.mask.shape) <= 448
    assert 0.3 < photo.mask.mean() < 0.9
    assert around.mask.all()
    assert around.mask.shape[0] > 0.6 * around.mask.shape[1]
    assert len(region) + len(context) <= MAX_BYTES
    assert capture["source"] == "camera"
    assert len(capture["handles"]) == 4


def test_without_consent_to_training_nothing_around_the_region_is_made(browse, good):
    with browse(good, path="?care-only") as page:
        take_and_use(page)
        assert page.evaluate("kept.photo.context") is None


def test_the_keyboard_alone_moves_every_handle(browse, good):
    with browse(good) as page:
        take(page)
        for name in ("Left corner", "Right corner", "Edge at the eyeball", "Edge at the lashes"):
            handle = page.get_by_role("button", name=name)
            before = handle.bounding_box()["y"]
            handle.press("Shift+ArrowDown" if name != "Edge at the eyeball" else "Shift+ArrowUp")
            assert handle.bounding_box()["y"] != before


def test_a_thumb_moves_a_handle_and_the_region_follows(browse, good):
    with browse(good) as page:
        take(page)
        box = page.get_by_role("button", name="Edge at the lashes").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = page.locator(".region-edge").get_attribute("d")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + 20)
        page.mouse.up()
        assert page.locator(".region-edge").get_attribute("d") != before
        after = page.get_by_role("button", name="Edge at the lashes").bounding_box()
        assert after["y"] == pytest.approx(box["y"] + 20, abs=2)


def test_the_region_is_seen_as_it_will_be_sent(browse, good):
    with browse(good) as page:
        take(page)
        page.get_by_role("button", name="Show what is sent").click()
        assert page.locator("canvas.region-masked").evaluate("it => it.width") <= 448
        corner = page.locator("canvas.region-masked").evaluate(
            "it => [...it.getContext('2d').getImageData(0, it.height - 1, 1, 1).data]"
        )
        assert corner == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("dark", "Too dark: turn to the light"),
        ("blurred", "Blurred: hold still"),
        ("nobody", "Pull the lower eyelid down"),
    ],
)
def test_what_is_wrong_is_said_while_there_is_time_to_mend_it(browse, tmp_path, condition, words):
    film = camera_file(tmp_path / f"{condition}.mjpeg", *seen(condition, a_good_draw()))
    with browse(film) as page:
        says(page, words)


def test_the_camera_is_let_go_while_nobody_looks(browse, good):
    with browse(good) as page:
        page.locator(".viewfinder-take:enabled").wait_for()
        page.evaluate("window.track = document.querySelector('video').srcObject.getTracks()[0]")
        pretend(page, "hidden")
        page.locator(".viewfinder-take:disabled").wait_for()
        assert page.evaluate("track.readyState") == "ended"
        pretend(page, "visible")
        page.locator(".viewfinder-take:enabled").wait_for()


def test_a_camera_that_is_denied_is_named(browse):
    with browse(DENIED) as page:
        playwright.expect(page.locator("#fault")).to_have_text("camera-denied")


def test_without_a_camera_the_gallery_still_works(browse):
    with browse(None) as page:
        playwright.expect(page.locator("#fault")).to_have_text("camera-none")
        page.get_by_label("Choose a photo").set_input_files(
            {"name": "eye.jpg", "mimeType": "image/jpeg", "buffer": a_photo_lying_on_its_side()}
        )
        page.get_by_role("button", name="Use it").click()
        page.locator("#kept").wait_for()
        assert page.evaluate("kept.photo.capture.source") == "gallery"
        file = part(page, "kept.photo.region")
        assert b"Secret Phone" not in file
        photo = decode(file)
        assert photo.mask.shape[1] > photo.mask.shape[0], "it stands upright"
        assert judge(photo).passed


def test_a_file_that_is_no_photo_is_named(browse):
    with browse(None) as page:
        page.locator("#fault").wait_for()
        page.get_by_label("Choose a photo").set_input_files(
            {"name": "eye.jpg", "mimeType": "image/jpeg", "buffer": b"no photo at all"}
        )
        playwright.expect(page.locator("#fault")).to_have_text("photo-unreadable")


def take(page) -> None:
    page.get_by_role("button", name="Take the photo").click()
    page.locator(".region-grip").first.wait_for()


def take_and_use(page) -> None:
    take(page)
    page.get_by_role("button", name="Use it").click()
    page.locator("#kept").wait_for()


def says(page, words: str) -> None:
    playwright.expect(page.get_by_role("status")).to_have_text(words, timeout=20_000)


def part(page, name: str) -> bytes:
    return base64.b64decode(page.evaluate(f"bytesOf({name})"))


def pretend(page, visibility: str) -> None:
    """A headless page is never hidden: say that it is."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        visibility,
    )


def a_photo_lying_on_its_side() -> bytes:
    """A phone's JPEG with Exif: turned by a quarter, and naming the phone."""
    eye: Photo = look(a_good_draw(), replace(FRAME, width=900, height=700))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Phone"
    file = io.BytesIO()
    Image.fromarray(eye.rgb).rotate(90, expand=True).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return camera_file(tmp_path_factory.mktemp("film") / "good.mjpeg")


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The capture room alone, built as the product is."""
    folder = tmp_path_factory.mktemp("page")
    how = ("-c", "vite.config.ts", "--logLevel", "error", "--outDir", str(folder), "--emptyOutDir")
    built = run_node("node_modules/vite/bin/vite.js", "build", "tests/capture", *how)
    assert built.returncode == 0, built.stderr.decode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browse(address) -> Iterator[Callable]:
    """A page before a camera that shows a film, or before none that it may use."""
    with playwright.sync_playwright() as driver:
        browsers = {}

        def browser_before(film):
            if film not in browsers:
                flags = NO_CAMERA[film] if film in NO_CAMERA else camera_flags(film)
                browsers[film] = driver.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *flags]
                )
            return browsers[film]

        @contextmanager
        def browse(film, viewport=PHONES["small"], path: str = ""):
            page = browser_before(film).new_page(viewport=viewport)
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(address + path)
            yield page
            page.close()
            assert wrong == []

        yield browse
        for browser in browsers.values():
            browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Says nothing."""
