"""One agent for each folder: python-tuf's cache and the shelf's links bear no second."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pallor.errors import Unavailable


class AnotherAgent(Unavailable):
    """Another agent works on this folder."""


@contextmanager
def alone(*folders: Path) -> Iterator[None]:
    """Hold folders for as long as the block runs; the system lets go of them when the process dies.

    Raises:
        AnotherAgent
    """
    held: list[int] = []
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            held.append(os.open(folder / ".agent.lock", os.O_RDWR | os.O_CREAT, 0o600))
            try:
                fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AnotherAgent(f"another pallor-sync works on {folder}; let it end first") from error
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
