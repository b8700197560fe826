"""A node as the server sees it, and the root metadata that it is told to trust."""

import base64
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from pallor.digest import sha256_of_file
from pallor.enrolment import read_code, signed_bytes


def a_root(folder: Path) -> tuple[Path, str]:
    """Signed root metadata in a file, and its digest."""
    signer = CryptoSigner.generate_ed25519()
    root = Root()
    for role in (Root.type, Snapshot.type, Targets.type, Timestamp.type):
        root.add_key(signer.public_key, role)
    metadata = Metadata(root)
    metadata.sign(signer)
    path = folder / "1.root.json"
    metadata.to_file(str(path))
    return path, sha256_of_file(path)


def key_for(code: str, key: Ed25519PrivateKey | None = None) -> dict[str, Any]:
    """What a node sends with a code to show its key."""
    key = key or Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    signature = key.sign(signed_bytes(read_code(code), public))
    return {"public_key": base64.b64encode(public).decode(), "signature": base64.b64encode(signature).decode()}
