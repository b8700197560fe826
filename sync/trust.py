"""What the repository says now, and nothing that the right people did not sign (python-tuf's client).

Whatever python-tuf says no to is told by the name of what went wrong.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Root, Signed, TargetFile, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from pallor.clock import parse_utc
from pallor.digest import sha256_of
from pallor.durable import sync_folder
from pallor.errors import Untrusted
from pallor.release.channel import Channel
from pallor.release.manifest import Manifest
from pallor.release.places import METADATA, POLICY, TARGETS, candidate_target, channel_target, release_target
from pallor.release.policy import Policy
from sync.clock import FloorClock, set_time
from sync.fetch import Line, MetadataFetcher, RepositoryAway, RetrievalSlow

_LIMITS = UpdaterConfig(
    max_root_rotations=64, max_delegations=8, root_max_length=64_000, timestamp_max_length=8_000,
    snapshot_max_length=64_000, targets_max_length=1_000_000, app_user_agent="pallor-sync",
)  # fmt: skip
_LARGEST_DOCUMENT = 1_000_000
_MOST_ROOTS = 64


class RootUnknown(Untrusted):
    """The repository does not have the root that this node was told to trust."""


class MetadataExpired(Untrusted):
    """It was true once: somebody holds back what is newer, or has forgotten to sign."""


class MetadataRolledBack(Untrusted):
    """Older than what this node has seen."""


class MetadataUnsigned(Untrusted):
    """Not signed by enough of those who may."""


class MetadataMixed(Untrusted):
    """Files of different moments, or other bytes than were signed."""


class MetadataEndless(Untrusted):
    """More arrives than such a file can hold."""


class MetadataUnreadable(Untrusted):
    """It is not what its name says."""


class PolicyMissing(Untrusted):
    """Without the policy nobody knows what was taken back."""


@dataclass(frozen=True)
class Offered:
    """A manifest that is signed. ``number``: of a release, by which floors count; None for a candidate."""

    manifest: Manifest
    data: bytes
    digest: str
    number: int | None


class Trust:
    """The repository as it is at one moment; made anew for each look (python-tuf refreshes once).

    Args:
        folder: for what was seen before; one process at a time.
        root: the metadata that this node trusts from the beginning.
        clock: never before what was signed; raised by what is seen.
    """

    def __init__(self, folder: Path, root: bytes, line: Line, clock: FloorClock, *, limit_seconds: float = 60,
                 monotonic: Callable[[], float] = time.monotonic) -> None:  # fmt: skip
        self._clock, self._folder, self._root, self._line = clock, folder, root, line
        self._fetcher = MetadataFetcher(line, limit_seconds=limit_seconds, monotonic=monotonic)
        (folder / "metadata").mkdir(parents=True, exist_ok=True)
        for left in (folder / "metadata").glob("tmp*"):  # python-tuf's own, from before a power cut
            left.unlink()
        self._updater = self._open()

    def refresh(self) -> None:
        """Fetch what is new; raises the errors of this module, ``RepositoryAway`` or ``RetrievalSlow``."""
        try:
            self._refresh()
        except MetadataExpired:
            root = self._signed(Root.type)
            if root.version <= self._clock.floor.root:
                raise
            # A new root lets the floor of the clock begin anew: by the old one everything may seem to have expired.
            self._saw(root, root)
            self._updater = self._open()
            self._refresh()
        self._saw(self._signed(Root.type), self._signed(Timestamp.type))
        self._sync()

    def _open(self) -> Updater:
        with _named():
            return Updater(
                str(self._folder / "metadata"), f"{self._line.base}/{METADATA}/", str(self._folder / "targets"),
                f"{self._line.base}/{TARGETS}/", self._fetcher, _LIMITS, bootstrap=self._root,
            )  # fmt: skip

    def _refresh(self) -> None:
        set_time(self._updater, self._clock.now())
        with _named():
            self._updater.refresh()

    def _saw(self, root: Root, *signed: Signed) -> None:
        for one in (root, *signed):
            self._clock.saw(root.version, parse_utc(one.unrecognized_fields["issued_at"]))

    @property
    def world(self) -> str:
        return str(self._signed(Root.type).unrecognized_fields["world"])

    def channel(self, name: str) -> Channel | None:
        """What the channel says, None before anybody has signed it."""
        found = self._document(channel_target(name))
        return None if found is None else Channel.from_json(_json(found[1]))

    def policy(self) -> Policy:
        """Floor and yanked releases; raises ``PolicyMissing``."""
        found = self._document(POLICY)
        if found is None:
            raise PolicyMissing("no policy is signed in this repository")
        return Policy.from_json(_json(found[1]))

    def release(self, release_id: str) -> Offered | None:
        """A release that people have signed."""
        found = self._document(release_target(release_id))
        return None if found is None else _offered(found[1], found[0].custom["number"])

    def candidate(self, release_id: str) -> Offered | None:
        """What the trainer has signed by itself: for the challenger's slot alone."""
        found = self._document(candidate_target(release_id))
        return None if found is None else _offered(found[1], None)

    def _document(self, target: str) -> tuple[TargetFile, bytes] | None:
        with _named():
            try:
                info = self._updater.get_targetinfo(target)
            except tuf_errors.RepositoryError as error:
                if "not part of snapshot" in str(error):  # a role that has signed nothing yet; tuf has no name for it
                    return None
                raise
            if info is None:
                return None
            if info.length > _LARGEST_DOCUMENT:
                raise MetadataEndless(f"{target} is said to have {info.length} bytes")
            path = self._updater.find_cached_target(info) or self._updater.download_target(info)
            return info, Path(path).read_bytes()

    def _signed(self, role: str) -> Any:
        return self._updater._trusted_set[role]

    def _sync(self) -> None:
        """python-tuf renames without fsync: after a power cut the newest names could hold nothing."""
        for path in (self._folder / "metadata").glob("*.json"):
            with suppress(OSError), path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(self._folder / "metadata")


def fetch_root(line: Line, digest: str, *, limit_seconds: float = 60) -> bytes:
    """The root metadata of this digest.

    Raises:
        RootUnknown, MetadataEndless, RetrievalSlow, RepositoryAway
    """
    fetcher = MetadataFetcher(line, limit_seconds=limit_seconds)
    for version in range(1, _MOST_ROOTS):
        with _named():
            try:
                data = fetcher.download_bytes(f"{line.base}/{METADATA}/{version}.root.json", _LIMITS.root_max_length)
            except tuf_errors.DownloadHTTPError:
                break
        if sha256_of(data) == digest:
            return data
    raise RootUnknown(f"{line.base} is another repository: it has no root with the digest that this node trusts")


@contextmanager
def _named() -> Iterator[None]:
    """Say what python-tuf refuses by the name of the attack, or of the fault."""
    try:
        yield
    except tuf_errors.ExpiredMetadataError as error:
        raise MetadataExpired(str(error)) from error
    except tuf_errors.BadVersionNumberError as error:
        raise MetadataRolledBack(str(error)) from error
    except tuf_errors.UnsignedMetadataError as error:
        raise MetadataUnsigned(str(error)) from error
    except tuf_errors.LengthOrHashMismatchError as error:
        raise MetadataMixed(str(error)) from error
    except tuf_errors.DownloadLengthMismatchError as error:
        raise MetadataEndless(str(error)) from error
    except tuf_errors.SlowRetrievalError as error:
        raise RetrievalSlow(str(error)) from error
    except tuf_errors.DownloadError as error:
        raise RepositoryAway(str(error)) from error
    except tuf_errors.RepositoryError as error:
        raise MetadataUnreadable(str(error)) from error


def _offered(data: bytes, number: int | None) -> Offered:
    return Offered(Manifest.from_json(_json(data)), data, sha256_of(data), number)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise MetadataUnreadable(f"signed, and no JSON: {error}") from error
