"""One file of a release: it goes on where it broke off, also after a reboot, and is used when it is whole."""

import os
from contextlib import suppress
from pathlib import Path

from pallor.digest import hex_of, sha256_of_file
from pallor.durable import sync_folder
from pallor.errors import Untrusted
from pallor.release.places import file_place
from sync.fetch import PAUSES, Line, RepositoryAway

_SYNC_EVERY = 1024 * 1024
_LONGEST_SECONDS = 2 * 3600.0  # then it is time to look whether the file is still wanted, and go on with it


class FileChanged(Untrusted):
    """What arrived is not what was signed."""


class FileEndless(Untrusted):
    """More arrives than was signed."""


def download(line: Line, digest: str, length: int, to: Path) -> None:
    """Bring a file that a manifest names; nothing happens when it is there, whole.

    Raises:
        FileChanged, FileEndless: what had arrived is thrown away.
        FileMissing, RepositoryAway, RetrievalSlow: what has arrived is kept.
    """
    if to.exists():
        if to.stat().st_size == length and sha256_of_file(to) == digest:
            return
        to.unlink()
    part = to.with_name(f"{to.name}.part")
    if part.exists() and part.stat().st_size > length:
        part.unlink()
    _persist(line, digest, length, part)
    if sha256_of_file(part) != digest:
        part.unlink()
        raise FileChanged(f"{to.name} is not the file {hex_of(digest)[:12]} that was signed")
    os.replace(part, to)
    sync_folder(to.parent)


def reuse(digest: str, length: int, to: Path, places: list[Path]) -> bool:
    """Take a file that this machine has already, in another release; True when there is one."""
    for place in places:
        with suppress(OSError):
            if place.stat().st_size == length and sha256_of_file(place) == digest:
                os.link(place, to)  # the same bytes twice on a small disk would be once too often
                sync_folder(to.parent)
                return True
    return False


def _persist(line: Line, digest: str, length: int, part: Path) -> None:
    """Go on after each break for as long as something arrives in between."""
    tries = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _continue(line, digest, length, part)
            return
        except RepositoryAway:
            tries = tries + 1 if part.stat().st_size == before else 0
            if tries >= len(PAUSES):
                raise
            line.rest(PAUSES[tries])


def _continue(line: Line, digest: str, length: int, part: Path) -> None:
    """Fetch what is missing of a file."""
    with part.open("ab") as file:
        have = file.tell()
        if have == length:
            return
        with line.within(_LONGEST_SECONDS), line.open(file_place(digest), have) as body:
            skip, unsynced = have - body.start, 0  # a server that cannot begin in the middle begins at the beginning
            for piece in body.pieces:
                new, skip = piece[skip:], max(0, skip - len(piece))
                if have + len(new) > length:
                    file.close()
                    part.unlink()
                    raise FileEndless(f"{part.stem} should have {length} bytes, and more arrive")
                file.write(new)
                have, unsynced = have + len(new), unsynced + len(new)
                if unsynced >= _SYNC_EVERY:
                    file.flush()
                    os.fsync(file.fileno())
                    unsynced = 0
        file.flush()
        os.fsync(file.fileno())
    if have < length:
        raise RepositoryAway(f"the line broke after {have} of {length} bytes of {part.stem}")
