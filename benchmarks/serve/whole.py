"""The whole of Pallor on this machine, fed over HTTP: from the first byte of a case to the recorded prediction.

By the door that the app uses (a case with both eyes, sealed before, in one request), and by the open routes (a case
with one photo, in two requests).
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serve.phone import Sealed, seal_case
from benchmarks.serve.ways import Timed
from pallor.clock import utc_text
from pallor.ids import new_id
from pallor.onebox.box import Box, running
from pallor.onebox.client import Client
from pallor.onebox.doors import open_doors

_SITE = "benchmark"
_PHONES = 6  # that send at the same time
_LOOK_SECONDS = 0.03
_PATIENCE_SECONDS = 300.0


class Whole:
    """A box that runs, and phones that send it cases.

    A photo is always of the same person, who comes again in each round: the same photograph under ever more people
    would be warned of, and that work would grow from round to round.
    """

    def __init__(self, box: Box, photos: Sequence[bytes]) -> None:
        self._box, self._photos = box, photos
        with Client(box.url, box.token) as admin:
            self._nurse = open_doors(box.url, admin, [_SITE]).nurse
        with Client(box.url, self._nurse) as phone:
            self._key = phone.get("/sealing-keys")["keys"][0]["jwk"]

    def sealed(self) -> Timed:
        """Send all photos, both eyes of a person as one sealed case; sealing them is done before, as on a phone."""
        pairs = [self._photos[at : at + 2] for at in range(0, len(self._photos), 2)]
        cases = [seal_case(self._key, _body(f"B-{number}"), pair) for number, pair in enumerate(pairs)]
        return self._timed(_send_sealed, [(case,) for case in cases])

    def one_by_one(self) -> Timed:
        """Send every photo as a case of its own, by the open routes; of the same person as if it were sealed."""
        return self._timed(_send, [(f"B-{number // 2}", photo) for number, photo in enumerate(self._photos)])

    def _timed(self, send: Callable[..., None], cases: Sequence[tuple[Any, ...]]) -> Timed:
        """Until each photo has an answer on record, or was refused for its quality."""
        local, own, began = threading.local(), time.process_time(), time.perf_counter()
        with ThreadPoolExecutor(_PHONES) as phones:

            def send_one(case: tuple[Any, ...]) -> None:
                if not hasattr(local, "phone"):
                    local.phone = Client(self._box.url, self._nurse)
                send(local.phone, *case)

            list(phones.map(send_one, cases))
            until = time.monotonic() + _PATIENCE_SECONDS
            while self._unanswered():
                if time.monotonic() > until:
                    raise RuntimeError("not every photo was answered")
                time.sleep(_LOOK_SECONDS)
        return Timed(time.perf_counter() - began, time.process_time() - own)

    def _unanswered(self) -> int:
        """Read where it is written: a question over HTTP would cost the server what is to be measured."""
        with closing(sqlite3.connect(f"file:{self._box.folder.database}?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM photos WHERE state IN ('uploading', 'waiting')"
            return int(database.execute(query).fetchone()[0])


@contextmanager
def a_whole(folder: Path, release: Path, photos: Sequence[bytes]) -> Iterator[Whole]:
    """A box with this release; all defaults, but that nothing but the release is chosen."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PALLOR_")}
    with running(folder, world="real", port=None, stays=False, environ=environ, tell=lambda _: None) as box:
        put = box.shelf.put(release)
        box.shelf.activate(put.release_id)
        box.backend("release-add", str(put.folder), "--digest", put.digest)
        yield Whole(box, photos)


def _send_sealed(phone: Client, case: Sealed) -> None:
    phone.put_bytes(f"/sealed/{case.submission_id}", case.blob, case.headers(), site=_SITE)


def _send(phone: Client, person: str, photo: bytes) -> None:
    case_id = new_id()
    phone.put(f"/cases/{case_id}", _body(person))
    phone.put_photo(case_id, new_id(), photo, "image/png", datetime.now(UTC))


def _body(person: str) -> dict[str, Any]:
    now = utc_text(datetime.now(UTC))
    return {
        "site": _SITE, "subject_code": person, "visited_at": now,
        "subject": {"age_months": 30, "sex": "female", "altitude_m": 200},
        "consent": {"care": {"given_at": now, "wording": "care-en-1"}, "training": None},
    }  # fmt: skip
