"""An object store in a folder: the default, nothing to install."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from pallor.durable import sync_folder
from pallor.ids import new_id
from pallor.store.port import KeyRefused, ObjectMissing, StoreUnavailable, checked_key, checked_prefix

_INCOMING = ".incoming"  # no key begins with a dot, so half-written files are never listed


class FolderStore:
    """Objects as files under ``root``.

    ``make``: make the folder when it is not there. Who only reads says False: a disk that is not mounted is then a
    store that is away, not a store that is empty.
    """

    def __init__(self, root: Path, *, make: bool = True) -> None:
        self.root = root
        if make:
            with _translated():
                (root / _INCOMING).mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes) -> None:
        path = self.root / checked_key(key)
        temporary = self.root / _INCOMING / new_id()
        with _translated():
            self._must_be_there()
            try:
                made = _make_folders(path.parent)
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
                for folder in (path.parent, *made):
                    sync_folder(folder)
            except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
                raise KeyRefused(
                    "another object's key is in the way", field="key", value=key, remedy="Use another key."
                ) from error
            finally:
                temporary.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        path = self.root / checked_key(key)
        with _translated():
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                self._must_be_there()
                raise ObjectMissing(f"nothing under {key}") from error

    def has(self, key: str) -> bool:
        path = self.root / checked_key(key)
        with _translated():
            self._must_be_there()
            return path.is_file()

    def delete(self, key: str) -> None:
        path = self.root / checked_key(key)
        with _translated():
            try:
                path.unlink()
                sync_folder(path.parent)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._must_be_there()

    def keys(self, prefix: str = "") -> Iterator[str]:
        folder, _, _ = checked_prefix(prefix).rpartition("/")
        with _translated():
            self._must_be_there()
            yield from (key for key in self._walk(folder) if key.startswith(prefix))

    def discard_unfinished(self, older_than: timedelta) -> int:
        """A process that is killed while it writes leaves its file."""
        younger, now = 0, time.time()
        with _translated():
            self._must_be_there()
            for file in (self.root / _INCOMING).iterdir():
                try:
                    if abs(now - file.stat().st_mtime) < older_than.total_seconds():  # a clock may have been put right
                        younger += 1
                    else:
                        file.unlink()
                except FileNotFoundError:  # its put has ended meanwhile
                    continue
        return younger

    def _walk(self, folder: str) -> Iterator[str]:
        """Keys below ``folder`` in byte order: a folder sorts as its name and a slash, just as its keys do."""
        try:
            entries = [(e.name + "/" if e.is_dir() else e.name) for e in os.scandir(self.root / folder)]
        except (FileNotFoundError, NotADirectoryError):  # taken away while we walked
            return
        for name in sorted(entries):
            key = f"{folder}/{name}" if folder else name
            if name.startswith("."):
                continue
            if name.endswith("/"):
                yield from self._walk(key.rstrip("/"))
            else:
                yield key

    def _must_be_there(self) -> None:
        if not (self.root / _INCOMING).is_dir():
            raise StoreUnavailable(f"the folder {self.root} is not there")


def _make_folders(folder: Path) -> list[Path]:
    """Make ``folder`` and say which folders now hold a new name."""
    if folder.is_dir():
        return []
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [f.parent for f in missing]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the folder store cannot work: {error}") from error
