"""Debian's Chromium, driven by Playwright; without it a test is skipped."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

# Without these it asks Google's servers for this and that, and waits.
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One Chromium; each page has a profile of its own."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium

    def page(self, *, width: int = 360, height: int = 640, scheme: str = "light", **more: Any) -> Any:
        """A phone's page."""
        viewport = {"width": width, "height": height}
        context = self._chromium.new_context(viewport=viewport, color_scheme=scheme, has_touch=True, **more)
        return context.new_page()


def chromium_here() -> str:
    """Where it is; skips the test where it is not."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here: install it with the system's packages")
    return found


@contextmanager
def a_browser(*flags: str) -> Iterator[Browser]:
    """A browser until the end of the block."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = chromium_here()
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments(flags))
        try:
            yield Browser(chromium)
        finally:
            chromium.close()


def arguments(more: Sequence[str] = ()) -> list[str]:
    return [*_QUIET, *more]
