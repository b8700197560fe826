"""Where everything of a repository lies, for whoever writes it and for whoever reads it.

    metadata/<version>.<role>.json, metadata/timestamp.json      signed metadata (The Update Framework)
    targets/releases/<release>/<sha256>.manifest.json            what the metadata names by digest
    targets/<sha256>.policy.json, targets/clearance/..., targets/channels/..., targets/candidates/...
    files/<aa>/<sha256>                                          what manifests name by digest

A manifest names every file of its release by digest, so the metadata stays small, and a file that two releases share is
kept, and fetched, once.
"""

from pallor.digest import hex_of

POLICY = "policy.json"
METADATA, TARGETS = "metadata", "targets"


def release_target(release_id: str) -> str:
    """The manifest of a release that people have signed."""
    return f"releases/{release_id}/manifest.json"


def candidate_target(release_id: str) -> str:
    """The manifest of a candidate, which the trainer has signed by itself."""
    return f"candidates/{release_id}/manifest.json"


def clearance_target(release_id: str) -> str:
    return f"clearance/{release_id}.json"


def channel_target(channel: str) -> str:
    return f"channels/{channel}.json"


def file_place(digest: str) -> str:
    """Of a file that a manifest names."""
    bare = hex_of(digest)
    return f"files/{bare[:2]}/{bare}"


def target_place(target: str, digest: str) -> str:
    """Of something that the metadata names, under its own digest: what was there before stays readable."""
    folder, _, name = target.rpartition("/")
    return "/".join(part for part in (TARGETS, folder, f"{hex_of(digest)}.{name}") if part)
