"""A step is done once, and one process at a time works in a folder."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("filelock", reason="the trainer's extra is not installed")

from pallor.clock import SystemClock
from trainer.steps import RunBusy, Steps, only_run_in


def test_a_step_that_is_done_is_not_done_again(tmp_path):
    steps, worked = Steps(tmp_path, SystemClock()), []
    for _ in range(2):
        folder = steps.step("paint", lambda at: (worked.append(1), (at / "picture").write_text("red")))
        assert (folder / "picture").read_text() == "red"
    assert worked == [1]


def test_a_step_that_was_killed_finds_what_it_had_and_is_not_taken_for_done(tmp_path):
    def half(at):
        (at / "first").write_text("kept")
        raise KeyboardInterrupt

    steps = Steps(tmp_path, SystemClock())
    with pytest.raises(KeyboardInterrupt):
        steps.step("paint", half)
    assert not (tmp_path / "paint").exists()
    folder = steps.step("paint", lambda at: (at / "second").write_text((at / "first").read_text() + " on"))
    assert (folder / "second").read_text() == "kept on"


def test_the_journal_says_what_was_begun_and_done(tmp_path):
    steps = Steps(tmp_path, SystemClock())
    steps.step("paint", lambda at: None)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [(line["step"], line["is"]) for line in lines] == [("paint", "begun"), ("paint", "done")]


def test_a_folder_is_held_by_one_process_and_free_when_that_is_killed(tmp_path):
    holds = "import sys, time; from pathlib import Path; from trainer.steps import only_run_in\n"
    holds += "with only_run_in(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", holds, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunBusy, match="another run"), only_run_in(tmp_path):
            pytest.fail("both hold it")
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        other.stdout.close()
    time.sleep(0.05)
    with only_run_in(tmp_path):
        pass
