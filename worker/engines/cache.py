"""Plans that were built on this machine, each with what it was built for. A plan is code: none is opened unchecked."""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pallor.digest import canonical_json, digest_of, hex_of, sha256_of
from pallor.durable import sync_folder
from pallor.errors import Unavailable, Untrusted
from pallor.ids import new_id

log = logging.getLogger(__name__)

_FORMAT = 1
_LONGEST_HEAD = 4096
_KEPT = 12  # current, previous and challenger release in two precisions, and as many from before an update
_SUFFIX, _STAGED = ".plan", ".staged-"


class PlansNotPrivate(Untrusted):
    """Somebody else may write into the folder of plans."""


class PlansUnusable(Unavailable):
    """The folder of plans cannot be made, read or written."""


@dataclass(frozen=True)
class PlanKey:
    """All that a plan is bound to: with another value of any, it is another plan.

    ``capability``: the kind of GPU, as ``sm86``. ``profile``: the batch sizes.
    """

    onnx_digest: str
    flavour: str
    version: str
    capability: str
    precision: str
    profile: str
    system: str
    architecture: str

    def name(self) -> str:
        """Of its file."""
        return hex_of(digest_of(asdict(self)))[:32] + _SUFFIX

    def needs(self) -> tuple[str, ...]:
        """What a machine must have for a plan that comes with a release."""
        return (self.capability, f"{self.flavour}-{self.version}", self.profile, self.system, self.architecture)


class PlanCache:
    """A private folder of plans.

    A file is one line of JSON (key, digest, length), then the plan: one rename brings both or neither.

    Raises:
        PlansNotPrivate, PlansUnusable: as the names say.
    """

    def __init__(self, folder: Path) -> None:
        with _as_ours(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            facts = folder.stat()
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            raise PlansNotPrivate(f"{folder} belongs to others, or they may write there: chmod 700, or name another")
        self._folder = folder

    def plan(self, key: PlanKey, build: Callable[[], bytes]) -> bytes:
        """The plan of this key: as it lies here if it is whole, else built; several processes build it once.

        What ``build`` raises is passed on, and leaves nothing behind.
        """
        path = self._folder / key.name()
        with _as_ours(self._folder), self._alone():
            found = _read(path, key)
            if found is None:
                return self._build(path, key, build)
            os.utime(path)
            log.info("a plan that was built here before is loaded", extra={"plan": path.name})
            return found

    def _build(self, path: Path, key: PlanKey, build: Callable[[], bytes]) -> bytes:
        for left in self._folder.glob(f"{_STAGED}*"):  # by a process that was killed while it wrote: we are alone
            left.unlink()
        plan = build()
        head = {"format": _FORMAT, "key": asdict(key), "digest": sha256_of(plan), "bytes": len(plan)}
        staged = path.with_name(f"{_STAGED}{new_id()}")
        try:
            with staged.open("xb") as out:
                out.write(canonical_json(head) + b"\n" + plan)
                out.flush()
                os.fsync(out.fileno())
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)
        sync_folder(self._folder)
        self._forget_the_oldest()
        return plan

    def _forget_the_oldest(self) -> None:
        plans = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in plans[_KEPT:]:
            path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time; the kernel lets go when a process ends, however it ends."""
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(path: Path, key: PlanKey) -> bytes | None:
    """The plan, if the file holds this very one, whole; None when it must be built, and the log says why."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    head, _, plan = data.partition(b"\n") if b"\n" in data[:_LONGEST_HEAD] else (b"", b"", b"")
    try:
        told: Any = json.loads(head)
        whole = told == {"format": _FORMAT, "key": asdict(key), "digest": sha256_of(plan), "bytes": len(plan)}
    except ValueError:
        whole = False
    if not whole:
        log.warning("a plan is not what it should be; it is built anew", extra={"plan": path.name})
        return None
    return plan


@contextmanager
def _as_ours(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PlansUnusable(f"{folder}: {error.strerror or error}") from error
