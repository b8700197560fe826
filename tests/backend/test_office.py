"""The administrator's commands, as a person types them."""

import json

import pytest

from backend.__main__ import main


@pytest.fixture(autouse=True)
def database_alone(monkeypatch, sqlite_url):
    monkeypatch.setenv("PALLOR_DATABASE_URL", sqlite_url)


def test_a_token_is_made_listed_and_revoked(capsys):
    assert main(["token-add", "clinic-a-phone-1", "field"]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("pallor_")
    assert main(["token-list"]) == 0
    listed = capsys.readouterr().out
    assert "clinic-a-phone-1" in listed
    assert "in force" in listed
    assert token not in listed
    assert main(["token-revoke", "clinic-a-phone-1"]) == 0
    assert main(["token-revoke", "clinic-a-phone-1"]) == 2
    main(["token-list"])
    assert "revoked 20" in capsys.readouterr().out


def test_a_name_is_given_once(capsys):
    main(["token-add", "phone", "field"])
    assert main(["token-add", "phone", "lab"]) == 2
    assert "another name" in capsys.readouterr().err


def test_the_trail_is_verified_and_exported(tmp_path, capsys):
    main(["token-add", "phone", "field"])
    assert main(["audit-verify"]) == 0
    assert "1 rows" in capsys.readouterr().out
    assert main(["audit-export", str(tmp_path / "trail.jsonl")]) == 0
    (row,) = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    assert (row["action"], row["content"]["new"]) == ("token.create", {"name": "phone", "role": "field"})


@pytest.mark.parametrize("file", ["there.jsonl", "no/such/folder.jsonl"])
def test_a_trail_is_never_written_over_anything(tmp_path, capsys, file):
    (tmp_path / "there.jsonl").write_text("mine")
    assert main(["audit-export", str(tmp_path / file)]) == 2
    assert file[:8] in capsys.readouterr().err
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def test_what_a_command_needs_is_asked_for(monkeypatch, capsys):
    monkeypatch.delenv("PALLOR_DATABASE_URL")
    assert main(["token-list"]) == 2
    said = capsys.readouterr().err
    assert "PALLOR_DATABASE_URL" in said
    assert "PALLOR_BROKER_URL" not in said
