"""A signed repository with every key at hand, and releases small enough to be signed by the hundred."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner, Key, Signer
from tuf.api.metadata import MetaFile

from pallor.clock import Clock
from pallor.digest import sha256_of
from pallor.release.channel import EVERYBODY, Channel, Cohort, Named
from pallor.release.manifest import Golden, ReleaseFile
from pallor.release.repository import ceremony, contents
from pallor.release.repository.documents import to_bytes
from pallor.release.repository.keys import NAME_FIELD
from pallor.release.repository.ledger import Repository
from pallor.release.repository.roles import KEY_ROLES
from pallor.release.repository.stamp import stamp
from pallor.store.folder import FolderStore
from tests.support.builders import a_manifest

HOLDERS = {
    "root": ("anna", "ben", "cleo"),
    "releases": ("dora", "emil"),
    "clearances": ("dora", "emil"),
    "candidates": ("trainer",),
    "channels": ("server-channels",),
    "snapshot": ("server-snapshot",),
    "timestamp": ("server-timestamp",),
}


def a_signer(name: str) -> CryptoSigner:
    signer = CryptoSigner.generate_ed25519()
    signer.public_key.unrecognized_fields[NAME_FIELD] = name
    return signer


@dataclass
class Signed:
    """A repository in a folder store, its clock and all of its keys, by name."""

    repository: Repository
    clock: Any
    keys: dict[str, Signer]
    folder: Path

    @property
    def root_bytes(self) -> bytes:
        return (self.folder / "tuf/metadata/1.root.json").read_bytes()

    def copy(self, folder: Path, clock: Clock) -> "Signed":
        """The same again in another folder: signing takes most of a short test's time."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, repository=Repository(FolderStore(folder), clock), clock=clock, folder=folder,
                       keys=dict(self.keys))  # fmt: skip

    def public(self, *names: str) -> list[Key]:
        return [self.keys[name].public_key for name in names]

    def stamp(self) -> Any:
        return stamp(self.repository, self.keys["server-snapshot"], self.keys["server-timestamp"])

    def release(self, release_id: str, folder: Path, **facts: Any) -> Named:
        """Offer and publish a small release."""
        named = self.candidate(release_id, folder, **facts)
        contents.publish(self.repository, release_id, self.keys["dora"])
        return named

    def candidate(self, release_id: str, folder: Path, **facts: Any) -> Named:
        digest = a_small_release(folder, release_id, **facts)
        contents.offer(self.repository, folder, self.keys["trainer"])
        return Named(release_id, digest)

    def channel(self, release: Named, previous: Named | None = None, **facts: Any) -> Channel:
        """Sign a channel that lets everybody run a release, and what is newest."""
        channel = a_channel(release, previous, self.clock, **facts)
        contents.set_channel(self.repository, channel, self.keys["server-channels"])
        self.stamp()
        return channel

    def put(self, drafts: ceremony.Drafts, *names: str) -> None:
        """Let these people sign, then publish."""
        for name in names:
            ceremony.sign(self.repository, drafts, self.keys[name])
        self.repository.publish(*drafts.values())

    def force(self, role: str, change: Any, *names: str) -> int:
        """What a thief with these keys does: sign anything, and put it there without asking; its version."""
        draft = self.repository.draft(role, based_on=self.repository.newest(role))
        change(draft.signed)
        return self._put(role, draft, names)

    def force_root(self, change: Any, *names: str) -> None:
        draft = self.repository.draft("root", based_on=self.repository.root())
        change(draft.signed)
        self._put("root", draft, names)

    def point_at(self, role: str, version: int) -> None:
        """Let what is newest name a version of a role, whoever signed it."""
        data = self.repository.store.get(f"tuf/metadata/{version}.{role}.json")

        def name_it(snapshot: Any) -> None:
            snapshot.meta[f"{role}.json"] = MetaFile.from_data(version, data, ["sha256"])

        self.point_at_snapshot(self.force("snapshot", name_it, "server-snapshot"))

    def point_at_snapshot(self, version: int) -> None:
        data = self.repository.store.get(f"tuf/metadata/{version}.snapshot.json")
        before = self.repository.timestamp()
        draft = self.repository.draft("timestamp", based_on=before)
        draft.signed.version = 1 if before is None else before.signed.version + 1
        draft.signed.snapshot_meta = MetaFile.from_data(version, data, ["sha256"])
        draft.sign(self.keys["server-timestamp"])
        self.repository.publish_timestamp(draft)

    def _put(self, role: str, draft: Any, names: Iterable[str]) -> int:
        for name in names:
            draft.sign(self.keys[name], append=True)
        self.repository.store.put(f"tuf/metadata/{draft.signed.version}.{role}.json", to_bytes(draft))
        return int(draft.signed.version)


def a_repository(folder: Path, clock: Clock, world: str = "real") -> Signed:
    """Signed by everybody, with nothing in it but the policy that comes with the first release."""
    keys: dict[str, Signer] = {name: a_signer(name) for names in HOLDERS.values() for name in names}
    repository = Repository(FolderStore(folder), clock)
    by_role: dict[str, Iterable[Key]] = {role: [keys[n].public_key for n in HOLDERS[role]] for role in KEY_ROLES}
    signed = Signed(repository, clock, keys, folder)
    signed.put(ceremony.begin(repository, world, by_role), "anna", "ben")
    return signed


def a_channel(release: Named, previous: Named | None, clock: Clock, **facts: Any) -> Channel:
    channel = Channel(
        name="main",
        rollout="rollout-1",
        kind="start",
        release=release,
        previous=previous,
        share=EVERYBODY,
        cohort=Cohort(),
        expires_at=clock.now().replace(microsecond=0) + timedelta(days=60),
        note="a test",
        approved_by="admin-1",
    )
    return replace(channel, **facts)


def a_small_release(folder: Path, release_id: str, *, model: bytes = b"weights " * 64, **facts: Any) -> str:
    """A release folder whose model is no network; the manifest's digest."""
    contents_of = {
        "int8.onnx": (model, "model", ("cpu",), "int8"),
        "fp16.onnx": (b"half " + model, "model", ("sm86",), "fp16"),
        "golden/00.png": (b"a drawn photo", "golden", (), None),
        "card.md": (release_id.encode(), "card", (), None),
    }
    for path, (data, *_) in contents_of.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    files = tuple(
        ReleaseFile(path, sha256_of(data), len(data), role, needs, precision)
        for path, (data, role, needs, precision) in contents_of.items()
    )
    manifest = a_manifest(
        **{"release_id": release_id, "files": files, "golden": (Golden("golden/00.png", 0.5),)} | facts
    )
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return manifest.digest()
