"""A release is tried in a process of its own; whatever that process does, the agent knows what to make of it."""

import json
import sys

import pytest

from sync.probe import ProbeFailed, ProbeMissing, WorkerBroken, by_command
from tests.support.agents import DESCRIBED

GOOD = f"print({json.dumps(DESCRIBED)!r})"


def worker(tmp_path, script, own=GOOD):
    """A command that ends like this one with whatever release it is told, and otherwise with its own."""
    lines = ["import sys, time, os", "if '--release' not in sys.argv:", f"    {own}; sys.exit()", script]
    (tmp_path / "worker.py").write_text("\n".join(lines) + "\n")
    return by_command([sys.executable, str(tmp_path / "worker.py")], patience_seconds=5)


def test_what_the_worker_says_is_believed_when_it_ends_well(tmp_path):
    probe = worker(
        tmp_path, f"assert sys.argv[1:4] == ['describe', '--json', '--release']; print({json.dumps(DESCRIBED)!r})"
    )
    probed = probe(tmp_path)
    assert probed.have == ("cpu", "linux", "x86_64")
    assert (probed.facts["flavour"], probed.facts["max_difference"]) == ("onnxruntime-cpu", 0.001)
    assert probed.facts["golden"] == [0.5]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sys.exit('pallor-worker: engine-disagrees: the golden photos differ by 0.3')", "differ by 0.3"),
        ("""print('{"fault": "golden-unusable: it has none"}'); sys.exit(2)""", "golden-unusable"),
        ("os.abort()", "exit status -6"),
        ("print('no json')", "does not say what it should"),
        ("print('[]')", "does not say what it should"),
        ("print('{}')", "does not say what it should"),
    ],
)
def test_whatever_else_it_does_the_release_is_not_used(tmp_path, script, words):
    with pytest.raises(ProbeFailed, match=words):
        worker(tmp_path, script)(tmp_path)


def test_a_worker_that_hangs_is_ended(tmp_path):
    (tmp_path / "worker.py").write_text("import time; time.sleep(60)")
    with pytest.raises(WorkerBroken, match=r"within 0\.3 s"):
        by_command([sys.executable, str(tmp_path / "worker.py")], patience_seconds=0.3)(tmp_path)


@pytest.mark.parametrize("script", ["import no_such_module", "os.abort()", "print('{}')", "sys.exit('out of memory')"])
def test_where_the_workers_own_release_fails_as_well_the_release_bears_no_blame(tmp_path, script):
    with pytest.raises(WorkerBroken, match="with its own release, too"):
        worker(tmp_path, script, own=script)(tmp_path)


def test_a_worker_that_is_not_installed_is_told(tmp_path):
    (tmp_path / "no-program").write_text("text")
    for command in ("no-such-command", str(tmp_path / "no-program")):
        with pytest.raises(ProbeMissing, match="PALLOR_WORKER_COMMAND"):
            by_command([command])(tmp_path)
