"""Every screen in a real browser: axe finds nothing, no word is cut off, and nothing runs out of a small phone's width.

The screens stand on a stage of made-up cases (backend/web/tests/stage.tsx). `PALLOR_SCREENSHOTS=DIR` keeps a picture of
each.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.web import INSTALLED, WEB, find_node
from pallor.onebox.broker import free_port
from tests.support.chromium import chromium

LOOKS = ((360, 640, "light"), (412, 915, "dark"))
CASES = ("plain", "critical", "retake", "waiting", "low", "unclear")
SCREENS = {
    "enrol": "?as=enrol",
    "wiped": "?as=wiped",
    "people": "?as=people",
    "home": "",
    "home-locked": "?as=locked",
    **{f"new-{step}": f"?step={step}#/new/d-1" for step in ("consent", "person", "signs", "photo", "end")},
    **{f"case-{name}": f"#/case/c-{n}" for n, name in enumerate(CASES, 1)},
    "amend": "#/amend/c-1",
    "slip": "#/slip/c-2",
    "queue": "#/queue",
    "follow-ups": "#/follow-ups",
    "search": "#/search",
    "phone": "#/phone",
    "sign-in": "#/sign-in",
    "home-fr": "?words=fr",
    "case-es": "?words=es#/case/c-2",
}  # fmt: skip


@pytest.mark.parametrize("name", SCREENS)
def test_axe_finds_nothing_and_nothing_runs_out_of_the_screen(stage: str, page: Any, name: str) -> None:
    page.goto(f"{stage}/stage.html{SCREENS[name]}")
    page.reload()  # what differs behind # alone would not be loaded anew
    page.wait_for_selector("main h1")
    page.add_script_tag(path=WEB / "node_modules/axe-core/axe.min.js")
    for width, height, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = page.evaluate("async () => (await axe.run()).violations")
        assert not [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found]
        if kept := os.environ.get("PALLOR_SCREENSHOTS"):
            page.screenshot(path=Path(kept) / f"{name}-{width}-{scheme}.png", full_page=True)


@pytest.fixture(scope="module")
def stage() -> Iterator[str]:
    """Vite's own server."""
    if not INSTALLED.exists():
        pytest.skip("the app's packages are not installed: make web")
    port = free_port()
    command = [
        *find_node(),
        "node_modules/vite/bin/vite.js",
        "--port",
        str(port),
        "--strictPort",
        "--host",
        "127.0.0.1",
    ]
    server = subprocess.Popen(command, cwd=WEB, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                httpx.get(f"{url}/stage.html")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), has_touch=True) as browser:
        yield browser.new_page()
