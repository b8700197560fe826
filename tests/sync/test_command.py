"""``pallor-sync``: a release comes onto the shelf by hand, trusted by its digest, or signed, by itself or by stick."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from pallor.clock import SystemClock
from pallor.digest import sha256_of
from pallor.enrolment import fingerprint_of
from pallor.release.bootstrap import BOOTSTRAP_DIGEST, bootstrap_folder
from pallor.release.shelf import CHALLENGER, CURRENT, Release, Shelf
from sync.__main__ import main
from sync.identity import Identity, keep_identity, own_key
from tests.support.agents import DESCRIBED
from tests.support.repository import a_repository
from tests.support.stack import wait_until


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("PALLOR_SHELF", str(tmp_path / "shelf"))
    return Shelf(tmp_path / "shelf")


def test_an_empty_shelf_gets_the_release_that_pallor_comes_with(shelf, capsys):
    assert main(["bootstrap"]) == 0
    assert main(["status"]) == 0
    assert shelf.current_id() in capsys.readouterr().out


def test_bootstrap_leaves_an_active_release_alone(shelf, capsys):
    main(["bootstrap"])
    assert main(["bootstrap"]) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_a_release_is_put_and_activated(shelf):
    assert main(["put", str(bootstrap_folder()), "--digest", BOOTSTRAP_DIGEST, "--activate"]) == 0
    assert shelf.current().digest == BOOTSTRAP_DIGEST


def test_a_release_put_as_challenger_answers_beside_the_active_one_until_it_is_ended_or_activated(shelf, capsys):
    release_id = Release.open(bootstrap_folder()).release_id
    put = ["put", str(bootstrap_folder()), "--digest", BOOTSTRAP_DIGEST]
    assert main([*put, "--challenge"]) == 0
    assert "shown to nobody" in capsys.readouterr().out
    assert (shelf.named(CURRENT), shelf.named(CHALLENGER)) == (None, release_id)
    assert main(["unchallenge"]) == 0
    assert f"{release_id} no longer answers" in capsys.readouterr().out
    assert shelf.named(CHALLENGER) is None
    assert main(["unchallenge"]) == 0
    assert main([*put, "--challenge"]) == 0
    assert main([*put, "--activate"]) == 0
    assert (shelf.named(CURRENT), shelf.named(CHALLENGER)) == (release_id, None)


def test_a_release_with_another_digest_is_refused(shelf, capsys):
    assert main(["put", str(bootstrap_folder()), "--digest", "sha256:" + "0" * 64, "--activate"]) == 2
    assert "trusted is sha256:0000" in capsys.readouterr().err
    assert main(["status"]) == 2


def test_one_changed_byte_is_refused(tmp_path, capsys):
    copy = shutil.copytree(bootstrap_folder(), tmp_path / "copy")
    model = copy / "fp16.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    assert main(["put", str(copy), "--digest", BOOTSTRAP_DIGEST]) == 2
    assert "fp16.onnx" in capsys.readouterr().err


def test_a_shelf_that_is_not_named_is_asked_for(monkeypatch, capsys):
    monkeypatch.delenv("PALLOR_SHELF")
    assert main(["status"]) == 2
    assert "PALLOR_SHELF" in capsys.readouterr().err


def test_a_release_that_was_damaged_on_the_shelf_is_brought_anew(shelf):
    main(["bootstrap"])
    model = shelf.current().path("fp16.onnx")
    model.write_bytes(model.read_bytes()[:-1])
    assert main(["status"]) == 2
    assert main(["put", str(bootstrap_folder()), "--digest", BOOTSTRAP_DIGEST]) == 0
    assert main(["status"]) == 0


def test_a_machine_that_is_not_enrolled_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PALLOR_NODE_STATE", str(tmp_path / "state"))
    assert main(["once"]) == 2
    assert "not enrolled" in capsys.readouterr().err


def test_an_enrolled_machine_takes_a_release_from_a_stick_tells_and_goes_back(enrolled, shelf, tmp_path, capsys):
    signed = enrolled
    signed.channel(signed.release("eye-1", tmp_path / "eye-1"))
    main(["bootstrap"])
    first = shelf.current_id()
    assert main(["import", str(tmp_path / "nowhere")]) == 2
    assert "tuf folder" in capsys.readouterr().err
    assert main(["rollback"]) == 2
    assert f"{first} stays: no whole release lies behind it" in capsys.readouterr().err
    assert main(["import", str(signed.folder)]) == 0
    assert "on trial" in capsys.readouterr().out
    assert shelf.current_id() == "eye-1"
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "on trial    eye-1" in said
    assert f"previous    {first}" in said
    assert main(["rollback"]) == 0
    assert shelf.current_id() == first
    assert "eye-1 is taken off" in capsys.readouterr().out
    assert main(["once"]) == 1
    assert "release-failed-here" in capsys.readouterr().out
    assert shelf.current_id() == first


def test_a_service_looks_by_itself_and_ends_at_a_signal(enrolled, shelf, tmp_path):
    enrolled.channel(enrolled.release("eye-1", tmp_path / "eye-1"))
    main(["bootstrap"])
    command = [sys.executable, "-m", "sync", "watch"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: shelf.current_id() == "eye-1", "the release came")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert '"component": "sync"' in said


def test_an_agent_is_small_enough_for_a_small_machine(enrolled, tmp_path):
    enrolled.channel(enrolled.release("eye-1", tmp_path / "eye-1", model=bytes(4_000_000)))
    done = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout.splitlines()[-1])
    assert kilobytes < 60_000


# As where the extra `sync` alone is installed: securesystemslib imports whatever it finds of the clouds' libraries.
_ALONE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("boto3", "botocore", "azure", "google", "numpy"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
from sync.__main__ import main
assert main(["once"]) == 1  # nobody listens for its report
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture
def enrolled(tmp_path, monkeypatch):
    """A repository that this machine trusts, and the stand-in for a worker that finds every release good."""
    signed = a_repository(tmp_path / "store", SystemClock())
    state = tmp_path / "state"
    key = own_key(state)
    keep_identity(state, Identity(
        address="http://127.0.0.1:9", device="node-1", sites=("kumasi-1",), world="real",
        root=sha256_of(signed.root_bytes), fingerprint=fingerprint_of(key.public_key().public_bytes_raw()), token="t",
    ))  # fmt: skip
    (tmp_path / "worker.py").write_text(f"print({json.dumps(DESCRIBED)!r})")
    monkeypatch.setenv("PALLOR_NODE_STATE", str(state))
    monkeypatch.setenv("PALLOR_REPOSITORY_URL", f"file://{signed.folder}/tuf")
    monkeypatch.setenv("PALLOR_WORKER_COMMAND", f"{sys.executable} {tmp_path / 'worker.py'}")
    return signed
