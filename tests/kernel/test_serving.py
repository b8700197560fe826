"""What a worker leaves beside the shelf: cases that were answered, and a crash that nobody had to tell."""

import os
import subprocess
import sys

import pytest

from pallor.release.serving import NotesNotKept, Served, begin_note, forget, noted, served


def test_cases_are_counted_over_all_processes_of_a_release(tmp_path):
    notes = [begin_note(tmp_path, "eye-1") for _ in range(2)]
    for note in notes:
        for _ in range(7):
            note.count()
    assert served(tmp_path, "eye-1") == Served(cases=14, alive=2, crashed=0)
    for note in notes:
        note.end()
    assert served(tmp_path, "eye-1") == Served(cases=14, alive=0, crashed=0)
    assert served(tmp_path, "eye-2") == Served()


def test_a_process_that_dies_is_a_crash_and_one_that_ends_is_none(tmp_path):
    words = "import os, sys; from pathlib import Path; from pallor.release.serving import begin_note\n"
    words += f"note = begin_note(Path({str(tmp_path)!r}), 'eye-1'); note.count()\n"
    for end, crashed in (("note.end()", 0), ("os.abort()", 1), ("os._exit(0)", 2)):
        subprocess.run([sys.executable, "-c", words + end], capture_output=True, check=False)
        assert served(tmp_path, "eye-1").crashed == crashed
    assert served(tmp_path, "eye-1").cases == 3
    forget(tmp_path, "eye-1")
    assert served(tmp_path, "eye-1") == Served()


def test_a_power_cut_is_no_crash_of_the_release(tmp_path, monkeypatch):
    os.close(begin_note(tmp_path, "eye-1")._descriptor)
    assert served(tmp_path, "eye-1").crashed == 1
    monkeypatch.setattr("pallor.release.serving.boot_id", lambda: "another boot")
    assert served(tmp_path, "eye-1").crashed == 0


def test_where_nothing_can_be_noted_that_is_said(tmp_path):
    (tmp_path / "serving").write_text("")
    with pytest.raises(NotesNotKept, match="serving/eye-1: Not a directory"):
        begin_note(tmp_path, "eye-1")


def test_a_note_ends_with_its_block_and_what_cannot_be_read_says_nothing(tmp_path):
    with noted(tmp_path, "eye-1") as note:
        note.count()
    (tmp_path / "serving" / "eye-1" / "torn").write_text("")
    assert served(tmp_path, "eye-1") == Served(cases=1)
