"""Nothing outlives the one who started it, not even when that one is killed.

The starter holds one end of a pipe and names each process group it starts; the warden, a process of its own, reads the
other end. When the pipe closes, whatever is still named is told to end, and then made to.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, cast

_PATIENCE_SECONDS = 3.0


class Warden:
    """The starter's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._pipe = cast(IO[str], self._process.stdin)

    def guard(self, group: int) -> None:
        """End this process group when this process is gone."""
        self._say(f"+{group}")

    def release(self, group: int) -> None:
        """This process group is gone."""
        self._say(f"-{group}")

    def close(self) -> None:
        """End what is still guarded, and the warden."""
        with suppress(BrokenPipeError):
            self._pipe.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        with suppress(BrokenPipeError):  # somebody ended the warden; the machine goes on without
            print(line, file=self._pipe, flush=True)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group, 0 to only ask; False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the second of a group of zombies
        return False
    return True


def _watch(lines: Iterable[str]) -> None:
    groups: set[int] = set()
    for line in lines:
        change = groups.add if line.startswith("+") else groups.discard
        change(int(line[1:]))
    left = [group for group in groups if signal_group(group, signal.SIGTERM)]
    until = time.monotonic() + _PATIENCE_SECONDS
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = [group for group in left if signal_group(group, 0)]
    for group in left:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    _watch(sys.stdin)
