"""``pallor-backend sweep`` signs what was decided, with the keys that its settings name and with no others."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.db.engine import Database
from backend.services.move_rollout import Plan, start_rollout
from backend.services.read_rollouts import list_words
from backend.services.taken_back import reasons_against
from pallor.clock import SystemClock
from pallor.release.channel import Channel
from pallor.release.places import channel_target
from pallor.release.repository import ceremony, contents
from pallor.release.repository.keys import new_key
from tests.support.repository import a_repository

CLOCK, WORDS = SystemClock(), "four words for it"
ROLES = ("channels", "snapshot", "timestamp")
A_WHILE = 60


def test_the_sweeper_signs_with_the_keys_of_its_folder(signed, settings, database):
    start_rollout(database, CLOCK, signed.repository, "main", Plan("eye-1", 100.0), by="admin-1")
    contents.set_policy(signed.repository, signed.keys["dora"], yank={"eye-2": "a mistake"})
    with sweeping(settings) as said:
        wait_until(lambda: list_words(database, "main", 1, 0)[0].signed_at and signed.repository.timestamp(), said)
        wait_until(lambda: taken_back(database), said)
    target = signed.repository.targets("channels")[channel_target("main")]
    assert Channel.from_json(json.loads(signed.repository.content(target))).release.release_id == "eye-1"
    (keyid,) = signed.repository.newest("channels").signatures
    assert keyid == signed.repository.delegator("channels").get_delegated_role("channels").keyids[0]
    snapshot = signed.repository.newest("snapshot").signed
    assert {f"{role}.json" for role in ("targets", "releases", "candidates", "channels")} <= set(snapshot.meta)
    assert taken_back(database) == {"eye-2": "a mistake"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PALLOR_KEY_PASSPHRASE": "another passphrase"}, "this passphrase does not open the key"),
        ({"PALLOR_KEY_PASSPHRASE": None}, "this passphrase does not open the key"),
        ({"PALLOR_KEYS": "/nowhere"}, "no key in this folder may sign channels"),
        ({"PALLOR_ROOT_METADATA": "/nowhere/1.root.json"}, "the root metadata cannot be read"),
    ],
)
def test_a_sweeper_that_cannot_sign_says_so_at_its_door(signed, settings, change, words):
    environ = {name: value for name, value in (settings | change).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "backend", "sweep"], env=environ, capture_output=True, text=True, timeout=A_WHILE
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert WORDS not in done.stderr


def taken_back(database):
    with database.read() as connection:
        return dict(reasons_against(connection))


class sweeping:  # noqa: N801
    """A sweeper that runs until the block ends."""

    def __init__(self, environ):
        self._process = subprocess.Popen([sys.executable, "-m", "backend", "sweep"], env=environ,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip

    def __enter__(self):
        return self._process

    def __exit__(self, *_):
        self._process.terminate()
        assert self._process.wait(A_WHILE) == 0, self._process.stdout.read()
        self._process.stdout.close()


def wait_until(holds, process):
    until = time.monotonic() + A_WHILE
    while not holds():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A repository whose online keys lie in a folder, locked."""
    folder = tmp_path_factory.mktemp("signed")
    signed = a_repository(folder / "store", CLOCK)
    for number in (1, 2):
        signed.release(f"eye-{number}", folder / f"eye-{number}")
    for role in ROLES:
        key = new_key(folder / "keys", f"any-{role}", WORDS)
        drafts = ceremony.change(signed.repository, role, add=[key], remove=[f"server-{role}"])
        signed.put(drafts, "anna", "ben", "server-channels")
    return signed


@pytest.fixture
def settings(signed, sqlite_url, tmp_path):
    """The environment of a sweeper."""
    ours = {
        "PALLOR_DATABASE_URL": sqlite_url,
        "PALLOR_STORE_URL": f"file://{signed.folder}",
        "PALLOR_BROKER_URL": "redis://127.0.0.1:1/0",
        "PALLOR_WORLD": "real",
        "PALLOR_SWEEP_SECONDS": "0.1",
        "PALLOR_KEYS": str(signed.folder.parent / "keys"),
        "PALLOR_KEY_PASSPHRASE": WORDS,
        "PALLOR_ROOT_METADATA": str(signed.folder / "tuf/metadata/1.root.json"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("PALLOR_")} | ours


@pytest.fixture
def database(sqlite_url):
    database = Database(sqlite_url)
    yield database
    database.close()
