"""The shelf: releases side by side in a folder, and one atomic link that says which one serves.

<root>/releases/<release_id>/manifest.json, model files, golden/
<root>/current    -> releases/<release_id>   what answers
<root>/previous   -> releases/<release_id>   what to go back to
<root>/challenger -> releases/<release_id>   what answers beside it, and is not shown
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pallor.digest import sha256_of_file
from pallor.durable import sync_folder
from pallor.errors import Unavailable, Untrusted
from pallor.ids import new_id
from pallor.release.manifest import Manifest

CURRENT, PREVIOUS, CHALLENGER = SLOTS = ("current", "previous", "challenger")


class ShelfEmpty(Unavailable):
    """No release is active on this shelf."""


class ShelfCleared(ShelfEmpty):
    """The shelf is there, and nothing on it may serve: what served was taken back, with nothing behind it."""


class ReleaseChanged(Untrusted):
    """A file of the release is missing, was added, or is not what its manifest says."""


class ReleaseUnknown(Untrusted):
    """The manifest's digest is not the one that is trusted."""


@dataclass(frozen=True)
class Release:
    """A release on disk: its folder and its manifest, every file that is there checked against its digest.

    Of its models and engines, a machine may have those alone that fit it.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def release_id(self) -> str:
        return self.manifest.release_id

    def path(self, relative: str) -> Path:
        return self.folder / relative

    @classmethod
    def open(cls, folder: Path, *, trusted_digest: str | None = None) -> Self:
        """Read and check a release folder.

        Raises:
            ReleaseUnknown: ``trusted_digest`` is given and the manifest has another.
            ReleaseChanged: a file does not match the manifest.
            ManifestUnreadable: the manifest cannot be read.
        """
        try:
            path = folder / "manifest.json"
            digest = sha256_of_file(path)
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise ReleaseChanged(f"no readable manifest in {folder.name}: {error}") from error
        if trusted_digest is not None and digest != trusted_digest:
            raise ReleaseUnknown(f"{folder.name}: manifest is {digest}, trusted is {trusted_digest}")
        manifest = Manifest.from_json(data)
        models = 0
        for file in manifest.files:
            if file.needs and not os.path.lexists(folder / file.path):  # of another kind of machine
                continue
            if _digest_or_none(folder / file.path) != file.digest:
                raise ReleaseChanged(f"{manifest.release_id}: {file.path} is missing or is not what the manifest says")
            models += file.role == "model"
        if not models and any(file.role == "model" for file in manifest.files):
            raise ReleaseChanged(f"{manifest.release_id}: every model is missing, such as {manifest.files[0].path}")
        return cls(folder, manifest, digest)


class Shelf:
    """The releases of one machine. Whoever reads ``current`` sees the old release or the new one, never a mixture."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: Path, *, trusted_digest: str | None = None) -> Release:
        """Copy a checked release onto the shelf without activating it; the same release twice is one."""
        release = Release.open(folder, trusted_digest=trusted_digest)
        there = self.folder_of(release.release_id)
        if there.exists():
            try:
                return Release.open(there, trusted_digest=release.digest)
            except ReleaseChanged:  # a power cut or a failing disk: put the damaged one aside and bring it anew
                there.rename(there.with_name(f".damaged.{release.release_id}.{new_id()}"))
        staged = self.root / "releases" / f".{release.release_id}.{new_id()}"
        shutil.copytree(folder, staged)
        try:
            staged.rename(there)
        except OSError:  # another process was first; theirs is checked below like any other
            shutil.rmtree(staged)
        return Release.open(there, trusted_digest=release.digest)

    def activate(self, release_id: str) -> None:
        """Make a release on the shelf the current one: one rename, so a power cut leaves the old or the new."""
        self.let(CURRENT, release_id)

    def let(self, slot: str, release_id: str | None) -> None:
        """Let a slot name a release on the shelf, or none: one rename."""
        if release_id is None:
            (self.root / slot).unlink(missing_ok=True)
        else:
            if not self.folder_of(release_id).is_dir():
                raise ReleaseUnknown(f"{release_id} is not on the shelf {self.root}")
            link = self.root / f".{slot}.{new_id()}"
            link.symlink_to(Path("releases") / release_id)
            os.replace(link, self.root / slot)
        sync_folder(self.root)

    def named(self, slot: str) -> str | None:
        """The release that a slot names, None when it is empty; it may be damaged or missing."""
        try:
            return os.readlink(self.root / slot).rsplit("/", 1)[-1]
        except OSError:
            return None

    def current_id(self) -> str:
        """The active release's id, at the cost of one readlink; raises ``ShelfEmpty``, and ``ShelfCleared``."""
        if (found := self.named(CURRENT)) is not None:
            return found
        if (self.root / "releases").is_dir() and not os.path.lexists(self.root / CURRENT):
            raise ShelfCleared(f"no release may serve from {self.root}")
        raise ShelfEmpty(f"no release is active in {self.root}; put one there and activate it")  # or it is unmounted

    def current(self) -> Release:
        """The active release, every file checked; raises ``ShelfEmpty`` or ``Untrusted``."""
        return self.open(self.current_id())

    def open(self, release_id: str) -> Release:
        """A release that lies here, every file checked; raises ``Untrusted``, also when it calls itself otherwise."""
        release = Release.open(self.folder_of(release_id))
        if release.release_id != release_id:
            raise ReleaseChanged(f"what lies here as {release_id} calls itself {release.release_id}")
        return release

    def folder_of(self, release_id: str) -> Path:
        """Where a release lies, if it is here."""
        return self.root / "releases" / release_id


def _digest_or_none(path: Path) -> str | None:
    """A file's digest, None when it cannot be read for whatever reason."""
    try:
        return sha256_of_file(path)
    except OSError:
        return None
