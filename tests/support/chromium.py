"""A real browser with a profile that outlives it, and its sudden death."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium(profile: Path, *flags: str, **options: Any) -> Iterator[Any]:
    """A Playwright context of Debian's Chromium; skips where there is none.

    Args:
        profile: the folder that stays when the browser ends.
        flags, options: of the browser and of the context, besides what every test wants.
    """
    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    if binary is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test")
    with playwright.sync_playwright() as running:
        context = running.chromium.launch_persistent_context(
            str(profile), executable_path=binary, headless=True, args=[*_FLAGS, *flags], **options
        )
        try:
            yield context
        finally:
            with suppress(playwright.Error):  # it was killed
                context.close()


def kill(profile: Path) -> None:
    """As when the battery dies: every process of the browser that uses this profile ends at once."""
    for pid in _pids(profile):
        os.kill(pid, signal.SIGKILL)


def _pids(profile: Path) -> list[int]:
    told = f"--user-data-dir={profile}".encode()
    found = []
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and told in (place / "cmdline").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:
            continue
    return found
