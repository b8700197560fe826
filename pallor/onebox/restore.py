"""A backup becomes a data folder again: every byte is checked before the folder gets its name."""

import errno
import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from pallor.clock import parse_utc
from pallor.durable import sync_folder
from pallor.errors import Refused, Untrusted, shortened
from pallor.onebox.backup import (
    DATABASE,
    DIGESTS,
    FACTS,
    FORMAT,
    RELEASES,
    Backup,
    Progress,
    create,
    is_member,
    partial,
)
from pallor.onebox.folder import DataFolder
from pallor.release.shelf import Shelf
from pallor.store import open_store

_MIB = 1024 * 1024
# What tarfile and json let out for a header or a text that a hand made, besides errors of their own.
_MALFORMED = (tarfile.TarError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
# The numbers of the feed go on from here: a phone that has read further than the backup reaches would otherwise not be
# told of what gets those numbers again. No clinic records as much between two backups; cursors have nine digits.
_LEAP = 1_000_000


class NotABackup(Refused):
    """The file is none that ``pallor backup`` wrote."""


class BackupFormatUnknown(Refused):
    """The backup is of another version of Pallor, which wrote it in another way."""


class BackupDamaged(Untrusted):
    """The backup was cut, or changed since it was made."""


class RestoreTargetInUse(Refused):
    """Something is in the folder already."""


class RestoreUnwritable(Refused):
    """The data folder cannot be made there."""


def restore(file: Path, root: Path, progress: Progress) -> Backup:
    """Make the data folder ``root`` from a backup; ``root`` does not exist yet or is empty, and stays so on any error.

    Raises:
        NotABackup, BackupFormatUnknown, BackupDamaged, RestoreTargetInUse, RestoreUnwritable
    """
    root = root.resolve()
    if os.path.lexists(root) and not (root.is_dir() and not any(root.iterdir())):
        raise _in_use(root)
    with _opened(file) as tar:
        backup = _read_facts(tar, file)
        with _translated(root):
            root.parent.mkdir(parents=True, exist_ok=True)
            with partial(root, _in_use) as part:
                _unpack(tar, part, progress)
                _check_database(part / DATABASE)
                _make_links_and_folders(DataFolder(part), backup)
                os.sync()  # once for all: a folder of many small files would take minutes, one after the other
                _name(part, root)
                sync_folder(root.parent)
    return backup


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        tar = tarfile.open(file, "r:")  # noqa: SIM115  # closed below
    except OSError as error:
        raise _not_a_backup(file, error.strerror or "it cannot be read") from error
    except _MALFORMED as error:
        raise _not_a_backup(file, "it is no tar file") from error
    with tar:
        yield tar


def _read_facts(tar: tarfile.TarFile, file: Path) -> Backup:
    """What the first member says; raises ``NotABackup`` or ``BackupFormatUnknown``."""
    try:
        first = tar.next()
    except _MALFORMED as error:
        raise _not_a_backup(file, "it is no tar file") from error
    if first is None or first.name != FACTS or not first.isreg():
        raise _not_a_backup(file, f"it does not begin with {FACTS}")
    try:
        said = json.loads(_read(tar, first))
        found = said.pop("format")
        if found == FORMAT:
            return Backup(**{**said, "made_at": parse_utc(said["made_at"])})
    except _MALFORMED as error:
        raise _not_a_backup(file, f"its {FACTS} cannot be read") from error
    raise BackupFormatUnknown(
        f"this version reads backups of format {FORMAT}", field="FILE", value=f"format {found}",
        remedy="Restore it with the version of Pallor that made it, or a newer one.",
    )  # fmt: skip


def _unpack(tar: tarfile.TarFile, folder: Path, progress: Progress) -> None:
    """Write every member below ``folder`` and check it; only plain files with names of ours are ever written."""
    members = _members(tar)
    try:
        digests = json.loads(_read(tar, members.pop(DIGESTS)))
    except KeyError:
        raise BackupDamaged(f"the backup was cut: it has no {DIGESTS}") from None
    if not isinstance(digests, dict) or digests.keys() != members.keys():
        raise BackupDamaged(f"what the backup holds is not what its {DIGESTS} names")
    for done, (name, member) in enumerate(members.items(), 1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with create(path) as out:
            found = _copy(tar, member, out)
        if found != digests[name]:
            raise BackupDamaged(f"the backup is damaged: {name} is not what it was when it was saved")
        progress(done, len(members))


def _members(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """What the file holds, by name; raises ``BackupDamaged`` for whatever ``pallor backup`` does not write."""
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        plain = member.type == tarfile.REGTYPE and not member.issparse() and member.size >= 0
        if not plain or not is_member(member.name) or member.name in members:
            raise BackupDamaged(f"this is no backup as we make them: it holds {shortened(member.name)}")
        members[member.name] = member
    folders = {str(folder) for name in members for folder in PurePosixPath(name).parents}
    if both := sorted(folders & members.keys()):
        raise BackupDamaged(f"this is no backup as we make them: it holds {shortened(both[0])}, and files below it")
    return members


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    _copy(tar, member, out)
    return out.getvalue()


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, out: IO[bytes]) -> dict[str, Any]:
    """Copy a member; its size and digest as they stand in ``digests.json``."""
    digest, size = hashlib.sha256(), 0
    with cast(IO[bytes], tar.extractfile(member)) as source:
        while piece := source.read(_MIB):
            out.write(piece)
            digest.update(piece)
            size += len(piece)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _check_database(file: Path) -> None:
    """Let SQLite look through the database, and make it leave out the numbers that may have been given since."""
    try:
        with closing(sqlite3.connect(file)) as database, database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check(5)")]
            if found != ["ok"]:
                raise BackupDamaged(f"the backup's database is not whole: {'; '.join(found)}")
            database.execute("UPDATE sqlite_sequence SET seq = seq + ?", (_LEAP,))
    except sqlite3.Error as error:
        raise BackupDamaged(f"the backup's database cannot be read: {error}") from error


def _make_links_and_folders(data: DataFolder, backup: Backup) -> None:
    """What a running machine has and a backup does not hold."""
    open_store(data.store_url)
    if backup.serves is not None:
        if not isinstance(backup.serves, str) or not is_member(f"{RELEASES}{backup.serves}/manifest.json"):
            raise BackupDamaged(f"the backup names a release that cannot be: {shortened(backup.serves)}")
        Shelf(data.shelf).activate(backup.serves)


def _name(part: Path, root: Path) -> None:
    try:
        part.rename(root)
    except OSError as error:
        raise (_in_use(root) if error.errno in (errno.ENOTEMPTY, errno.EEXIST) else error) from error


@contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except _MALFORMED as error:
        raise BackupDamaged(f"the backup cannot be read to its end: {error}") from error
    except OSError as error:
        raise RestoreUnwritable(
            f"the data folder cannot be made: {error.strerror}", field="--data", value=root,
            remedy="Name a folder that you may make, on a disk with room for all of the backup.",
        ) from error  # fmt: skip


def _not_a_backup(file: Path, why: str) -> Refused:
    return NotABackup(why, field="FILE", value=file, remedy="Name a file that `pallor backup` wrote.")


def _in_use(root: Path) -> Refused:
    return RestoreTargetInUse(
        "it is there and not an empty folder, and no data is ever written over", field="--data", value=root,
        remedy="Name another folder; a .part that no running restore writes may be removed.",
    )  # fmt: skip
