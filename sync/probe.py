"""A release is tried in a process of its own before it answers anybody: the engine loads, the golden photos agree.

A crash, a hang or a leak of the engine ends with that process. Where a release fails, the one that the worker comes
with is tried: fails that, too, then the worker or the machine is broken, and the release bears no blame.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pallor.errors import Unavailable, Untrusted, shortened
from pallor.node_report import MOST_GOLDEN

_PATIENCE_SECONDS = 900  # a GPU's engine is built meanwhile
_OF_ENGINE = ("flavour", "version", "precision", "model_digest", "fallback")


class ProbeFailed(Untrusted):
    """The release does not load here, or answers its golden photos otherwise than it should."""


class ProbeMissing(Unavailable):
    """The worker's command is not installed here."""


class WorkerBroken(Unavailable):
    """The worker cannot even use the release that it comes with: its installation or this machine is at fault."""


@dataclass(frozen=True)
class Probed:
    """What a worker said of a release.

    Attributes:
        have: what of a release's files this machine can use.
        facts: of the engine, and how far its golden photos were off.
    """

    have: tuple[str, ...]
    facts: Mapping[str, Any]


class Probe(Protocol):
    """Tries a release: the worker's command, or in a simulation thousands of nodes that have none."""

    def __call__(self, folder: Path) -> Probed:
        """Try the release in a folder; raises ``ProbeFailed``, ``ProbeMissing`` or ``WorkerBroken``."""
        ...


def by_command(command: Sequence[str], *, patience_seconds: float = _PATIENCE_SECONDS) -> Probe:
    """Probe by ``pallor-worker describe --json --release DIR``."""

    def probe(folder: Path) -> Probed:
        try:
            return _described(["--release", str(folder)])
        except ProbeFailed as failed:
            try:
                _described(["--bundled"])
            except ProbeFailed as error:
                raise WorkerBroken(f"{command[0]} fails with its own release, too: {error}") from error
            raise failed

    def _described(release: Sequence[str]) -> Probed:
        line = [*command, "describe", "--json", *release]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=patience_seconds, check=False)
        except OSError as error:
            raise ProbeMissing(f"{command[0]}: {error.strerror}; set PALLOR_WORKER_COMMAND") from error
        except subprocess.TimeoutExpired as error:
            raise ProbeFailed(f"the worker did not end within {patience_seconds:g} s") from error
        if done.returncode != 0:
            raise ProbeFailed(_fault(done))
        return _read(done.stdout)

    return probe


def _read(words: str) -> Probed:
    try:
        said = json.loads(words)
        engine, golden = said["engine"], said["golden"]
        facts = {
            **{name: engine[name] for name in _OF_ENGINE},
            "max_difference": golden["largest_difference"],
            "golden": [float(one) for one in golden["probabilities"][:MOST_GOLDEN]],
        }
        return Probed(tuple(sorted(str(need) for need in said["needs_met"])), facts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeFailed(f"the worker does not say what it should: {error!r}") from error


def _fault(done: "subprocess.CompletedProcess[str]") -> str:
    """Why the worker says no: in its answer, or else in its last words."""
    try:
        return shortened(json.loads(done.stdout)["fault"], 300)
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return shortened(said[-1], 300)
