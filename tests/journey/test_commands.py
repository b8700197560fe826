"""``pallor demo`` and ``pallor up`` as people start them, and how they end: by themselves, by Ctrl-C, or killed."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pallor.onebox.broker import free_port
from pallor.onebox.client import Client
from pallor.onebox.folder import DataFolder
from tests.support.stack import A_WHILE, PALLOR, clean_environ, processes_of, total, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in /proc"),
]


def test_the_demonstration_scores_everybody_shows_the_labels_and_leaves_nothing_behind(started):
    demo = started("demo", "--limit", "12", "--exit")
    assert demo.ends() == 0, demo.output()
    words = demo.output()
    assert "\x1b" not in words
    assert total("submitted", words) == 12
    assert total("scored", words) + total("retake asked for", words) == 12
    assert total("lost", words) == 0
    assert "haemoglobin for 6 of the cases" in words
    assert words.count("written") == 6
    assert "/api/v1/openapi.json" in words
    assert demo.left() == []


def test_a_ctrl_c_ends_the_demonstration_and_everything_it_started(started):
    demo = started("demo", "--limit", "2")
    demo.says("Pallor is up until Ctrl-C")
    for part in (
        "valkey",
        "pallor-worker serve",
        *(f"pallor-backend {verb}" for verb in ("serve", "consume", "sweep")),
    ):
        assert any(part in line for line in demo.left()), part
    demo.ctrl_c()
    assert demo.ends() == 0, demo.output()
    assert demo.left() == []


def test_a_ctrl_c_during_the_start_ends_what_was_started(started):
    demo = started("demo")
    wait_until(lambda: any("pallor-worker" in line for line in demo.left()), "the worker is started")
    demo.ctrl_c()
    assert demo.ends() == 130, demo.output()
    assert demo.left() == []


def test_a_killed_machine_leaves_no_process_behind_and_starts_again_with_its_token(started, folder):
    data, port = DataFolder(folder / "data"), free_port()
    up = started("up", "--world", "synthetic", "--data", str(data.root), "--port", str(port))
    up.says("Pallor is up until Ctrl-C")
    token = data.saved_token()
    assert stat.S_IMODE(data.token_file.stat().st_mode) == 0o600
    assert started("up", "--data", str(data.root), "--port", str(free_port())).ends() == 2  # one machine a folder
    up.process.kill()
    wait_until(lambda: up.left() == [], "every part is gone", seconds=10)

    again = started("up", "--world", "synthetic", "--data", str(data.root), "--port", str(port))
    again.says("Pallor is up until Ctrl-C")
    assert data.saved_token() == token
    with Client(f"http://127.0.0.1:{port}", token) as admin:
        assert admin.get("/health/live") == {"live": True, "world": "synthetic"}
    follow_as_the_readme_says(data, folder / "node")
    again.process.terminate()
    assert again.ends() == 0, again.output()
    assert again.left() == []


def follow_as_the_readme_says(data: DataFolder, node: Path) -> None:
    """A node is enrolled with the machine, and brings what the machine has signed by itself."""

    def run(words: str) -> str:
        there = f"export PALLOR_NODE_STATE={node}/state PALLOR_SHELF={node}/shelf"
        done = subprocess.run(
            ["sh", "-c", f". {data.environment_file}; {there}; {words}"],
            env=clean_environ(), capture_output=True, text=True, timeout=A_WHILE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("pallor-backend site-add kumasi-1")
    link = next(
        line for line in run("pallor-backend enrol-code node node-1 --site kumasi-1").splitlines() if "#" in line
    )
    fingerprint = " ".join(run(f"pallor-sync enrol '{link.split()[-1]}'").splitlines()[3:7])
    run(f"pallor-backend device-confirm node-1 --fingerprint '{fingerprint}'")
    run("pallor-sync once")
    assert (node / "shelf" / "current").readlink() == (data.shelf / "current").readlink()
    assert "1 reached: 0 count, 1 try it" in run("pallor-backend rollout status")
    assert "development-release" in run("pallor-release show")


class Started:
    """A command of ours as a process, that keeps all it has in one folder: so everything it starts can be found."""

    def __init__(self, folder: Path, log: Path, *arguments: str) -> None:
        self._folder, self._log = folder, log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [PALLOR, *arguments],
                env=clean_environ() | {"TMPDIR": str(folder)},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a foreground process group, as a terminal makes one
            )

    def output(self) -> str:
        return self._log.read_text()

    def says(self, words: str) -> None:
        wait_until(
            lambda: words in self.output() or self.process.poll() is not None, f"it says {words!r}:\n{self.output()}"
        )
        assert words in self.output(), self.output()

    def ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def ends(self) -> int:
        return self.process.wait(timeout=A_WHILE)

    def left(self) -> list[str]:
        return processes_of(self._folder)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        wait_until(lambda: self.left() == [], "the warden ended every part", seconds=15)


@pytest.fixture
def started(folder, tmp_path) -> Iterator[Callable[..., Started]]:
    running: list[Started] = []

    def start(*arguments: str) -> Started:
        running.append(Started(folder, tmp_path / f"command-{len(running)}.log", *arguments))
        return running[-1]

    yield start
    for command in running:
        command.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="journey-") as name:
        yield Path(name)
