"""The whole key ceremony on one machine, at its first start: development keys, and the first release signed by them.

<data>/keys/development-*.key   those of root, of releases and of the trainer
<data>/keys/server/             those that the sweeper signs with
<data>/keys/1.root.json         what nodes are told to trust
<data>/keys/passphrase          what opens all of them

Whoever reads this folder can let any release run on this machine's nodes, so it is for trying things out, and for one
machine alone. Nobody can clear a release with it: the two keys that would count for that are thrown away at once.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Key, Signer

from pallor.clock import Clock
from pallor.durable import sync_folder
from pallor.onebox.folder import DataFolder
from pallor.release.bootstrap import bootstrap_folder
from pallor.release.repository import ceremony, contents
from pallor.release.repository.keys import NAME_FIELD, new_key, open_key
from pallor.release.repository.ledger import Repository
from pallor.release.repository.roles import CANDIDATES, CHANNELS, CLEARANCES, RELEASES, ROOT, SNAPSHOT, TIMESTAMP
from pallor.release.repository.stamp import stamp
from pallor.store.folder import FolderStore

_PEOPLE = {
    ROOT: ("development-root-1", "development-root-2", "development-root-3"),
    RELEASES: ("development-release",),
    CANDIDATES: ("development-trainer",),
}
_SERVER = {role: (f"development-{role}",) for role in (CHANNELS, SNAPSHOT, TIMESTAMP)}
_THROWN_AWAY = ("nobody-1", "nobody-2")
_STORE, _PASSPHRASE = "store", "passphrase"


@dataclass(frozen=True)
class OwnKeys:
    """Where this machine's development keys lie."""

    folder: Path

    @property
    def root_file(self) -> Path:
        return self.folder / "1.root.json"

    @property
    def server(self) -> Path:
        return self.folder / "server"

    @property
    def passphrase(self) -> str:
        return (self.folder / _PASSPHRASE).read_text().strip()


def own_keys(data: DataFolder, world: str, clock: Clock, environ: Mapping[str, str]) -> OwnKeys | None:
    """This machine's development keys, made and used for the first time if need be.

    Returns:
        None where people have held the ceremony themselves: by what the environment names, or what the store holds.
    """
    if "PALLOR_KEYS" in environ or _of_people(environ.get("PALLOR_ROOT_METADATA")):
        return None
    signed, held = data.root / "store" / "tuf", data.root / ".ceremony"
    if not held.exists():
        if data.keys.exists() or signed.exists():
            return OwnKeys(data.keys) if data.keys.exists() else None
        _hold(data.root / ".ceremony.part", held, world, clock)
    # A power cut between two steps of this leaves what the next start finishes.
    for there, to in ((held / "keys", data.keys), (held / _STORE / "tuf", signed)):
        if there.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            os.replace(there, to)
            sync_folder(to.parent)
    shutil.rmtree(held)
    return OwnKeys(data.keys)


def _of_people(root_file: str | None) -> bool:
    """False for none, and for that of a machine like this one: a shell may have read its ``environment``."""
    return root_file is not None and not (Path(root_file).parent / _PASSPHRASE).exists()


def _hold(part: Path, held: Path, world: str, clock: Clock) -> None:
    """Make the keys, sign the root and the first release, all in a folder that is there when all of it is."""
    shutil.rmtree(part, ignore_errors=True)
    keys = OwnKeys(part / "keys")
    keys.server.mkdir(parents=True, mode=0o700)
    passphrase = secrets.token_urlsafe(24)
    with os.fdopen(os.open(keys.folder / _PASSPHRASE, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(f"{passphrase}\n")
    made = {role: [_made(keys.folder, name, passphrase) for name in names] for role, names in _PEOPLE.items()}
    made |= {role: [_made(keys.server, name, passphrase) for name in names] for role, names in _SERVER.items()}
    public: dict[str, list[Key]] = {role: [one.public_key for one in signers] for role, signers in made.items()}
    public[CLEARANCES] = [_nobodys(name) for name in _THROWN_AWAY]
    repository = Repository(FolderStore(part / _STORE), clock)
    drafts = ceremony.begin(repository, world, public)
    for signer in made[ROOT][:2]:
        ceremony.sign(repository, drafts, signer)
    repository.publish(*drafts.values())
    release_id = contents.offer(repository, bootstrap_folder(), made[CANDIDATES][0])
    contents.publish(repository, release_id, made[RELEASES][0])
    stamp(repository, made[SNAPSHOT][0], made[TIMESTAMP][0])
    shutil.copy(part / _STORE / "tuf" / "metadata" / keys.root_file.name, keys.root_file)
    os.sync()
    os.replace(part, held)
    sync_folder(held.parent)


def _made(folder: Path, name: str, passphrase: str) -> Signer:
    new_key(folder, name, passphrase)
    return open_key(folder / f"{name}.key", lambda: passphrase)


def _nobodys(name: str) -> Key:
    key: Key = CryptoSigner.generate_ed25519().public_key
    key.unrecognized_fields[NAME_FIELD] = name
    return key
