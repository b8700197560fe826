"""The pieces that one machine is made of, each by itself."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from pallor import cp_anemic
from pallor.errors import Refused
from pallor.onebox.box import running
from pallor.onebox.broker import NoValkey, prepare_broker
from pallor.onebox.folder import DataInUse, DataUnusable, claimed
from pallor.onebox.keeper import Keeper, Part, PartFailed, PartTooSlow
from pallor.onebox.people import PhotosMissing, gather, media_type
from tests.support.photos import file_of, tissue
from tests.support.stack import wait_until

# --- the keeper -------------------------------------------------------------------------------------------------------


def test_a_part_that_dies_is_started_again_and_said_so(keep):
    keeper, told = keep(sleeper="import time; time.sleep(60)")
    keeper.keep()
    keeper.start()
    wait_until(lambda: keeper.pid("sleeper"), "it runs")
    first = keeper.pid("sleeper")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: keeper.pid("sleeper") not in (None, first), "another runs")
    (words,) = told
    assert "sleeper was ended by signal 9" in words
    assert "sleeper.log" in words


def test_a_part_that_always_dies_is_tried_less_and_less_often(keep):
    keeper, told = keep(hopeless="raise SystemExit(3)")
    keeper.keep()
    keeper.start()
    wait_until(lambda: len(told) == 3, "three tries")
    assert [words.split("again in ")[1].split(";")[0] for words in told] == ["0.5 s", "1 s", "2 s"]


def test_a_part_that_fails_at_the_start_is_named_with_its_last_words(keep):
    keeper, _ = keep(good="import time; time.sleep(60)", bad="print('no such database'); raise SystemExit(2)")
    keeper.start()
    with pytest.raises(PartFailed, match=r"(?s)bad ended with code 2; the end of .*bad\.log:\n  no such database"):
        keeper.wait_for("good", lambda: False, "anything", 20)


def test_a_part_that_cannot_be_started_is_named(tmp_path):
    told = []
    keeper = Keeper([Part("gone", ["/no/such/program"], tmp_path / "gone.log")], os.environ, told.append)
    keeper.start()
    with pytest.raises(PartFailed, match="gone could not be started"):
        keeper.wait_for("gone", lambda: False, "anything", 20)
    keeper.keep()
    wait_until(lambda: len(told) == 2, "it is tried again, and said so")
    keeper.close()


def test_what_does_not_come_in_time_is_named(keep):
    keeper, _ = keep(quiet="import time; time.sleep(60)")
    keeper.start()
    with pytest.raises(PartTooSlow, match=r"(?s)an answer did not come in 0\.2 s; the end of .*quiet\.log"):
        keeper.wait_for("quiet", lambda: False, "an answer", 0.2)


def test_a_part_that_does_not_listen_is_made_to_end_with_all_it_started(keep, tmp_path):
    keeper, _ = keep(
        stubborn=f"""
import pathlib, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "60"])
pathlib.Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
time.sleep(60)
"""
    )
    keeper.start()
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text(), "it listens to nobody")
    started = time.monotonic()
    keeper.stop()
    assert 1 <= time.monotonic() - started < 10
    wait_until(lambda: not alive(int((tmp_path / "child").read_text())), "what it started is gone", seconds=5)


# --- the broker -------------------------------------------------------------------------------------------------------


def test_valkey_listens_on_a_socket_in_a_folder_of_any_name(short_folder):
    broker = prepare_broker(short_folder, None)
    assert broker.url == f"redis+socket://{short_folder}/valkey.sock".replace(" ", "%20").replace("ä", "%C3%A4")
    with served(broker, short_folder):
        assert redis.Redis(unix_socket_path=broker.where).ping()


def test_where_the_path_is_too_long_for_a_socket_it_is_a_port_with_a_password(tmp_path):
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    broker = prepare_broker(folder, None)
    password = broker.url.removeprefix("redis://:").split("@")[0]
    assert password not in repr(broker)
    assert password not in broker.command
    assert stat.S_IMODE((folder / "valkey.conf").stat().st_mode) == 0o600
    with served(broker, folder):
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(broker.url.replace(f":{password}@", "")).ping()
        assert redis.Redis.from_url(broker.url).ping()


def test_a_server_that_cannot_be_started_is_refused(tmp_path):
    with pytest.raises(NoValkey, match="PALLOR_VALKEY_SERVER: this is no program") as refused:
        prepare_broker(tmp_path, tmp_path)
    assert str(tmp_path)[:40] in refused.value.value


# --- the data folder and the port -------------------------------------------------------------------------------------


def test_a_data_folder_is_for_its_owner_and_for_one_machine_at_a_time(tmp_path):
    root = tmp_path / "new" / "data"
    with claimed(root) as folder:
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        with pytest.raises(DataInUse, match="--data"), claimed(root):
            pass
        folder.save_token("secret")
        assert stat.S_IMODE(folder.token_file.stat().st_mode) == 0o600
    with claimed(root) as folder:
        assert folder.saved_token() == "secret"


def test_a_data_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataUnusable, match="--data: cannot keep data here"), claimed(tmp_path / "file"):
        pass


def test_a_port_that_is_taken_is_named_before_anything_is_started(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(Refused, match=f"--port: cannot listen there: .*{port}.*--port"),
            running(tmp_path / "data", world="real", port=port, stays=False, environ={}, tell=print),
        ):
            pass
    assert not (tmp_path / "data").exists()


# --- who comes --------------------------------------------------------------------------------------------------------


def test_drawn_people_are_the_same_for_the_same_seed(tmp_path):
    one, same, other = (gather(None, 5, seed) for seed in (1, 1, 2))
    assert [v.hb for v in one.visitors] == [v.hb for v in same.visitors] != [v.hb for v in other.visitors]
    assert [v.photo() for v in one.visitors] == [v.photo() for v in same.visitors]
    assert one.world == "synthetic"
    assert "AUROC above 0.85" in " ".join(one.notes)


def test_of_a_folder_of_images_nothing_is_made_up(tmp_path):
    (tmp_path / "below").mkdir()
    for name in ("a.png", "below/b.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    company = gather(tmp_path, 10, 0)
    assert company.world == "real"
    assert [visitor.name for visitor in company.visitors] == ["a.png", "below/b.JPG"]
    assert all(visitor.hb is None and not visitor.facts["consent"]["training"] for visitor in company.visitors)
    assert "age 30 months" in company.notes[0]


def test_cp_anemic_brings_what_its_sheet_knows(tmp_path):
    (tmp_path / "Anemic").mkdir()
    (tmp_path / "Anemic" / "Image_002.png").write_bytes(b"x")
    (tmp_path / cp_anemic.SHEET).write_text(
        "IMAGE_ID,HB_LEVEL,Severity,Age(Months),GENDER,REMARK,HOSPITAL\n"
        "Image_002,9.9,Moderate,24,Male,Anemic,Ejusu Government Hospital\n"
    )
    company = gather(tmp_path, 10, 0)
    (visitor,) = company.visitors
    assert company.world == "real"
    assert visitor.hb == ("9.9", "g/dL")
    assert visitor.facts["site"] == "ejusu-government-hospital"
    assert visitor.facts["subject"] == {"age_months": 24, "sex": "male"}
    assert any("No accuracy is printed" in note for note in company.notes)


@pytest.mark.parametrize("content", ["missing", "empty"])
def test_a_folder_without_photos_is_refused(tmp_path, content):
    folder = tmp_path if content == "empty" else tmp_path / "nowhere"
    with pytest.raises(PhotosMissing, match="--photos"):
        gather(folder, 10, 0)


def test_bytes_go_by_what_they_are_and_only_then_by_their_name():
    assert media_type(file_of(tissue()), "photo.jpg") == "image/png"
    assert media_type(b"PK\x03\x04", "photo.webp") == "image/webp"


@pytest.fixture
def keep(tmp_path):
    """Keep some Python programs as parts; a list of what was told comes along."""
    keepers, told = [], []

    def start(**programs: str):
        parts = [Part(name, [sys.executable, "-c", text], tmp_path / f"{name}.log") for name, text in programs.items()]
        keepers.append(Keeper(parts, os.environ, told.append, patience_seconds=1))
        return keepers[-1], told

    yield start
    for keeper in keepers:
        keeper.close()


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(prefix="pä llor-") as folder:
        yield Path(folder)


@contextmanager
def served(broker, folder):
    """Run a broker while the block runs."""
    keeper = Keeper([Part("valkey", broker.command, folder / "valkey.log")], os.environ, print)
    try:
        keeper.start()
        keeper.wait_for("valkey", broker.answers, "Valkey", 20)
        yield
        keeper.stop()
    finally:
        keeper.close()


def alive(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has buried yet."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")
