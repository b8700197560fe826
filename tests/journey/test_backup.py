"""A backup is taken while the machine runs, and a machine that is made from it answers as the first one did."""

import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.services.give_sealing_keys import give_sealing_keys, open_blob
from backend.services.manage_sites import put_site
from backend.services.set_world import set_world
from pallor.clock import SystemClock
from pallor.digest import canonical_json, hex_of, sha256_of
from pallor.errors import Refused, Untrusted
from pallor.ids import new_id
from pallor.onebox.backup import BackupExists, BackupUnwritable, DatabaseUnreadable, NothingToBackUp, back_up
from pallor.onebox.client import RequestRefused
from pallor.onebox.folder import DataFolder, DataUnusable, claimed
from pallor.onebox.restore import BackupDamaged, BackupFormatUnknown, NotABackup, RestoreTargetInUse, restore
from pallor.release.shelf import Shelf
from pallor.store.folder import FolderStore
from pallor.store.port import StoreUnavailable
from tests.support.sealing import seal
from tests.support.stack import PALLOR, Stack, a_case, a_stack, clean_environ, drawn_photos, wait_until

# --- a whole machine --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_after_a_restore_every_case_accepted_before_a_backup_under_load_answers_the_same(tmp_path):
    file, first, second = tmp_path / "clinic.backup", tmp_path / "first", tmp_path / "second"
    with a_stack(first) as stack:
        with load_on(stack) as accepted:
            wait_until(lambda: len(accepted) >= 40, "forty cases are accepted")
            wait_until(lambda: any(label["written"] for label in stack.admin.pages("/labels")), "a label is stored")
            before = list(accepted)
            told = pallor("backup", str(file), "--data", str(first))
            reached = len(accepted)
            wait_until(lambda: len(accepted) >= reached + 5, "cases are accepted after it")
            after = accepted[-1]
        said = settled(stack, before)
    assert reached > len(before), "there was no load"
    print(f"{len(before)} cases before the backup, {reached - len(before)} while it was taken\n{told}")
    assert {photo["state"] for case in said.values() for photo in case["photos"]} == {"scored"}
    assert sum(case["label"] is not None for case in said.values()) >= 10

    told = pallor("restore", str(file), "--data", str(second))
    print(told)
    assert f"pallor up --data {second} --world synthetic" in told
    shutil.rmtree(first)  # whatever the second machine says, it has from the backup
    with a_stack(second) as stack:
        assert settled(stack, before) == said
        check_objects(FolderStore(second / "store"), said)
        with pytest.raises(RequestRefused):
            stack.phone.get(f"/cases/{after}")
        assert "none changed" in stack.box.backend("audit-verify")
        sent = stack.send(drawn_photos(1, seed=99_999)[0])  # it goes on
        wait_until(lambda: stack.state(sent) == "scored", "a new photo is scored")


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_what_a_stopped_machine_keeps_comes_back_byte_for_byte_for_its_owner_alone(data, tmp_path):
    file, root = tmp_path / "file", tmp_path / "other"
    backup = back_up(data, file, quiet)
    assert (backup.world, backup.serves) == ("synthetic", "tiny-1")
    assert restore(file, root, quiet) == backup
    kept = ("store", "shelf", "console-token")
    assert tree(root, *kept) == tree(data.root, *kept)
    assert Shelf(root / "shelf").current_id() == "tiny-1"
    assert rows(root) == rows(data.root)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (file, root, *root.iterdir())}
    assert modes["file"] == modes["pallor.db"] == modes["console-token"] == 0o600
    assert modes["other"] == 0o700


def test_a_restored_machine_opens_what_phones_had_sealed_before_the_backup(data, tmp_path):
    site, clock = frozenset({"kumasi-1"}), SystemClock()
    with closing(Database(data.database_url)) as database:
        put_site(database, clock, "kumasi-1", practice=True, retention_days=None, by="operator")
        ((_, jwk),) = give_sealing_keys(database, clock, site, None, by="operator")
    back_up(data, tmp_path / "file", quiet)
    restore(tmp_path / "file", tmp_path / "other", quiet)
    with closing(Database(DataFolder(tmp_path / "other").database_url)) as database, database.read() as connection:
        assert open_blob(connection, "kumasi-1", seal(jwk, b"a case"), None) == b"a case"


def test_what_a_machine_makes_anew_is_not_in_it(data, tmp_path):
    for path in ("logs/serve.log", "run/valkey.conf", "environment", "store/.incoming/half", "store/a b.png"):
        (data.root / path).parent.mkdir(exist_ok=True)
        (data.root / path).write_bytes(b"x")
    Path(data.shelf / "releases" / ".tiny-2.half").mkdir()
    Path(data.shelf / "releases" / ".tiny-2.half" / "manifest.json").write_bytes(b"x")
    back_up(data, tmp_path / "file", quiet)
    assert [name for name, _ in members(tmp_path / "file")] == [
        "backup.json",
        "pallor.db",
        *sorted(f"store/{key}" for key in OBJECTS),
        "shelf/releases/tiny-1/golden/00.png",
        "shelf/releases/tiny-1/manifest.json",
        "console-token",
        "digests.json",
    ]


def test_a_machine_that_runs_is_backed_up_without_its_lock_as_it_was_before_what_is_being_written(data, tmp_path):
    with claimed(data.root), closing(sqlite3.connect(data.database, isolation_level=None)) as writer:
        note(writer, "committed")
        writer.execute("BEGIN IMMEDIATE")
        note(writer, "not committed")
        assert data.database.with_name("pallor.db-wal").stat().st_size > 0
        back_up(data, tmp_path / "file", quiet)
    restore(tmp_path / "file", tmp_path / "other", quiet)
    assert [what for _, what in rows(tmp_path / "other")] == ["one", "committed"]


def test_an_object_that_is_erased_meanwhile_is_left_out(data, tmp_path):
    def erase_the_last(done: int, of: int) -> None:
        FolderStore(data.root / "store").delete(max(OBJECTS))

    back_up(data, tmp_path / "file", erase_the_last)
    restore(tmp_path / "file", tmp_path / "other", quiet)
    assert list(FolderStore(tmp_path / "other" / "store").keys()) == sorted(OBJECTS)[:-1]


def test_what_was_erased_from_the_database_leaves_no_trace_in_it(data, tmp_path):
    with closing(sqlite3.connect(data.database)) as database, database:
        database.execute("PRAGMA secure_delete=OFF")
        for text in ("a name that was erased " * 500, None):
            database.execute("UPDATE changes SET entity_id = coalesce(?, 'one')", (text,))
            database.commit()
    assert b"a name that was erased" in data.database.read_bytes()
    back_up(data, tmp_path / "file", quiet)
    assert b"a name that was erased" not in (tmp_path / "file").read_bytes()


def test_numbers_that_a_phone_may_have_read_since_the_backup_are_not_given_again(data, tmp_path):
    back_up(data, tmp_path / "file", quiet)
    restore(tmp_path / "file", tmp_path / "other", quiet)
    with closing(sqlite3.connect(tmp_path / "other" / "pallor.db")) as database:
        number = note(database, "two")
    assert 1_000_000 < number < 1_000_100


# --- no backup --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file", "file.part"])
def test_a_file_that_is_there_is_never_written_over(data, tmp_path, name):
    (tmp_path / name).write_text("last week's")
    with pytest.raises(BackupExists, match=f"FILE: .*{name}"):
        back_up(data, tmp_path / "file", quiet)
    assert (tmp_path / name).read_text() == "last week's"


KILLED_HALFWAY = """
import os, sys
from pathlib import Path
from pallor.onebox.backup import back_up
from pallor.onebox.folder import DataFolder

def wait(*_):
    print("halfway", flush=True)
    sys.stdin.read()

back_up(DataFolder(Path(sys.argv[1])), Path(sys.argv[2]), wait)
"""


def test_what_a_killed_backup_left_is_cleared_by_the_next_and_never_under_one_that_runs(data, tmp_path):
    file, part = tmp_path / "file", tmp_path / "file.part"
    command = [sys.executable, "-c", KILLED_HALFWAY, data.root, file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environ()) as first:
        assert first.stdout.readline() == b"halfway\n"
        with pytest.raises(BackupExists, match=r"file\.part"):
            back_up(data, file, quiet)
        assert (part / "pallor.db").exists()
        first.kill()
    assert sorted(os.listdir(part)) == ["pallor.db", "tar"]
    back_up(data, file, quiet)
    restore(file, tmp_path / "other", quiet)
    assert sorted(os.listdir(tmp_path)) == ["data", "file", "other"]


@pytest.mark.parametrize("what", ["another's file", "open to others"])
def test_a_folder_that_no_backup_left_is_not_cleared(data, tmp_path, what):
    part = tmp_path / "file.part"
    part.mkdir(mode=0o755 if what == "open to others" else 0o700)
    (part / ("tar" if what == "open to others" else "mine")).write_text("mine")
    with pytest.raises(BackupExists, match=r"file\.part"):
        back_up(data, tmp_path / "file", quiet)
    assert [path.read_text() for path in part.iterdir()] == ["mine"]


@pytest.mark.parametrize("database", ["none", "empty", "garbage"])
def test_a_folder_without_a_database_of_ours_is_refused(tmp_path, database):
    root = tmp_path / "data"
    root.mkdir()
    if database != "none":
        (root / "pallor.db").write_bytes(b"garbage " * 1000 if database == "garbage" else b"")
    with pytest.raises(DatabaseUnreadable if database == "garbage" else NothingToBackUp):
        back_up(DataFolder(root), tmp_path / "file", quiet)
    assert os.listdir(tmp_path) == ["data"]


def test_a_store_whose_disk_is_not_there_is_not_an_empty_store(data, tmp_path):
    shutil.rmtree(data.root / "store")
    with pytest.raises(StoreUnavailable):
        back_up(data, tmp_path / "file", quiet)
    assert os.listdir(tmp_path) == ["data"]


def test_a_place_that_cannot_be_written_to_is_named(data, tmp_path):
    with pytest.raises(BackupUnwritable, match=r"FILE: .*nowhere"):
        back_up(data, tmp_path / "nowhere" / "file", quiet)


def test_an_interrupted_backup_or_restore_leaves_nothing_behind(saved, data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        back_up(data, tmp_path / "again", interrupt)
    with pytest.raises(KeyboardInterrupt):
        restore(saved, tmp_path / "other", interrupt)
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]


# --- no restore -------------------------------------------------------------------------------------------------------


def test_a_cut_file_is_noticed_wherever_it_was_cut(saved, tmp_path):
    whole = saved.read_bytes()
    (cut := tmp_path / "cut").touch()
    for length in sorted({random.Random(0).randrange(len(whole.rstrip(b"\0"))) for _ in range(60)}):
        cut.write_bytes(whole[:length])
        with pytest.raises((NotABackup, BackupDamaged)):
            restore(cut, tmp_path / "other", quiet)
        assert sorted(os.listdir(tmp_path)) == ["cut", "data", "file"]


def test_a_flipped_bit_is_noticed_or_changes_nothing(saved, tmp_path):
    restore(saved, tmp_path / "good", quiet)
    good, whole, chance, harmless = tree(tmp_path / "good", ""), saved.read_bytes(), random.Random(1), 0
    with tarfile.open(saved) as tar:
        starts = [one.offset for one in tar]
    positions = [start + chance.randrange(1024) for start in starts * 6] + chance.sample(range(len(whole)), 150)
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= 1 << chance.randrange(8)
        (tmp_path / "changed").write_bytes(changed)
        try:
            restore(tmp_path / "changed", tmp_path / "other", quiet)
        except (Refused, Untrusted):
            assert not (tmp_path / "other").exists()
            continue
        harmless += 1
        assert tree(tmp_path / "other", "") == good
        shutil.rmtree(tmp_path / "other")
    print(f"{harmless} of {len(positions)} flips fell where nothing is kept")
    assert harmless < len(positions) / 2


def test_one_changed_byte_is_named_with_its_file(saved, tmp_path):
    whole = saved.read_bytes()
    saved.write_bytes(whole.replace(b"a photo", b"A photo", 1))
    with pytest.raises(BackupDamaged, match=r"store/images/aa/\w+\.png is not what it was when it was saved"):
        restore(saved, tmp_path / "other", quiet)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "evil",
    [
        member("../x"),
        member("/x"),
        member("store/../../x"),
        member("store/.incoming/x"),
        member("shelf/current"),
        member("environment"),
        member("pallor.db-wal"),
        member("pallor.db"),
        member("store/x", tarfile.SYMTYPE, "/etc/passwd"),
        member("store/x", tarfile.LNKTYPE, "pallor.db"),
        member("store/x", tarfile.FIFOTYPE),
        member("store/x", tarfile.CHRTYPE),
        member("store/x", tarfile.DIRTYPE),
    ],
    ids=lambda evil: f"{evil.name} of type {evil.type.decode()}",
)
def test_a_member_that_no_backup_holds_is_refused(saved, tmp_path, evil):
    rewrite(saved, [evil])
    with pytest.raises(BackupDamaged, match="no backup as we make them"):
        restore(saved, tmp_path / "other", quiet)
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]


def test_a_member_that_was_added_or_taken_away_is_noticed(saved, tmp_path):
    rewrite(saved, [member("store/x")], digest_them=False)
    with pytest.raises(BackupDamaged, match=r"is not what its digests\.json names"):
        restore(saved, tmp_path / "other", quiet)
    saved.write_bytes(saved.read_bytes().replace(b'{"backup.json":', b'["backup.json",'))
    with pytest.raises(BackupDamaged):
        restore(saved, tmp_path / "other", quiet)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"format": 2}, BackupFormatUnknown),
        ({"made_at": "yesterday"}, NotABackup),
        ({"more": 1}, NotABackup),
        ({"serves": "../../../x"}, BackupDamaged),
        ({"serves": "tiny-2"}, Untrusted),
        ({"serves": 5}, BackupDamaged),
        ({"serves": ["tiny-1"]}, BackupDamaged),
    ],
)
def test_facts_that_this_version_cannot_follow_are_refused(saved, tmp_path, changes, refusal):
    facts = json.loads(dict(members(saved))["backup.json"])
    rewrite(saved, **{"backup.json": canonical_json({**facts, **changes})})
    with pytest.raises(refusal):
        restore(saved, tmp_path / "other", quiet)
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]


@pytest.mark.parametrize(("name", "refusal"), [("backup.json", NotABackup), ("digests.json", BackupDamaged)])
def test_a_text_nested_without_end_is_refused(saved, tmp_path, name, refusal):
    if name == "backup.json":
        rewrite(saved, **{name: b"[" * 100_000})
    else:
        rewrite(saved, digests_text=b"[" * 100_000)
    with pytest.raises(refusal):
        restore(saved, tmp_path / "other", quiet)
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("content", [b"", b"x\n", b"1\n2\n", b"9" * 5000 + b"\n"], ids=["none", "word", "cut", "huge"])
def test_a_header_of_a_sparse_file_is_refused(saved, tmp_path, where, content):
    kept, sparse = members(saved), member("backup.json" if where == "first" else "store/x")
    sparse.size = len(content)
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}
    with tarfile.open(saved, "w", format=tarfile.PAX_FORMAT) as tar:
        if where == "last":
            for name, text in kept:
                plain = member(name)
                plain.size = len(text)
                tar.addfile(plain, BytesIO(text))
        tar.addfile(sparse, BytesIO(content))
    with pytest.raises(NotABackup if where == "first" else BackupDamaged):
        restore(saved, tmp_path / "other", quiet)
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]


def test_a_file_where_a_folder_has_to_be_is_damage_and_not_a_disk_that_fails(saved, tmp_path):
    rewrite(saved, [member("store/images")])
    with pytest.raises(BackupDamaged, match="it holds store/images, and files below it"):
        restore(saved, tmp_path / "other", quiet)
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]


@pytest.mark.parametrize("harm", ["an index that lies", "no database"])
def test_a_database_that_sqlite_finds_broken_is_refused(saved, tmp_path, harm):
    broken = tmp_path / "data" / "broken"
    if harm == "no database":
        broken.write_bytes(b"garbage " * 1000)
    else:
        with closing(sqlite3.connect(broken)) as database, database:
            database.executescript(
                "CREATE TABLE t (x, y); CREATE INDEX i ON t (x); INSERT INTO t VALUES (1, 2);"
                "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (y)' WHERE name = 'i'"
            )
    rewrite(saved, **{"pallor.db": broken.read_bytes()})
    with pytest.raises(BackupDamaged, match="not whole" if harm == "an index that lies" else "cannot be read"):
        restore(saved, tmp_path / "other", quiet)


@pytest.mark.parametrize("what", ["nothing", "a folder", "empty", "text", "a tar of others"])
def test_what_is_no_backup_is_refused(tmp_path, what):
    file = tmp_path / "file"
    if what == "a folder":
        file.mkdir()
    elif what == "a tar of others":
        with tarfile.open(file, "w") as tar:
            tar.addfile(member("photos/1.png"))
    elif what != "nothing":
        file.write_bytes(b"" if what == "empty" else b"hello" * 1000)
    with pytest.raises(NotABackup, match="FILE"):
        restore(file, tmp_path / "other", quiet)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("what", ["a file", "a folder with a file", "another restore"])
def test_nothing_is_restored_over_what_is_there(saved, tmp_path, what):
    other = tmp_path / "other"
    if what == "a file":
        other.touch()
    elif what == "another restore":
        (tmp_path / "other.part").mkdir()
    else:
        other.mkdir()
        (other / "file").touch()
    with pytest.raises(RestoreTargetInUse, match="--data"):
        restore(saved, other, quiet)
    assert tree(other, "") == ({"file": b""} if what == "a folder with a file" else {})


def test_the_command_says_what_has_to_be_put_right(saved, tmp_path):
    data = str(tmp_path / "data")
    for arguments in (["backup", str(saved), "--data", data], ["restore", str(saved), "--data", data]):
        done = subprocess.run([PALLOR, *arguments], env=clean_environ(), capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("pallor: ")
        assert "Name another" in done.stderr


def test_a_folder_open_to_others_is_closed_when_a_machine_takes_it(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other").chmod(0o755)
    with claimed(tmp_path / "other"):
        assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o700


def test_a_folder_that_everybody_shares_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    with pytest.raises(DataUnusable, match="everybody shares"), claimed(tmp_path / "shared"):
        pass
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o1777
    assert os.listdir(tmp_path / "shared") == []


def test_an_empty_folder_is_filled_and_closed_to_others(saved, tmp_path):
    (tmp_path / "other").mkdir(mode=0o755)
    restore(saved, tmp_path / "other", quiet)
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o700


OBJECTS = {f"images/{bare[:2]}/{bare}.png": b"a photo %d" % n for n in range(3) for bare in ["aa" + str(n) * 62]} | {
    "labels/v1/dt=2026-11-21/5c0f.json": b"{}"
}


@pytest.fixture
def data(tmp_path, a_machine) -> DataFolder:
    """A stopped machine's folder: real tables, a case, some objects, one release that serves."""
    shutil.copytree(a_machine / "data", tmp_path / "data", symlinks=True)
    return DataFolder(tmp_path / "data")


@pytest.fixture
def saved(data, tmp_path, a_machine) -> Path:
    """A backup file."""
    return Path(shutil.copy(a_machine / "file", tmp_path))


@pytest.fixture(scope="module")
def a_machine(tmp_path_factory) -> Path:
    """What ``data`` and ``saved`` are copies of."""
    folder = tmp_path_factory.mktemp("machine")
    data = DataFolder(folder / "data")
    data.root.mkdir()
    database = Database(data.database_url)
    migrate(database)
    set_world(database, "synthetic")
    database.close()
    with closing(sqlite3.connect(data.database)) as tables, tables:
        note(tables, "one")
    store = FolderStore(data.root / "store")
    for key, content in OBJECTS.items():
        store.put(key, content)
    release = data.shelf / "releases" / "tiny-1"
    (release / "golden").mkdir(parents=True)
    (release / "manifest.json").write_text("{}")
    (release / "golden" / "00.png").write_bytes(b"golden")
    Shelf(data.shelf).activate("tiny-1")
    data.save_token("secret")
    back_up(data, folder / "file", quiet)
    return folder


@contextmanager
def load_on(stack: Stack) -> Iterator[list[str]]:
    """Submit cases until the block ends, every third with a haemoglobin; the ids of those accepted so far."""
    accepted: list[str] = []
    over, numbers = threading.Event(), count()

    def submit() -> None:
        for number in numbers:
            if over.is_set():
                return
            sent = stack.send(drawn_photos(1, seed=number)[0], number)
            if number % 3 == 0:
                result = {
                    "case_id": sent.case_id,
                    "hb": {"value": f"{7 + number % 70 / 10:.1f}", "unit": "g/dL"},
                    "taken_at": a_case()["visited_at"],
                }
                stack.laboratory.put(f"/lab-results/{new_id()}", result)
            accepted.append(sent.case_id)

    with ThreadPoolExecutor(4) as pool:
        load = [pool.submit(submit) for _ in range(4)]
        try:
            yield accepted
        finally:
            over.set()
        for one in load:
            one.result()


def settled(stack: Stack, case_ids: list[str]) -> dict[str, Any]:
    """What is said of these cases once nothing more is to come: photos are scored, labels lie in the store."""
    said: dict[str, Any] = {}

    def nothing_waits() -> bool:
        said.update({case_id: stack.phone.get(f"/cases/{case_id}") for case_id in case_ids})
        photos = [photo["state"] for case in said.values() for photo in case["photos"]]
        labels = [case["label"]["written"] for case in said.values() if case["label"]]
        return all(state in ("scored", "refused") for state in photos) and all(labels)

    wait_until(nothing_waits, "every photo is scored and every label stored")
    return said


def check_objects(store: FolderStore, said: dict[str, Any]) -> None:
    """Every photo and label that an answer names lies in the store."""
    for case in said.values():
        for photo in case["photos"]:
            bare = hex_of(photo["stored_sha256"])
            assert sha256_of(store.get(f"images/{bare[:2]}/{bare}.png")) == photo["stored_sha256"]
    labels = {Path(key).stem for key in store.keys("labels/")}
    assert {case["label"]["label_id"] for case in said.values() if case["label"]} <= labels


def pallor(*arguments: str) -> str:
    """What the real command printed."""
    done = subprocess.run([PALLOR, *arguments], env=clean_environ(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def quiet(done: int, of: int) -> None:
    assert 0 < done <= of


def note(database: sqlite3.Connection, what: str) -> int:
    """Write into the feed, as any request does that changes something; the number it got."""
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(changes)") if name != "seq"]
    row = [what if name == "entity_id" else "" for name in columns]
    insert = f"INSERT INTO changes ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    return database.execute(insert, row).lastrowid


def interrupt(done: int, of: int) -> None:
    raise KeyboardInterrupt


def rows(root: Path) -> list[Any]:
    with closing(sqlite3.connect(root / "pallor.db")) as database:
        return database.execute("SELECT seq, entity_id FROM changes ORDER BY seq").fetchall()


def tree(root: Path, *parts: str) -> dict[str, bytes]:
    """Every file below some parts of a folder."""
    found = [path for part in parts for path in [root / part, *(root / part).rglob("*")] if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path != root}


def members(file: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(file) as tar:
        return [(one.name, tar.extractfile(one).read()) for one in tar]


def rewrite(
    file: Path,
    more: list[tarfile.TarInfo] = (),
    *,
    digest_them: bool = True,
    digests_text: bytes | None = None,
    **changes: bytes,
) -> None:
    """Write a backup anew with other or more members, and with digests that fit, as a hand that knows how would."""
    *kept, (_, before) = members(file)
    digests = json.loads(before)
    with tarfile.open(file, "w") as tar:

        def add(one: tarfile.TarInfo, content: bytes) -> None:
            one.size = len(content)
            digests[one.name] = {"bytes": len(content), "sha256": hex_of(sha256_of(content))}
            tar.addfile(one, BytesIO(content))

        for name, content in kept:
            add(member(name), changes.get(name, content))
        for one in more:
            add(one, b"")
            if not digest_them:
                del digests[one.name]
        add(member("digests.json"), digests_text or canonical_json(digests))
