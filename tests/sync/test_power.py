"""The power goes at every step on the file system: each next start serves a whole release and goes on by itself."""

import os
import shutil
from pathlib import Path

import pytest

from sync.agent import Agent
from sync.fetch import Line
from tests.support.agents import a_node
from tests.support.clock import HandClock
from tests.support.power import cut_at
from tests.support.repository import a_repository

MODEL = bytes(range(256)) * 600  # three pieces
MOST_STEPS = 300


def test_fetching_and_activating_survive_a_cut_at_every_step(place, node, tmp_path):
    place.channel(place.release("eye-1", tmp_path / "eye-1", model=MODEL))
    steps = 0
    for step in each_step(node, tmp_path):
        steps = step
        assert node.machine.shelf.current().release_id in ("old-1", "eye-1")
        arrived = model_bytes_here(node)
        fetched = files_fetched(node)
        assert fetched["model"] == len(MODEL) - arrived, step
        assert (node.serves, node.machine.shelf.current().release_id) == ("eye-1", "eye-1"), step
        assert leftovers(node) == set(), step
    assert steps > 50


def test_going_back_after_a_crash_survives_a_cut_at_every_step(place, node, tmp_path):
    place.channel(place.release("eye-1", tmp_path / "eye-1"))
    node.once()
    os.close(node.serve(5)._descriptor)  # a worker that crashed
    node.url = "file:///nowhere"  # it needs nobody for that
    steps = 0
    for step in each_step(node, tmp_path):
        steps = step
        assert node.machine.shelf.current().release_id in ("old-1", "eye-1")
        journal = node.once()
        assert (node.serves, journal.tries) == ("old-1", {"eye-1": 1}), step
        assert node.machine.shelf.current().release_id == "old-1"
    assert steps > 5


def test_a_signed_rollback_survives_a_cut_at_every_step(place, node, tmp_path):
    first = place.release("eye-1", tmp_path / "eye-1")
    second = place.release("eye-2", tmp_path / "eye-2", model=b"2" * 99)
    for named in (first, second):
        place.channel(named)
        node.once()
        node.serve(100)
        node.once()
    place.channel(first, kind="rollback", from_release="eye-2", to_release="eye-1", reason="worse than before")
    steps = 0
    for step in each_step(node, tmp_path):
        steps = step
        assert node.machine.shelf.current().release_id in ("eye-1", "eye-2")
        node.once()
        assert node.machine.shelf.current().release_id == "eye-1", step
    assert steps > 5


def test_the_cut_is_real(tmp_path):
    def write():
        with (tmp_path / "file").open("wb") as file:
            file.write(b"x" * 10)

    assert cut_at(1, write)
    assert (tmp_path / "file").read_bytes() == b""
    assert not cut_at(2, write)
    assert (tmp_path / "file").stat().st_size == 10


def each_step(node, tmp_path):
    """Cut a round at its first step, its second, and so on, each time from the same beginning."""
    beginning = Path(shutil.copytree(tmp_path / "node", tmp_path / "beginning", symlinks=True))
    for step in range(1, MOST_STEPS):
        shutil.rmtree(tmp_path / "node")
        shutil.copytree(
            beginning, tmp_path / "node", symlinks=True, copy_function=os.link
        )  # nothing is changed in place
        if not cut_at(step, lambda: Agent(node.machine, Line(node.url), None).once()):
            return
        yield step
    raise AssertionError("a round has no end")


def model_bytes_here(node):
    releases = node.machine.shelf.root / "releases"
    found = [*releases.glob("*eye-1/int8.onnx*")]
    return sum(path.stat().st_size for path in found)


def files_fetched(node):
    """A round that counts what it fetches of the model."""
    line = CountingLine(node.url)
    Agent(node.machine, line, None).once()
    return {"model": line.large}


class CountingLine(Line):
    large = 0

    def _from_folder(self, path, start):
        before = self.received
        yield from super()._from_folder(path, start)
        if path.stat().st_size == len(MODEL):
            self.large += self.received - before


def leftovers(node):
    shelf, state = node.machine.shelf.root, node.machine.state
    found = [
        *shelf.glob(".[!a]*"),
        *shelf.glob("releases/.*"),
        *state.glob("damaged*"),
        *state.glob("trust/metadata/tmp*"),
    ]
    return {path.name for path in found}


@pytest.fixture
def place(tmp_path):
    return a_repository(tmp_path / "store", HandClock())


@pytest.fixture
def node(place, tmp_path):
    """On a stick: no server, and no thread that a fork could cut in two."""
    return a_node(tmp_path / "node", place.root_bytes, f"file://{place.folder}/tuf", place.clock)
