"""``pallor-release``: the ceremony as docs/key-ceremony.md tells it, from no key to a cleared release."""

import re
from pathlib import Path

import pytest

from pallor.release.__main__ import main
from tests.support.repository import HOLDERS, a_small_release

GUIDE = Path(__file__).parents[2] / "docs" / "key-ceremony.md"
WORDS = "four words for it"


def test_the_ceremony_from_no_key_to_a_release(run, tmp_path):
    drafts = make_keys_and_begin(run, tmp_path)
    assert "targets: still lacks 1 more of anna, cleo" in run("sign", drafts, "--key", tmp_path / "ben.key")
    refused = run("put", drafts, status=2)
    assert "not signed by enough" in refused
    assert "complete" in run("sign", drafts, "--key", tmp_path / "anna.key")
    run("put", drafts)
    assert "2 of anna, ben, cleo" in run("show")
    a_small_release(tmp_path / "eye-1", "eye-1")
    run("offer", tmp_path / "eye-1", "--key", tmp_path / "trainer.key")
    assert "candidate  eye-1" in run("list")
    assert "not signed by enough" in run("publish", "eye-1", "--key", tmp_path / "trainer.key", status=2)
    assert "number 1" in run("publish", "eye-1", "--key", tmp_path / "dora.key")
    keys = ("--snapshot", tmp_path / "server-snapshot.key", "--timestamp", tmp_path / "server-timestamp.key")
    assert "signed what is newest" in run("stamp", *keys)
    assert "young enough" in run("stamp", *keys)
    (tmp_path / "report.pdf").write_bytes(b"evidence")
    cleared_for = ("--months", "6-59", "--anaemic-in-100", "14", "--note", "children at our clinics")
    run("clear", "eye-1", tmp_path / "clear", *cleared_for, "--evidence", tmp_path / "report.pdf")
    run("sign", tmp_path / "clear", "--key", tmp_path / "dora.key")
    assert "1 more of emil" in run("put", tmp_path / "clear", status=2)
    run("sign", tmp_path / "clear", "--key", tmp_path / "emil.key")
    run("put", tmp_path / "clear")
    run("yank", "eye-1", "--reason", "a mistake", "--key", tmp_path / "dora.key")
    run("floor", "2", "--key", tmp_path / "dora.key")
    assert "below the floor; taken back: a mistake; cleared" in run("list")


def test_a_lost_key_is_exchanged(run, tmp_path):
    drafts = make_keys_and_begin(run, tmp_path)
    for name in ("anna", "ben"):
        run("sign", drafts, "--key", tmp_path / f"{name}.key")
    run("put", drafts)
    run("key", "emil-2", "--folder", tmp_path)
    other = tmp_path / "other"
    run("change", "releases", other, "--add", tmp_path / "emil-2.pub", "--remove", "emil")
    for name in ("anna", "cleo"):
        run("sign", other, "--key", tmp_path / f"{name}.key")
    run("put", other)
    assert "1 of dora, emil-2" in run("show")
    assert "no such key" in run("change", "releases", other, "--remove", "emil", status=2)
    run("renew", tmp_path / "again", "targets")
    assert "nothing, for this key counts for none of it" in run(
        "sign", tmp_path / "again", "--key", tmp_path / "emil.key"
    )


def test_what_cannot_be_done_is_said_in_plain_words(run, tmp_path, monkeypatch):
    assert "begin with: pallor-release begin" in run("show", status=2)
    assert "no drafts can be read" in run("put", tmp_path / "nowhere", status=2)
    monkeypatch.delenv("PALLOR_STORE_URL")
    assert "PALLOR_STORE_URL" in run("show", status=2)


def test_every_command_of_the_guide_is_one_that_there_is():
    told = set(re.findall(r"pallor-release ([a-z]+)", GUIDE.read_text()))
    assert told >= {"key", "begin", "sign", "put", "change", "renew", "publish", "clear", "yank", "floor"}
    for name in told:
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0, name


def make_keys_and_begin(run, folder):
    for name in {name for names in HOLDERS.values() for name in names}:
        run("key", name, "--folder", folder)
    roles = [part for role, names in HOLDERS.items() if role != "clearances"
             for part in (f"--{role}", *(folder / f"{name}.pub" for name in names))]  # fmt: skip
    run("begin", folder / "drafts", "--world", "real", *roles)
    return folder / "drafts"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PALLOR_STORE_URL", f"file://{tmp_path}/store")
    monkeypatch.setenv("PALLOR_KEY_PASSPHRASE", WORDS)

    def run(*words, status=0):
        assert main([str(word) for word in words]) == status
        said = capsys.readouterr()
        return said.out + said.err

    return run
