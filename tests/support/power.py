"""Power cuts: a process of its own does the work and dies before its n-th step on the file system."""

import io
import os
import posix
import sys
from collections.abc import Callable
from typing import Any

# Calls into C that change files. To die before an fsync or an open is to have died after the step before it.
_STEPS = frozenset(
    {
        "write",
        "pwrite",
        "flush",
        "replace",
        "rename",
        "link",
        "symlink",
        "mkdir",
        "unlink",
        "remove",
        "rmdir",
        "truncate",
    }
)
_CUT = 77


def cut_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a child that dies before its n-th step, from 1 on; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        try:
            _count_down(step)
            work()
            sys.setprofile(None)
            os._exit(0)
        except BaseException as error:
            sys.setprofile(None)
            print(f"not a power cut: {error!r}", file=sys.stderr)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _CUT), f"the work itself failed ({code})"
    return code == _CUT


def _count_down(step: int) -> None:
    left = step

    def see(_frame: Any, event: str, called: Any) -> None:
        nonlocal left
        if event == "c_call" and called.__name__ in _STEPS and _on_files(called.__self__):
            left -= 1
            if left == 0:
                os._exit(_CUT)  # nothing is flushed, closed or tidied up

    sys.setprofile(see)


def _on_files(owner: Any) -> bool:
    return owner is posix or (isinstance(owner, io.IOBase) and owner not in (sys.stdout, sys.stderr))
