"""What must survive a power cut."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive: a file that was synced is lost all the same when its name is not."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Make all that lies in a folder survive, however deep."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that after a power cut there is the whole of it, or what was there before."""
    staged = path.with_suffix(".part")
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    sync_folder(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
