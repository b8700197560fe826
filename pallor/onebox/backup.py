"""A backup of one machine's data folder, taken while the machine runs or while it does not: one tar file.

backup.json           what this is, from when, and how much is in it; the first
pallor.db             the database, as it was at one moment
store/...             photos and label records
shelf/releases/...    releases; which one serves stands in backup.json, so that no link is needed
keys/...              development keys that were made on this machine
console-token         on a machine that keeps one
digests.json          size and digest of all the others; the last, so that a file that was cut has none

Photos are compressed already, and a release's model hardly gets smaller: the tar is not compressed.
"""

import fcntl
import hashlib
import io
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from pallor.clock import SystemClock, utc_text
from pallor.digest import canonical_json
from pallor.durable import sync_folder
from pallor.errors import Refused, Unavailable
from pallor.onebox.folder import DataFolder
from pallor.release.shelf import Shelf, ShelfEmpty
from pallor.store import open_store
from pallor.store.port import KeyRefused, ObjectMissing, checked_key

FORMAT = 1
FACTS, DATABASE, STORE, RELEASES, KEYS, TOKEN, DIGESTS = (
    "backup.json", "pallor.db", "store/", "shelf/releases/", "keys/", "console-token", "digests.json",
)  # fmt: skip
_TAR = "tar"
_UNFINISHED = frozenset({DATABASE, f"{DATABASE}-journal", _TAR})  # what a backup that was killed leaves in its .part
_BUSY_SECONDS = 20.0

Progress = Callable[[int, int], None]
"""Gets how much is done, and of how much."""


class NothingToBackUp(Refused):
    """There is no database of ours in the data folder."""


class BackupExists(Refused):
    """A file of that name is there already, or is being written."""


class BackupUnwritable(Refused):
    """The backup cannot be written there."""


class DatabaseUnreadable(Unavailable):
    """SQLite cannot copy the database."""


@dataclass(frozen=True)
class Backup:
    """What is known of a backup. Nothing that was recorded after ``made_at`` can be counted on to be in it.

    ``revision``: of the database's tables. ``serves``: the active release, None where none was.
    """

    made_at: datetime
    pallor_version: str
    world: str
    revision: str
    cases: int
    photos: int
    serves: str | None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "format": FORMAT, "made_at": utc_text(self.made_at)}


def back_up(data: DataFolder, file: Path, progress: Progress) -> Backup:
    """Write everything that must not be lost into ``file``, for its owner alone; the machine may run meanwhile.

    Raises:
        NothingToBackUp, BackupExists, BackupUnwritable, DatabaseUnreadable, StoreUnavailable: there is no ``file``.
    """
    if not data.database.is_file():
        raise _nothing_in(data)
    if os.path.lexists(file):
        raise _exists(file)
    with _translated(file), partial(file, _exists, left_over=_UNFINISHED) as part:
        made_at = SystemClock().now().replace(microsecond=0)
        copy = part / DATABASE
        _copy_database(data.database, copy)
        backup = _described(copy, made_at, data)
        _write(part / _TAR, backup, copy, data, progress)
        if os.path.lexists(file):
            raise _exists(file)
        (part / _TAR).rename(file)
        sync_folder(file.parent)
    return backup


@contextmanager
def partial(path: Path, taken: Callable[[Path], Refused], *, left_over: frozenset[str] = frozenset()) -> Iterator[Path]:
    """A folder beside ``path`` for what is not finished, gone at the end; ``taken`` says no when it is there.

    Args:
        left_over: the files that one of ours leaves when it is killed. A folder of nothing else, which nobody holds,
            is emptied and used.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.mkdir(mode=0o700)
        made = True
    except FileExistsError:
        made = False
    with _held(part, made=made) as alone:
        if not alone or not (made or _is_left_over(part, left_over)):
            raise taken(part)
        try:
            for name in os.listdir(part):
                (part / name).unlink()
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _held(part: Path, *, made: bool) -> Iterator[bool]:
    """Hold a folder until the block ends, or until we are killed; False where another holds it, or it is none."""
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor, part, made=made)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, part: Path, *, made: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), part.stat())  # whoever held it until now took it away
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a network's file system that locks no folders: there only a folder that we made is ours
        return made


def _is_left_over(part: Path, left_over: frozenset[str]) -> bool:
    found = part.stat()
    ours = found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
    return ours and bool(left_over) and all(one.is_file() and one.name in left_over for one in part.iterdir())


def create(path: Path) -> BinaryIO:
    """Open a new file to write, for its owner alone; raises ``FileExistsError``."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def is_member(name: str) -> bool:
    """Whether a backup may hold a file of this name; none of them leads out of the data folder."""
    top = next((top for top in (STORE, RELEASES, KEYS) if name.startswith(top)), None)
    return name in (FACTS, DATABASE, TOKEN, DIGESTS) if top is None else _is_key(name.removeprefix(top))


def _copy_database(source: Path, copy: Path) -> None:
    """Copy what one reader sees at one moment. Writers go on; pages of what was erased do not come along."""
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as live:
            live.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        raise DatabaseUnreadable(f"{source} cannot be copied: {error}") from error


def _described(copy: Path, made_at: datetime, data: DataFolder) -> Backup:
    with closing(sqlite3.connect(copy)) as database:

        def one(question: str) -> Any:
            (value,) = database.execute(question).fetchone()
            return value

        try:
            return Backup(
                made_at,
                pallor_version=version("pallor"),
                world=one("SELECT world FROM deployment"),
                revision=one("SELECT version_num FROM alembic_version"),
                cases=one("SELECT count(*) FROM cases"),
                photos=one("SELECT count(*) FROM photos"),
                serves=_serves(data.shelf),
            )
        except (sqlite3.OperationalError, TypeError) as error:  # no such table, or no row in it
            raise _nothing_in(data) from error


def _serves(shelf: Path) -> str | None:
    try:
        return Shelf(shelf).current_id()
    except ShelfEmpty:
        return None


def _write(tar_file: Path, backup: Backup, copy: Path, data: DataFolder, progress: Progress) -> None:
    digests: dict[str, Any] = {}
    # An object is stored before the row that names it: whatever the database's copy names is in the store by now.
    store = open_store(data.store_url, make=False)
    keys = [key for key in store.keys() if _is_key(key)]  # noqa: SIM118  # it is no dict
    folders = {RELEASES: data.shelf / "releases", KEYS: data.keys}
    with create(tar_file) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, file: io.BytesIO | io.BufferedReader) -> None:
            member = tarfile.TarInfo(name)
            member.mode, member.mtime, member.size = 0o600, int(backup.made_at.timestamp()), file.seek(0, io.SEEK_END)
            file.seek(0)
            digests[name] = {"bytes": member.size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
            file.seek(0)
            tar.addfile(member, file)

        add(FACTS, io.BytesIO(canonical_json(backup.to_json())))
        with copy.open("rb") as file:
            add(DATABASE, file)
        for done, key in enumerate(keys, 1):
            with suppress(ObjectMissing):  # erased since it was listed
                add(STORE + key, io.BytesIO(store.get(key)))
            progress(done, len(keys))
        for top, folder in folders.items():
            held = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
            for path in filter(_is_key, held):  # without releases that are half put, or were put aside
                with suppress(FileNotFoundError), (folder / path).open("rb") as file:
                    add(top + path, file)
        with suppress(FileNotFoundError):
            add(TOKEN, io.BytesIO(data.token_file.read_bytes()))
        add(DIGESTS, io.BytesIO(canonical_json(digests)))
        tar.close()
        out.flush()
        os.fsync(out.fileno())


def _is_key(path: str) -> bool:
    """False for what a store would not hold: hidden files, and names that not every file system reads alike."""
    try:
        return bool(checked_key(path))
    except KeyRefused:
        return False


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupUnwritable(
            f"the backup cannot be written: {error.strerror}", field="FILE", value=Path(error.filename or file),
            remedy="Name a file in a folder that exists, that you may write to and that has room.",
        ) from error  # fmt: skip


def _nothing_in(data: DataFolder) -> Refused:
    return NothingToBackUp(
        "there is no database of Pallor's in this folder", field="--data", value=data.root,
        remedy="Name the data folder that `pallor up` runs on.",
    )  # fmt: skip


def _exists(file: Path) -> Refused:
    return BackupExists(
        "it is there already, and no backup is ever written over", field="FILE", value=file,
        remedy="Name another file; a .part that no running backup writes may be removed.",
    )  # fmt: skip
