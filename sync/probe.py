"""A release is tried in a process of its own before it answers anybody: the engine loads, the golden photos agree.

A crash, a hang or a leak of the engine ends with that process.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pallor.errors import Unavailable, Untrusted, shortened

_PATIENCE_SECONDS = 900  # a GPU's engine is built meanwhile
_FACTS = ("release", "flavour", "version", "precision", "model_digest", "fallback", "max_difference", "golden")


class ProbeFailed(Untrusted):
    """The release does not load here, or answers its golden photos otherwise than it should."""


class ProbeMissing(Unavailable):
    """The worker's command is not installed here."""


@dataclass(frozen=True)
class Probed:
    """What a worker said of a release. ``have``: what of a release's files this machine can use."""

    have: tuple[str, ...]
    facts: Mapping[str, Any]


class Probe(Protocol):
    """Tries a release: the worker's command, or in a simulation thousands of nodes that have none."""

    def __call__(self, folder: Path) -> Probed:
        """Try the release in a folder; raises ``ProbeFailed`` or ``ProbeMissing``."""
        ...


def by_command(command: Sequence[str], *, patience_seconds: float = _PATIENCE_SECONDS) -> Probe:
    """Probe by ``pallor-worker describe --json --release DIR``."""

    def probe(folder: Path) -> Probed:
        line = [*command, "describe", "--json", "--release", str(folder)]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=patience_seconds, check=False)
        except FileNotFoundError as error:
            raise ProbeMissing(f"{command[0]} is not there; set PALLOR_WORKER_COMMAND") from error
        except subprocess.TimeoutExpired as error:
            raise ProbeFailed(f"the worker did not end within {patience_seconds:g} s") from error
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise ProbeFailed(shortened(said[-1], 300))
        return _read(done.stdout)

    return probe


def _read(words: str) -> Probed:
    try:
        said = json.loads(words)
        engine = said.get("engine") if isinstance(said.get("engine"), dict) else {}
        facts = {name: value for name, value in {**said, **engine}.items() if name in _FACTS}
        return Probed(tuple(sorted(str(need) for need in said["needs"])), facts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeFailed(f"the worker does not say what it should: {error!r}") from error
