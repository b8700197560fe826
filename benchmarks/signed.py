"""A signed repository for benchmarks: every key at hand, and releases of any size."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Key

from pallor.clock import Clock
from pallor.digest import sha256_of
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.channel import EVERYBODY, Channel, Cohort, Named
from pallor.release.manifest import Manifest, ReleaseFile
from pallor.release.repository import ceremony, contents
from pallor.release.repository.ledger import Repository
from pallor.release.repository.roles import KEY_ROLES
from pallor.release.repository.stamp import stamp
from pallor.release.shelf import Release
from pallor.store.folder import FolderStore


@dataclass
class Signed:
    """A repository, a key for each role, and the releases that were made in it."""

    repository: Repository
    clock: Clock
    keys: dict[str, CryptoSigner]
    folder: Path
    named: dict[str, Named] = field(default_factory=dict)

    @property
    def root_bytes(self) -> bytes:
        return (self.folder / "tuf/metadata/1.root.json").read_bytes()

    def release(self, release_id: str, folder: Path, model: bytes) -> Named:
        """Publish a release: the golden photos and the card of the first one, and this model."""
        digest = _pack(folder, release_id, model)
        contents.offer(self.repository, folder, self.keys["candidates"])
        contents.publish(self.repository, release_id, self.keys["releases"])
        self.named[release_id] = Named(release_id, digest)
        return self.named[release_id]

    def roll_out(self, release_id: str, folder: Path, *, model: bytes, previous: str | None = None) -> None:
        """Publish a release and let everybody run it."""
        before = None if previous is None else self.named[previous]
        expires_at = self.clock.now().replace(microsecond=0) + timedelta(days=60)
        self.say(Channel(
            name="main", rollout="rollout-1", kind="start", release=self.release(release_id, folder, model),
            previous=before, share=EVERYBODY, cohort=Cohort(), expires_at=expires_at, note="", approved_by="benchmark",
        ))  # fmt: skip

    def say(self, channel: Channel) -> None:
        """Sign a channel, and what is newest."""
        contents.set_channel(self.repository, channel, self.keys["channels"])
        stamp(self.repository, self.keys["snapshot"], self.keys["timestamp"])


def a_signed_repository(folder: Path, clock: Clock) -> Signed:
    """A repository of the real world, signed by everybody who must."""
    keys = {role: CryptoSigner.generate_ed25519() for role in KEY_ROLES}
    roots = [keys["root"], *(CryptoSigner.generate_ed25519() for _ in range(2))]
    second = CryptoSigner.generate_ed25519()
    holders: dict[str, Iterable[Key]] = {role: [key.public_key] for role, key in keys.items()}
    holders |= {
        "root": [key.public_key for key in roots],
        "clearances": [keys["releases"].public_key, second.public_key],
    }
    repository = Repository(FolderStore(folder), clock)
    drafts = ceremony.begin(repository, "real", holders)
    for key in roots[:2]:
        ceremony.sign(repository, drafts, key)
    repository.publish(*drafts.values())
    return Signed(repository, clock, keys, folder)


def _pack(folder: Path, release_id: str, model: bytes) -> str:
    """A release folder; the digest of its manifest."""
    first = Release.open(bootstrap_folder())
    kept = [file for file in first.manifest.files if file.role != "model"]
    for file in kept:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(first.path(file.path).read_bytes())
    (folder / "int8.onnx").write_bytes(model)
    files = (ReleaseFile("int8.onnx", sha256_of(model), len(model), "model", ("cpu",), "int8"), *kept)
    spelled = {**first.manifest.to_json(), "release_id": release_id, "world": "real"}
    manifest = Manifest.from_json({**spelled, "files": [vars(file) for file in files]})
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return manifest.digest()
