"""The signed metadata in the object store, and nothing in it that its role did not sign.

Drafts are metadata that still lack signatures; they travel between key holders as files in a folder.
"""

from pathlib import Path
from typing import Any, Self

from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile, Targets, Timestamp

from pallor.clock import Clock, utc_text
from pallor.digest import hex_of, sha256_of
from pallor.errors import Refused, Untrusted
from pallor.release.places import METADATA, file_place, target_place
from pallor.release.repository.documents import ISSUED, WORLD, empty, role_of, to_bytes
from pallor.release.repository.keys import name_of
from pallor.release.repository.roles import DELEGATED, LIFETIME, ROOT, SNAPSHOT, TIMESTAMP, TOP
from pallor.store.port import ObjectMissing, ObjectStore

_PREFIX = "tuf/"
_ORDER = (ROOT, TOP, *DELEGATED, SNAPSHOT, TIMESTAMP)


class RepositoryMissing(Refused):
    """Nothing has been signed yet, or the store is another one."""

    @classmethod
    def because(cls, reason: str) -> Self:
        return cls(
            reason, field="PALLOR_STORE_URL", value="(hidden)",
            remedy="Check that it is the right store; begin with: pallor-release begin (docs/key-ceremony.md).",
        )  # fmt: skip


class RootFileMissing(Refused):
    """The file that holds the root to trust is not there."""


class SignaturesMissing(Refused):
    """Not enough of those who may sign have signed."""


class VersionTaken(Refused):
    """Somebody else was quicker: what was drafted no longer follows from what is published."""


class RepositoryDamaged(Untrusted):
    """What lies in the store is not what was signed."""


class Repository:
    """What is published under ``tuf/`` of an object store; ``world``: ``real`` | ``synthetic``, named in the root.

    Args:
        first_root: the root metadata to trust; None: the first that lies in the store, whoever put it there.
    """

    def __init__(self, store: ObjectStore, clock: Clock, first_root: bytes | None = None) -> None:
        self.store = store
        self.clock = clock
        self._first_root = first_root

    @property
    def world(self) -> str:
        return str(self.root().signed.unrecognized_fields[WORLD])

    def root(self) -> Metadata[Root]:
        """The newest root that those before it have signed; raises ``RepositoryMissing`` or ``RepositoryDamaged``."""
        trusted: Metadata[Root] | None = None if self._first_root is None else _parsed(self._first_root, "first root")
        for version in sorted(self._versions(ROOT)):
            if trusted is not None and version <= trusted.signed.version:
                continue
            found: Metadata[Root] = self._read(f"{version}.{ROOT}.json")
            if trusted is not None and version == trusted.signed.version + 1:
                if not found.signed.get_root_verification_result(trusted.signed, found.signed_bytes, found.signatures):
                    break
            elif trusted is not None:
                break
            trusted = found
        if trusted is None:
            raise RepositoryMissing.because("there is no signed root in this store")
        return trusted

    def newest(self, role: str) -> Metadata[Any] | None:
        """The newest metadata of a role that is signed by enough of those who may sign it now, None without any.

        What somebody without the right put into the store is passed over.
        """
        delegator = self.delegator(role)
        for version in sorted(self._versions(role), reverse=True):
            try:
                found = self._read(f"{version}.{role}.json")
                delegator.verify_delegate(role, found.signed_bytes, found.signatures)
                return found
            except (RepositoryError, RepositoryDamaged):
                continue
        return None

    def delegator(self, role: str) -> Root | Targets:
        """Whose metadata says who signs for a role."""
        if role not in DELEGATED:
            return self.root().signed
        top = self.newest(TOP)
        if top is None:
            raise RepositoryMissing.because("nobody has signed yet who may sign releases")
        return top.signed  # type: ignore[no-any-return]

    def targets(self, role: str) -> dict[str, TargetFile]:
        """What a role names, by path."""
        found = self.newest(role)
        return {} if found is None else dict(found.signed.targets)

    def content(self, target: TargetFile) -> bytes:
        """What a target names, checked; raises ``RepositoryDamaged``."""
        digest = f"sha256:{target.hashes['sha256']}"
        data = self._get(target_place(target.path, digest))
        if sha256_of(data) != digest:
            raise RepositoryDamaged(f"{target.path} is not what was signed")
        return data

    def put_content(self, target: str, data: bytes, **custom: Any) -> TargetFile:
        """Keep what a target will name; ``custom`` is signed with it."""
        self.store.put(_PREFIX + target_place(target, sha256_of(data)), data)
        more = {"custom": custom} if custom else {}
        return TargetFile(len(data), {"sha256": hex_of(sha256_of(data))}, target, more)

    def put_file(self, digest: str, data: bytes) -> bool:
        """Keep a file that a manifest names; True when it was not there yet."""
        key = _PREFIX + file_place(digest)
        if self.store.has(key):
            return False
        self.store.put(key, data)
        return True

    def check_file(self, digest: str) -> None:
        """Raise ``RepositoryDamaged`` unless a file that a manifest names is there, whole."""
        if sha256_of(self._get(file_place(digest))) != digest:
            raise RepositoryDamaged(f"the file {digest} is not what its name says")

    def draft(self, role: str, *, based_on: Metadata[Any] | None = None) -> Metadata[Any]:
        """The next version of a role, unsigned: with what stands in ``based_on``, or in the newest, or empty."""
        before = based_on or (None if role == ROOT else self.newest(role))
        made: Metadata[Any] = Metadata(empty(role)) if before is None else Metadata.from_bytes(before.to_bytes())
        made.signatures.clear()
        now = self.clock.now().replace(microsecond=0)
        made.signed.version = max(self._versions(role), default=0) + 1
        made.signed.expires = now + LIFETIME[role]
        made.signed.unrecognized_fields[ISSUED] = utc_text(now)
        return made

    def publish(self, *drafts: Metadata[Any]) -> None:
        """Put signed drafts into the store, all or none: the root first, then who may sign, then what they signed.

        Raises:
            SignaturesMissing, VersionTaken
        """
        ordered = sorted(drafts, key=lambda draft: _ORDER.index(role_of(draft)))
        by_role = {role_of(draft): draft for draft in ordered}
        for draft in ordered:
            role = role_of(draft)
            if draft.signed.version != max(self._versions(role), default=0) + 1:
                raise VersionTaken(
                    f"another version of {role} was published meanwhile", field=role, value=draft.signed.version,
                    remedy="Draft the change anew from what is published now.",
                )  # fmt: skip
            missing = self.missing(draft, by_role)
            if missing:
                raise SignaturesMissing(
                    f"{role} is not signed by enough: {missing}", field=role, value=f"version {draft.signed.version}",
                    remedy="Let the others sign it: pallor-release sign DRAFTS --key FILE.",
                )  # fmt: skip
        for draft in ordered:
            self.store.put(f"{_PREFIX}{METADATA}/{draft.signed.version}.{role_of(draft)}.json", to_bytes(draft))

    def publish_timestamp(self, draft: Metadata[Timestamp]) -> None:
        """The one file that is written over: it says what is newest."""
        self.store.put(f"{_PREFIX}{METADATA}/{TIMESTAMP}.json", to_bytes(draft))

    def timestamp(self) -> Metadata[Timestamp] | None:
        """The timestamp that is published, None when there is none that its key signed."""
        try:
            found: Metadata[Timestamp] = self._read(f"{TIMESTAMP}.json")
            self.root().signed.verify_delegate(TIMESTAMP, found.signed_bytes, found.signatures)
            return found
        except (ObjectMissing, RepositoryError, RepositoryDamaged):
            return None

    def missing(self, draft: Metadata[Any], others: dict[str, Metadata[Any]] | None = None) -> str:
        """Whose signatures a draft still lacks, in words; empty when it has enough.

        Args:
            others: drafts that will be published with it and say who may sign.
        """
        role, lacking = role_of(draft), []
        for delegator in self._judges(role, draft, others or {}):
            result = delegator.get_verification_result(role, draft.signed_bytes, draft.signatures)
            if not result:
                names = sorted(name_of(key) for key in result.unsigned.values())
                lacking.append(f"{result.missing} more of {', '.join(names)}")
        return "; and ".join(dict.fromkeys(lacking))

    def may_sign(self, draft: Metadata[Any], key: Key, others: dict[str, Metadata[Any]]) -> bool:
        """True when a key counts for a draft."""
        role = role_of(draft)
        judges = self._judges(role, draft, others)
        return any(key.keyid in delegator.get_delegated_role(role).keyids for delegator in judges)

    def _judges(self, role: str, draft: Metadata[Any], others: dict[str, Metadata[Any]]) -> list[Root | Targets]:
        """Whose metadata must be satisfied: of a root, the one before it and its own."""
        if role == ROOT:
            try:
                return [self.root().signed, draft.signed]
            except RepositoryMissing:
                return [draft.signed]
        above = others.get(TOP if role in DELEGATED else ROOT)
        return [above.signed if above is not None else self.delegator(role)]

    def _versions(self, role: str) -> list[int]:
        prefix, ending = f"{_PREFIX}{METADATA}/", f".{role}.json"
        names = (key.removeprefix(prefix) for key in self.store.keys(prefix))
        numbers = (name.removesuffix(ending) for name in names if name.endswith(ending))
        return [int(number) for number in numbers if number.isdigit()]

    def _read(self, name: str) -> Metadata[Any]:
        return _parsed(self._get(f"{METADATA}/{name}"), name)

    def _get(self, place: str) -> bytes:
        return self.store.get(_PREFIX + place)


def open_repository(store: ObjectStore, clock: Clock, root_file: Path | None) -> Repository:
    """A repository whose first root lies in a file; raises ``RootFileMissing``."""
    try:
        return Repository(store, clock, None if root_file is None else root_file.read_bytes())
    except OSError as error:
        raise RootFileMissing(
            f"the root metadata cannot be read: {error.strerror}", field="PALLOR_ROOT_METADATA", value=root_file,
            remedy="Copy tuf/metadata/1.root.json from the store there (docs/key-ceremony.md).",
        ) from error  # fmt: skip


def _parsed(data: bytes, name: str) -> Metadata[Any]:
    try:
        return Metadata.from_bytes(data)
    except RepositoryError as error:
        raise RepositoryDamaged(f"{name} is no metadata: {error}") from error
