"""The administrator's commands, as a person types them."""

import io
import json
import sqlite3
import stat
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from backend.__main__ import main
from backend.access.enrolment import ShownKey
from backend.db.engine import Database
from backend.services.audit import export_audit
from backend.services.enrol_device import enrol_device
from pallor.clock import SystemClock
from tests.support.nodes import a_root, key_for


@pytest.fixture(autouse=True)
def database_alone(monkeypatch, sqlite_url):
    monkeypatch.setenv("PALLOR_DATABASE_URL", sqlite_url)


@pytest.fixture
def typed(capsys):
    """What a command answers: its exit status, and what it said."""

    def run(line: str) -> tuple[int, str]:
        status = main(line.split())
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.fixture
def kumasi(typed):
    assert typed("site-add kumasi-1")[0] == 0


def test_a_site_gets_another_sealing_key_which_no_command_shows(typed, kumasi):
    first, second = (typed("sealing-key-rotate kumasi-1") for _ in range(2))
    assert (first[0], second[0]) == (0, 0)
    assert first[1] != second[1]
    assert "PRIVATE" not in first[1]
    assert typed("sealing-key-rotate nowhere")[0] == 2


def test_what_has_moved_is_listed_and_an_alarm_that_is_none_cannot_be_seen(typed):
    status, said = typed("drift --look --state open")
    assert (status, said) == (0, "no alarm: nothing has moved that was looked at\n")
    status, said = typed("drift-seen 00000000-0000-0000-0000-000000000000 nothing")
    assert (status, "no alarm with this id" in said) == (2, True)


def test_the_first_administrator_is_made_once_and_gets_a_password(typed):
    status, said = typed("first-admin admin-1")
    assert status == 0
    assert len(said.split()[-1]) == 19
    status, said = typed("first-admin admin-2")
    assert status == 2
    assert "person-reset" in said
    assert typed("person-disable admin-1")[0] == 2  # the last one


def test_sites_are_made_listed_and_keep_what_they_are(typed):
    assert typed("site-add kumasi-1 --retention-days 3650") == (0, "kumasi-1 is made; it keeps cases 3650 days\n")
    assert typed("site-add kumasi-1") == (0, "kumasi-1 was there already; it keeps cases 3650 days\n")
    assert "3650 days" in typed("site-list")[1]
    assert typed("site-keep kumasi-1 for-ever")[0] == 0
    assert "for ever" in typed("site-list")[1]
    assert typed("site-add school --practice")[0] == 0
    assert typed("site-add school")[0] == 2
    assert typed("site-add Kumasi")[0] == 2


@pytest.mark.parametrize("days", ["0", "-1", "soon"])
def test_a_site_never_keeps_cases_for_no_time(typed, days):
    with pytest.raises(SystemExit):
        typed(f"site-add kumasi-1 --retention-days {days}")
    assert "kumasi-1" not in typed("site-list")[1]


def test_an_account_is_made_moved_disabled_enabled_and_reset(typed, kumasi):
    typed("site-add tamale-1")
    first = typed("person-add nurse-1 field --site kumasi-1")[1].split()[-1]
    assert typed("person-move nurse-1 --site tamale-1")[0] == 0
    assert typed("person-disable nurse-1")[0] == 0
    (line,) = [line for line in typed("person-list")[1].splitlines() if line.startswith("nurse-1")]
    assert line.split()[:4] == ["nurse-1", "field", "disabled", "tamale-1"]
    assert typed("person-enable nurse-1")[0] == 0
    assert typed("person-reset nurse-1")[1].split()[-1] != first


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("person-add nurse-1 field", "Name one site or more"),
        ("person-add nurse-1 field --site nowhere", "made by site-add"),
        ("person-add Nurse field --site kumasi-1", "lower-case"),
        ("person-reset nobody", "person-list"),
        ("device-retire nothing", "device-list"),
        ("device-add operator console", "Choose another"),
        ("enrol-code phone phone-1", "Name one site or more"),
        ("enrol-code phone phone-1 --site kumasi-1 --minutes 3", "5 to 1440 minutes"),
        ("enrol-code node node-1 --site kumasi-1", "PALLOR_ROOT_METADATA"),
    ],
)
def test_an_error_says_what_to_do(typed, kumasi, line, remedy):
    status, said = typed(line)
    assert status == 2
    assert remedy in said


def test_a_device_is_made_retired_restored_and_stolen(typed, kumasi):
    assert typed("device-add phone-1 phone --site kumasi-1")[1].startswith("pallor_")
    assert typed("device-add phone-1 phone --site kumasi-1")[0] == 2
    for command, state in (("device-retire", "retired"), ("device-restore", "active"), ("device-stolen", "stolen")):
        assert typed(f"{command} phone-1")[0] == 0
        assert state in typed("device-list")[1]
    assert typed("device-restore phone-1")[0] == 2


def test_a_code_is_shown_with_its_link_and_picture_and_ends_the_one_before(typed, kumasi):
    said = typed("enrol-code phone phone-1 --site kumasi-1 --url https://pallor.example.org/")[1]
    code = said.split()[1]
    assert f"https://pallor.example.org/enrol#code={code}\n" in said
    assert "█▀" in said
    assert "Only this machine" not in said
    assert "Only this machine" in typed("enrol-code phone phone-1 --site kumasi-1")[1]


def test_a_nodes_link_carries_the_digest_of_the_root_metadata(typed, kumasi, monkeypatch, tmp_path):
    path, digest = a_root(tmp_path)
    monkeypatch.setenv("PALLOR_ROOT_METADATA", str(path))
    monkeypatch.setenv("PALLOR_PUBLIC_URL", "https://pallor.example.org")
    assert f"&root={digest}" in typed("enrol-code node node-1 --site kumasi-1")[1]


def test_a_node_is_confirmed_by_what_was_read_off_it(typed, kumasi, monkeypatch, tmp_path, sqlite_url):
    monkeypatch.setenv("PALLOR_ROOT_METADATA", str(a_root(tmp_path)[0]))
    code = typed("enrol-code node node-1 --site kumasi-1")[1].split()[1]
    enrol_device(Database(sqlite_url), SystemClock(), code, ShownKey(**key_for(code)), timedelta(days=1))
    assert "active, not confirmed" in typed("device-list")[1]
    status, said = typed(f"device-confirm node-1 --fingerprint {'ab' * 32}")
    assert status == 2
    assert "may be another's" in said
    fingerprint = typed("device-list")[1].split()[-1]
    assert typed(f"device-confirm node-1 --fingerprint {fingerprint}")[0] == 0
    assert "not confirmed" not in typed("device-list")[1]


def test_every_change_is_on_the_trail_and_no_secret_with_it(typed, kumasi, sqlite_url, tmp_path):
    secrets = [
        typed("first-admin admin-1")[1].split()[-1],
        typed("device-add console-1 console")[1].strip(),
        typed("enrol-code phone phone-1 --site kumasi-1")[1].split()[1],
    ]
    assert typed("audit-verify")[0] == 0
    assert typed(f"audit-export {tmp_path / 'trail.jsonl'}")[0] == 0
    assert stat.S_IMODE((tmp_path / "trail.jsonl").stat().st_mode) == 0o600
    rows = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    assert [row["action"] for row in rows] == ["site.create", "person.create", "device.enrol", "enrolment-code.create"]
    assert {row["actor"] for row in rows} == {"operator"}
    written = json.dumps(list(export_audit(Database(sqlite_url))))
    assert not [secret for secret in secrets if secret in written or secret.replace("-", "") in written]


@pytest.mark.parametrize("file", ["there.jsonl", "no/such/folder.jsonl"])
def test_a_trail_is_never_written_over_anything(typed, tmp_path, file):
    (tmp_path / "there.jsonl").write_text("mine")
    status, said = typed(f"audit-export {tmp_path / file}")
    assert status == 2
    assert file[:8] in said
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def test_a_whole_trail_a_touched_one_and_a_note_that_is_none_are_told_apart(typed, kumasi, sqlite_url):
    status, said = typed("audit-verify")
    assert status == 0
    assert "rows that lost what they held to erasures: 0\n" in said
    assert "Note the number of rows and the digest elsewhere" in said
    assert typed(f"audit-verify --noted 1 {said.split()[-1]}")[0] == 0
    status, said = typed(f"audit-verify --noted 7900 {said.split()[-1]}")
    assert status == 1
    assert "there are only 1 rows" in said
    assert typed("audit-verify --noted many x")[0] == 2
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE audit_values SET content = 'garbage'")
    assert typed("audit-verify") == (1, "pallor-backend: row 1 was changed by hand: it cannot be read\n")


def test_a_trail_that_cannot_be_read_to_its_end_leaves_no_file(typed, kumasi, sqlite_url, tmp_path):
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE audit SET at = 'yesterday'")
    status, said = typed(f"audit-export {tmp_path / 'trail.jsonl'}")
    assert status == 2
    assert "row 1 " in said
    assert not (tmp_path / "trail.jsonl").exists()


def test_a_persons_code_is_read_from_standard_input_and_not_shown(typed, kumasi, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("A-017\nB-018\n"))
    status, said = typed("subject-erase kumasi-1 - --reason request")
    assert status == 2
    assert "nothing is on record" in said
    assert "A-017" not in said
    assert sys.stdin.readline() == "B-018\n"


def test_what_a_command_needs_is_asked_for(typed, monkeypatch):
    monkeypatch.delenv("PALLOR_DATABASE_URL")
    status, said = typed("device-list")
    assert status == 2
    assert "PALLOR_DATABASE_URL" in said
    assert "PALLOR_BROKER_URL" not in said
