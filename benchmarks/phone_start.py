"""How the phone's app starts on a bad line: the first visit, and what a later one costs.

    python -m benchmarks.phone_start [--rounds N] [--out FILE]

Needs ``make web`` and Chromium. The whole server is started and the app is opened in a fresh profile on a line of
400 kbit/s down and up with 400 ms each way and back, as Chromium emulates it. ``interactive_seconds``: from the request
of the address until the first screen's field takes what is typed, median. ``repeat_bytes``, ``repeat_requests``: what
a later visit, of a phone that nobody has enrolled, fetches beside the service worker's own check. ``first_screen_kb``
and ``shell_kb``: script and style, gzipped. The last line is one JSON object.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import finish, progress
from deploy.web import WEB, find_node
from tests.support.chromium import chromium
from tests.support.stack import a_stack

_KBIT_A_SECOND, _LATENCY_MS, _ROUNDS = 400, 400, 5
_LINE = {
    "offline": False,
    "latency": _LATENCY_MS,
    "downloadThroughput": _KBIT_A_SECOND * 1000 / 8,
    "uploadThroughput": _KBIT_A_SECOND * 1000 / 8,
}
_FIRST_FIELD = "main input:not([type=radio])"
_PHONE = {"width": 360, "height": 640}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phone_start", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help=f"first visits ({_ROUNDS})")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pallor-start-") as folder, a_stack(Path(folder) / "box") as stack:
        figures = start(stack.box.url, Path(folder), asked.rounds)
    finish("phone_start", weights() | figures, asked.out)


def start(url: str, folder: Path, rounds: int) -> dict[str, Any]:
    """The figures of so many fresh profiles."""
    seconds, repeats = list[float](), list[list[int]]()
    with progress() as bars:
        for number in bars.track(range(rounds), description="starting"):
            with chromium(folder / f"profile-{number}", viewport=_PHONE) as browser:
                seconds.append(first_visit(browser, url))
                repeats.append(later_visit(browser, url))
    fetched = [sum(sizes) for sizes in repeats]
    return {
        "kbit_a_second": _KBIT_A_SECOND,
        "latency_ms": _LATENCY_MS,
        "interactive_seconds": round(statistics.median(seconds), 2),
        "interactive_seconds_worst": round(max(seconds), 2),
        "repeat_bytes": statistics.median(fetched),
        "repeat_requests": statistics.median(map(len, repeats)),
    }


def first_visit(browser: Any, url: str) -> float:
    """Seconds until the first field takes a letter; then the service worker has its time to fetch the rest."""
    page, _ = on_a_slow_line(browser)
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(_FIRST_FIELD).fill("7")
    taken = time.perf_counter() - began
    while not page.evaluate("navigator.serviceWorker.controller !== null"):
        page.wait_for_timeout(200)
    page.close()
    return taken


def later_visit(browser: Any, url: str) -> list[int]:
    """The bytes of each answer that did not come from the phone itself."""
    page, session = on_a_slow_line(browser)
    own, sizes = set[str](), list[int]()

    def answered(told: dict[str, Any]) -> None:
        if told["response"].get("fromServiceWorker") or told["response"].get("fromDiskCache"):
            own.add(told["requestId"])

    def loaded(told: dict[str, Any]) -> None:
        if told["requestId"] not in own:
            sizes.append(told["encodedDataLength"])

    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", loaded)
    page.goto(url)
    page.locator(_FIRST_FIELD).fill("7")
    page.wait_for_timeout(2000)
    page.close()
    return sizes


def on_a_slow_line(browser: Any) -> tuple[Any, Any]:
    page = browser.new_page()
    session = browser.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", _LINE)
    return page, session


def weights() -> dict[str, Any]:
    """As ``npm run sizes`` prints them."""
    done = subprocess.run([*find_node(), "sizes.js"], cwd=WEB, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[0]))


if __name__ == "__main__":
    main()
