"""One whole machine for a test, in a temporary folder, with short pauses; and ways to see what processes are left."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pallor.clock import SystemClock
from pallor.ids import new_id
from pallor.image.synthetic import draw, render_bytes
from pallor.onebox.box import Box, running
from pallor.onebox.client import Client
from pallor.onebox.doors import Staff, open_doors
from pallor.release.shelf import Release

PALLOR = str(Path(sys.executable).with_name("pallor"))
SITE = "journey"
A_WHILE = 120.0  # far beyond what any of this takes, so that a busy machine fails no test
_SHORT_PAUSES = {
    "PALLOR_SWEEP_SECONDS": "0.3",
    "PALLOR_RESEND_SECONDS": "4",
    "PALLOR_VISIBILITY_SECONDS": "2",
    "PALLOR_REPORT_SECONDS": "2",
    "PALLOR_WEB_PROCESSES": "2",
}


@dataclass
class Sent:
    """A photo of a case, as it was sent; ``seconds`` is how long the two requests took together."""

    case_id: str
    photo_id: str
    seconds: float


@dataclass
class Stack:
    """A machine that runs, and the three roles in front of it."""

    box: Box
    staff: Staff
    phone: Client
    laboratory: Client
    admin: Client

    def send(self, photo: bytes, number: int = 1) -> Sent:
        """Submit a case with its photo."""
        sent, now, started = Sent(new_id(), new_id(), 0.0), SystemClock().now(), time.monotonic()
        self.phone.put(f"/cases/{sent.case_id}", a_case(number))
        self.phone.put_photo(sent.case_id, sent.photo_id, photo, "image/png", now)
        sent.seconds = time.monotonic() - started
        return sent

    def send_all(self, photos: Sequence[bytes], at_once: int = 4) -> Iterator[Sent]:
        """Submit a case for each photo, several at a time; each as soon as it was accepted."""
        with ThreadPoolExecutor(at_once) as pool:
            yield from pool.map(self.send, photos, range(len(photos)))

    def state(self, sent: Sent) -> str:
        return str(self.phone.get(f"/cases/{sent.case_id}/photos/{sent.photo_id}")["state"])

    def answers(self, sent: Sequence[Sent]) -> dict[str, list[dict[str, Any]]]:
        """Every release's answers for these photos, by photo."""
        found: dict[str, list[dict[str, Any]]] = {one.photo_id: [] for one in sent}
        for answer in self.admin.pages("/predictions"):
            if answer["photo_id"] in found:
                found[answer["photo_id"]].append(answer)
        return found

    def swap_release(self, release_id: str, folder: Path) -> None:
        """Let another release serve: the one that comes with Pallor, under another name."""
        original = self.box.shelf.current()
        copy = self.box.shelf.put(_renamed(original, release_id, folder))
        self.box.backend("release-add", str(copy.folder), "--digest", copy.digest)
        self.box.shelf.activate(release_id)


@contextmanager
def a_stack(folder: Path, **settings: str) -> Iterator[Stack]:
    """``settings``: more environment variables for its parts."""
    environ = clean_environ() | _SHORT_PAUSES | settings
    with (
        running(folder, world="synthetic", port=None, stays=False, environ=environ, tell=print) as box,
        Client(box.url, box.token) as admin,
    ):
        staff = open_doors(box.url, admin, [SITE])
        with Client(box.url, staff.nurse) as phone, Client(box.url, staff.laboratory) as laboratory:
            yield Stack(box, staff, phone, laboratory, admin)


def a_case(number: int = 1) -> dict[str, Any]:
    """A case as the phone sends it."""
    return {
        "site": SITE,
        "subject_code": f"J-{number}",
        "visited_at": "2026-11-01T12:00:00Z",
        "subject": {"age_months": 30, "sex": "female"},
        "consent": {
            "care": {"given_at": "2026-11-01T11:55:00Z", "wording": "care-en-1"},
            "training": {"given_at": "2026-11-01T11:56:00Z", "wording": "training-en-1"},
        },
    }


def drawn_photos(count: int, seed: int = 0) -> list[bytes]:
    """Drawn photos that pass the judgement of quality, no two alike."""
    rng = np.random.default_rng(seed)
    good: dict[str, Any] = {"exposure_stops": 0.0, "blur_px": 0.6, "highlights": 0}
    return [render_bytes(replace(draw(rng, 110, signal=1.0), **good)) for _ in range(count)]


def wait_until(holds: Callable[[], bool], what: str, seconds: float = A_WHILE) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not after {seconds:g} s: {what}"
        time.sleep(0.1)


def clean_environ() -> dict[str, str]:
    """This process's environment without settings of Pallor's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PALLOR_")}


def processes_of(folder: Path) -> list[str]:
    """The command lines of every living process that was told of this folder, or works in it (Linux)."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            # Valkey writes its title over its environment, but works in its own folder.
            told = bytes(folder) in (place / "environ").read_bytes() or folder in (place / "cwd").readlink().parents
            if place.name.isdigit() and told:
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended while we looked, or is another user's
            continue
    return found


def total(name: str, words: str) -> int:
    """A number from the totals that the demonstration printed."""
    (line,) = [line for line in words.splitlines() if line.startswith(name)]
    return int(line.removeprefix(name).split()[0])


def _renamed(release: Release, release_id: str, folder: Path) -> Path:
    shutil.copytree(release.folder, folder)
    (folder / "manifest.json").write_bytes(replace(release.manifest, release_id=release_id).to_bytes())
    return folder
