"""A release comes onto the shelf: the files that fit this machine, each whole, then the folder by one rename.

<root>/releases/.incoming.<release_id>/   what has arrived so far; the next start goes on with it
"""

import os
import shutil
from pathlib import Path

from pallor.durable import sync_folder
from pallor.errors import Untrusted
from pallor.ids import new_id
from pallor.release.manifest import Manifest, ReleaseFile
from pallor.release.shelf import SLOTS, Release, Shelf
from sync.admit import fitting
from sync.download import FileChanged, download, reuse
from sync.fetch import Line
from sync.trust import Offered

_INCOMING = ".incoming."


def here(shelf: Shelf, release_id: str, digest: str) -> Release | None:
    """A release that is on the shelf, whole and with this digest; a damaged one is put aside."""
    folder = shelf.folder_of(release_id)
    if not folder.is_dir():
        return None
    try:
        found = Release.open(folder)
    except Untrusted:
        folder.rename(folder.with_name(f".damaged.{release_id}.{new_id()}"))
        return None
    return found if found.digest == digest else None


def missing_bytes(shelf: Shelf, manifest: Manifest, have: frozenset[str]) -> int:
    """How much of a release would still have to be written."""
    return sum(
        file.bytes - _arrived(_incoming(shelf, manifest.release_id) / file.path) for file in fitting(manifest, have)
    )


def bring(shelf: Shelf, line: Line, offered: Offered, have: frozenset[str]) -> Release:
    """Fetch what is not here of a release and put it onto the shelf.

    Raises:
        FileChanged, FileEndless, FileMissing, RepositoryAway, Untrusted
    """
    manifest = offered.manifest
    if (there := here(shelf, manifest.release_id, offered.digest)) is not None:
        return there
    if shelf.folder_of(manifest.release_id).exists():
        raise FileChanged(f"another release called {manifest.release_id} is here already; an id is never used twice")
    incoming = _incoming(shelf, manifest.release_id)
    for file in fitting(manifest, have):
        to = incoming / file.path
        to.parent.mkdir(parents=True, exist_ok=True)
        if not reuse(file.digest, file.bytes, to, _same(shelf, file)):
            download(line, file.digest, file.bytes, to)
    _write(incoming / "manifest.json", offered.data)
    Release.open(incoming, trusted_digest=offered.digest)
    for folder in {incoming, *(path for path in incoming.rglob("*") if path.is_dir())}:
        sync_folder(folder)
    os.replace(incoming, shelf.folder_of(manifest.release_id))
    sync_folder(shelf.root / "releases")
    return Release.open(shelf.folder_of(manifest.release_id), trusted_digest=offered.digest)


def retain(shelf: Shelf, keep: set[str]) -> None:
    """Free everything on the shelf but these releases, whether they are whole or still arriving."""
    kept = keep | {f"{_INCOMING}{release_id}" for release_id in keep}
    for part in ("releases", "serving"):
        if (shelf.root / part).is_dir():
            for path in (shelf.root / part).iterdir():
                if path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)
    for slot in SLOTS:
        for link in shelf.root.glob(f".{slot}.*"):  # the power went before it was renamed
            link.unlink(missing_ok=True)


def _incoming(shelf: Shelf, release_id: str) -> Path:
    return shelf.root / "releases" / f"{_INCOMING}{release_id}"


def _same(shelf: Shelf, file: ReleaseFile) -> list[Path]:
    """Where other releases on this shelf may have the same file."""
    name = Path(file.path).name
    return [path for path in (shelf.root / "releases").glob(f"[!.]*/**/{name}") if path.is_file()]


def _arrived(path: Path) -> int:
    for place in (path, path.with_name(f"{path.name}.part")):
        if place.exists():
            return place.stat().st_size
    return 0


def _write(path: Path, data: bytes) -> None:
    staged = path.with_name(f"{path.name}.part")
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
