"""The parts' own commands, as installed beside this one: the kernel imports no part, it starts them."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pallor.errors import Refused, Unavailable

_SECONDS = 60.0


class CommandMissing(Refused):
    """A part of Pallor is not installed."""


class CommandFailed(Unavailable):
    """A part said no; the message holds its words."""


def find_command(name: str) -> str:
    """Where ``pallor-backend`` or ``pallor-worker`` lies; raises ``CommandMissing``."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise CommandMissing(
            "this part of Pallor is not installed", field="command", value=name,
            remedy="Install what one machine needs: pip install 'pallor[onebox]'.",
        )  # fmt: skip
    return found


def run_command(name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run a command to its end; what it printed. Raises ``CommandMissing`` or ``CommandFailed``."""
    try:
        done = subprocess.run(
            [find_command(name), *arguments], env=environ, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=_SECONDS, start_new_session=True, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{name} {arguments[0]} did not end in {_SECONDS:g} s") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # without the log
        words = "\n".join(said[-8:] or done.stderr.splitlines()[-8:] or ["it said nothing"])
        raise CommandFailed(f"{name} {arguments[0]} ended with code {done.returncode}:\n{words}")
    return done.stdout.strip()
